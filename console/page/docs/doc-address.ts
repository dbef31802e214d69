import { isDocPath } from '../../answers/docs.ts'
import { hrefOf } from '../address.ts'

/** The address in the console of a page of the documentation, such as `docs/cli.md#scopes`. */
export function docHref(page: string): string {
	const [path = '', anchor] = page.split('#')
	return hrefOf(path.split('/'), anchor === undefined ? {} : { at: anchor })
}

/** A page of the documentation that a sentence names. */
export const docName = /\b(docs\/[\w/-]+\.md(?:#[\w-]+)?|README\.md)/

/**
 * Where a link of a page leads: to a page in the console, to a page of the internet, or nowhere, as for a source.
 *
 * @param page the path of the page in the repository, such as `docs/cli.md`
 */
export function linkTarget(
	page: string,
	href: string,
): { readonly href: string; readonly isOutside: boolean } | undefined {
	if (/^https:\/\//.test(href)) return { href, isOutside: true }
	const [path = '', anchor] = href.split('#')
	const target = path === '' ? page : joined(page, path)
	if (!isDocPath(target)) return undefined
	return { href: docHref(anchor === undefined ? target : `${target}#${anchor}`), isOutside: false }
}

/** @example joined('docs/decisions/README.md', '../cli.md') // 'docs/cli.md' */
function joined(page: string, path: string): string {
	const parts = page.split('/').slice(0, -1)
	for (const part of path.split('/')) {
		if (part === '..') parts.pop()
		else if (part !== '.') parts.push(part)
	}
	return parts.join('/')
}
