import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { failuresIn } from '../../cli/failure-groups.ts'
import { isDocPath } from '../../console/answers/docs.ts'
import { docHref, linkTarget } from '../../console/page/docs/doc-address.ts'
import { blocksIn, type DocBlock, type DocSpan } from '../../console/page/docs/markdown.ts'
import { docs } from '../docs/pages.ts'
import { useConsole, usePage } from '../support/console.ts'

const started = useConsole({ page: usePage() })
const pages = ['README.md', ...docs]

const ask = (page: string) => started().ask('GET', `/docs/${encodeURIComponent(page)}`)

describe('the documentation', () => {
	test.each(pages)('%s is served as it is', async (page) => {
		expect(isDocPath(page)).toBe(true)
		expect(await ask(page)).toEqual({ status: 200, body: { text: readFileSync(page, 'utf8') } })
	})

	test.each([
		...['docs/nothing.md', 'docs/../../package.json', '../README.md', '/etc/passwd', 'page.js', 'docs/openapi.json'],
		...['docs/..%2f..%2fREADME.md', 'docs\\cli.md', 'docs/decisions', 'docs/pictures/x.md', 'file:///etc/hosts.md'],
		'docs/cli.md\u0000',
	])('%j is refused', async (page) => {
		expect(await ask(page)).toEqual({ status: 404, body: { error: `the documentation has no page ${page}` } })
	})

	test('nothing is served without a session', async () => {
		const { console } = started()
		expect((await fetch(`${console.url}/console/api/docs/README.md`)).status).toBe(401)
		expect((await fetch(`${console.url}/README.md`)).status).toBe(404)
		expect((await fetch(`${console.url}/docs/cli.md`)).status).toBe(404)
	})
})

const spansOf = (block: DocBlock): readonly DocSpan[] => {
	switch (block.kind) {
		case 'heading':
		case 'paragraph':
			return block.spans
		case 'quote':
			return block.blocks.flatMap(spansOf)
		case 'list':
			return block.items.flat().flatMap(spansOf)
		case 'table':
			return [block.head, ...block.rows].flat(2)
		case 'code':
			return []
	}
}

const allSpans = (spans: readonly DocSpan[]): readonly DocSpan[] =>
	spans.flatMap((span) => ('spans' in span ? [span, ...allSpans(span.spans)] : [span]))

const spansIn = (markdown: string) => allSpans(blocksIn(markdown).flatMap(spansOf))

const anchorsOf = (page: string): readonly string[] =>
	blocksIn(readFileSync(page, 'utf8')).flatMap((block) => (block.kind === 'heading' ? [block.anchor] : []))

describe('a page of the documentation', () => {
	test.each(pages)('%s has no mark of Markdown left, and its links lead to headings that are there', (page) => {
		const spans = spansIn(readFileSync(page, 'utf8'))
		const texts = spans.flatMap((span) => (span.kind === 'text' ? [span.text] : []))
		expect(texts.filter((text) => /\]\(|\*\*|`|^\||^#/.test(text))).toEqual([])
		const links = spans.flatMap((span) => (span.kind === 'link' ? [span.href] : []))
		const lost = links.filter((href) => {
			const [path = '', query = ''] = linkTarget(page, href)?.href.replace('#/', '').split('?') ?? []
			if (path === '' || path.startsWith('https:')) return false
			const anchor = new URLSearchParams(query).get('at')
			return !existsSync(path) || (anchor !== null && !anchorsOf(path).includes(anchor))
		})
		expect(lost).toEqual([])
	})

	test('has each kind of block and of text', () => {
		const text = (words: string): DocSpan => ({ kind: 'text', text: words })
		const paragraph = (...spans: DocSpan[]): DocBlock => ({ kind: 'paragraph', spans })
		const page = [
			...['# The `page`', 'one *two*', '**three** [four][4].', '', '1. first', '   - deep', '2. second', '   again'],
			...['', '| a | b |', '|---|---|', '| `x\\|y` | ![z](z.png) |', '<!-- no -->', '', '```sh', '# a', '', '```'],
			...['> said', '', '[4]: https://example.com'],
		].join('\n')
		expect(blocksIn(page)).toEqual([
			{ kind: 'heading', level: 1, anchor: 'the-page', spans: [text('The '), { kind: 'code', text: 'page' }] },
			paragraph(
				...[text('one '), { kind: 'em', spans: [text('two')] } as const, text(' ')],
				...[{ kind: 'strong', spans: [text('three')] } as const, text(' ')],
				...[{ kind: 'link', href: 'https://example.com', spans: [text('four')] } as const, text('.')],
			),
			{
				kind: 'list',
				isOrdered: true,
				items: [
					[paragraph(text('first')), { kind: 'list', isOrdered: false, items: [[paragraph(text('deep'))]] }],
					[paragraph(text('second again'))],
				],
			},
			{
				kind: 'table',
				head: [[text('a')], [text('b')]],
				rows: [[[{ kind: 'code', text: 'x|y' }], [{ kind: 'em', spans: [text('Picture: z')] }]]],
			},
			{ kind: 'code', text: '# a\n' },
			{ kind: 'quote', blocks: [paragraph(text('said'))] },
		])
	})

	test.each([
		['docs/cli.md', 'history.md#ask', '#/docs/history.md?at=ask'],
		['docs/cli.md', '#scopes', '#/docs/cli.md?at=scopes'],
		['docs/decisions/README.md', '../../README.md', '#/README.md'],
		['docs/cli.md', 'https://example.com/', 'https://example.com/'],
		['docs/cli.md', '../cli/main.ts', undefined],
		['docs/cli.md', 'javascript:alert(1)', undefined],
		['docs/cli.md', 'JavaScript:alert(1)//.md', undefined],
		['docs/cli.md', 'data:text/html,docs/cli.md', undefined],
		['docs/cli.md', '//example.com/x.md', undefined],
		['docs/cli.md', 'http://example.com', undefined],
		['docs/cli.md', '../../../etc/passwd', undefined],
	])('in %s, the link %s leads to %s', (page, href, target) => {
		expect(linkTarget(page, href)?.href).toBe(target)
	})
})

test('each remedy names a page and a heading that are there', async () => {
	const refusals = [
		...[400, 403, 404, 405, 409, 412, 413, 429, 500, 503].map((status) => ({ status, sentence: `${status}` })),
		{ status: 409, scimType: 'uniqueness', sentence: 'taken' },
		{ status: 503, sentence: 'The guard of this tenant holds deletions back' },
	].map((refusal) => ({
		...{ operation: '1', isOthers: false, method: 'POST', path: '/Users', name: 'joy', count: 1, first: 1, last: 1 },
		...{ scimType: undefined, resourceId: undefined, requestId: undefined },
		...refusal,
	}))
	// sound: the groups read nothing else
	const read = [refusals] as unknown as AsyncIterable<[]>
	const { groups } = await failuresIn(read, 1)
	expect(groups).toHaveLength(refusals.length)
	for (const { page } of groups) {
		const [path = '', anchor] = page.split('#')
		expect(docHref(page)).toContain(path)
		expect(isDocPath(path)).toBe(true)
		if (anchor !== undefined) expect(anchorsOf(path)).toContain(anchor)
	}
})
