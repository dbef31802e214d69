import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { docs, pages } from './pages.ts'

const textOf = (page: string): string => readFileSync(page, 'utf8').replaceAll(/^```.*?^```$/gms, '')

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
	heading
		.toLowerCase()
		.replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
		.replaceAll(' ', '-')

const anchorsOf = (page: string): readonly string[] =>
	[...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))

/** The links to other pages, and to places in them, that lead nowhere. */
function brokenLinksOf(page: string, text: string): readonly string[] {
	const links = [...text.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, link = '']) => link)
	return links.filter((link) => {
		const [path = '', anchor] = link.split('#')
		const target = path === '' ? page : normalize(join(dirname(page), path))
		if (!existsSync(target)) return true
		return anchor !== undefined && !anchorsOf(target).includes(anchor)
	})
}

/** Sources that the text names and that are not there. */
const missingSourcesOf = (text: string): readonly string[] =>
	[...text.matchAll(/`((?:bench|cli|demo|docs|functions|infra|local|agent|shared|test)\/[\w./-]+)`/g)]
		.map(([, path = '']) => path)
		.filter((path) => !existsSync(path))

/** Links whose text is the name of a function or a type, and whose target does not declare it. */
const missingNamesOf = (page: string, text: string): readonly string[] =>
	[...text.matchAll(/\[`(\w+)`\]\(([^)]+\.ts)\)/g)]
		.filter(([, name = '', path = '']) => {
			const target = normalize(join(dirname(page), path))
			return (
				!existsSync(target) || !new RegExp(`\\b(function|const|type) ${name}\\b`).test(readFileSync(target, 'utf8'))
			)
		})
		.map(([, name = '']) => name)

test.each([...pages, 'SECURITY.md', 'CHANGELOG.md'])(
	'%s links to what is there, and names sources that are there',
	(page) => {
		const text = textOf(page)
		const broken = {
			links: brokenLinksOf(page, text),
			sources: missingSourcesOf(text),
			names: missingNamesOf(page, text),
		}
		expect(broken).toEqual({ links: [], sources: [], names: [] })
	},
)

/** The pages to which a page has a link. */
const linkedFrom = (page: string): readonly string[] =>
	[...textOf(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, path = '']) => normalize(join(dirname(page), path)))

test('each page is in the index, and each decision in that of decisions', () => {
	const indexes = ['docs/README.md', 'docs/decisions/README.md']
	const listed = ['docs/README.md', ...indexes.flatMap(linkedFrom)]
	expect(docs.filter((page) => !listed.includes(page))).toEqual([])
})

test('a link that leads nowhere would be found, and a source that is gone', () => {
	const text = 'see [this](deploy.md#nowhere), [that](nowhere.md) and `shared/auth/tokns.ts`, [not that](#threat-model)'
	expect(brokenLinksOf('docs/security.md', text)).toEqual(['deploy.md#nowhere', 'nowhere.md'])
	expect(missingSourcesOf(text)).toEqual(['shared/auth/tokns.ts'])
	const linked =
		'[`commit`](../shared/storage/transaction/commit.ts), [`comit`](../shared/storage/transaction/commit.ts)'
	expect(missingNamesOf('docs/storage.md', linked)).toEqual(['comit'])
})
