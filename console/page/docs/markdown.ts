// Reads the Markdown that the pages of the documentation use. Everything else in a page stays text.

/** A part of a line. */
export type DocSpan =
	| { readonly kind: 'text' | 'code'; readonly text: string }
	| { readonly kind: 'strong' | 'em'; readonly spans: readonly DocSpan[] }
	/** `href` is as in the page, and is not checked. */
	| { readonly kind: 'link'; readonly href: string; readonly spans: readonly DocSpan[] }

export type DocSpans = readonly DocSpan[]

export type DocBlock =
	/** `anchor` is the one that GitHub gives the heading. */
	| { readonly kind: 'heading'; readonly level: number; readonly anchor: string; readonly spans: DocSpans }
	| { readonly kind: 'paragraph'; readonly spans: DocSpans }
	| { readonly kind: 'code'; readonly text: string }
	| { readonly kind: 'list'; readonly isOrdered: boolean; readonly items: readonly (readonly DocBlock[])[] }
	| { readonly kind: 'quote'; readonly blocks: readonly DocBlock[] }
	| { readonly kind: 'table'; readonly head: readonly DocSpans[]; readonly rows: readonly (readonly DocSpans[])[] }

/** The blocks of a page of Markdown. */
export function blocksIn(markdown: string): readonly DocBlock[] {
	const references = new Map<string, string>()
	const lines = markdown.split(/\r?\n/).filter((line) => {
		const [, name, href] = /^\[([\w-]+)\]: (\S+)$/.exec(line) ?? []
		if (name !== undefined && href !== undefined) references.set(name, href)
		return name === undefined && !/^<!--.*-->$/.test(line)
	})
	return blocksOf(lines, (text) => spansIn(text, references))
}

type SpansOf = (text: string) => DocSpans

function blocksOf(lines: readonly string[], spansOf: SpansOf): readonly DocBlock[] {
	const blocks: DocBlock[] = []
	for (let at = 0; at < lines.length; ) {
		if (lines[at]?.trim() === '') {
			at++
			continue
		}
		const { block, length } = firstBlock(lines.slice(at), spansOf)
		blocks.push(block)
		at += length
	}
	return blocks
}

type BlockRead = { readonly block: DocBlock; readonly length: number }

const itemStart = /^(-|\d+\.) +/

/** The block at the first of some lines, and how many lines it has. */
function firstBlock(lines: readonly string[], spansOf: SpansOf): BlockRead {
	const [first = ''] = lines
	const heading = /^(#{1,6}) (.*)$/.exec(first)
	if (heading !== null) {
		const [, { length: level } = '', text = ''] = heading
		return { block: { kind: 'heading', level, anchor: anchorOf(text), spans: spansOf(text) }, length: 1 }
	}
	if (first.startsWith('```')) return codeBlock(lines)
	if (first.startsWith('>')) return quote(lines, spansOf)
	if (first.startsWith('|')) return table(lines, spansOf)
	if (itemStart.test(first)) return list(lines, spansOf)
	const length = countWhile(lines, (line, index) => index === 0 || !/^\s*$|^(#|>|\||```|- |\d+\. )/.test(line))
	return { block: { kind: 'paragraph', spans: spansOf(lines.slice(0, length).join(' ')) }, length }
}

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
	heading
		.toLowerCase()
		.replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
		.replaceAll(' ', '-')

function codeBlock(lines: readonly string[]): BlockRead {
	const length = 1 + countWhile(lines.slice(1), (line) => !line.startsWith('```'))
	return { block: { kind: 'code', text: lines.slice(1, length).join('\n') }, length: length + 1 }
}

function quote(lines: readonly string[], spansOf: SpansOf): BlockRead {
	const length = countWhile(lines, (line) => line.startsWith('>'))
	const inner = lines.slice(0, length).map((line) => line.replace(/^> ?/, ''))
	return { block: { kind: 'quote', blocks: blocksOf(inner, spansOf) }, length }
}

function table(lines: readonly string[], spansOf: SpansOf): BlockRead {
	const length = countWhile(lines, (line) => line.startsWith('|'))
	const [head = [], , ...rows] = lines.slice(0, length).map((line) => cellsIn(line).map(spansOf))
	return { block: { kind: 'table', head, rows }, length }
}

const cellsIn = (line: string): readonly string[] =>
	line
		.trim()
		.replace(/^\||\|$/g, '')
		.split(/(?<!\\)\|/)
		.map((cell) => cell.trim().replaceAll('\\|', '|'))

/** A list. What is indented below an item belongs to the item. */
function list(lines: readonly string[], spansOf: SpansOf): BlockRead {
	const isOrdered = /^\d/.test(lines[0] ?? '')
	const isItem = (line: string): boolean => itemStart.test(line) && /^\d/.test(line) === isOrdered
	const isInside = (line: string, index: number): boolean =>
		isItem(line) || /^\s/.test(line) || (line === '' && isInsideAgain(lines[index + 1] ?? ''))
	const isInsideAgain = (line: string): boolean => isItem(line) || /^ {2,}\S/.test(line)
	const length = countWhile(lines, isInside)
	const items: string[][] = []
	for (const line of lines.slice(0, length)) {
		const [mark] = isItem(line) ? (itemStart.exec(line) ?? []) : []
		if (mark !== undefined) items.push([line.slice(mark.length)])
		else items.at(-1)?.push(line.replace(isOrdered ? /^ {1,3}/ : /^ {1,2}/, ''))
	}
	return { block: { kind: 'list', isOrdered, items: items.map((item) => blocksOf(item, spansOf)) }, length }
}

function countWhile(lines: readonly string[], holds: (line: string, index: number) => boolean): number {
	const end = lines.findIndex((line, index) => !holds(line, index))
	return end < 0 ? lines.length : end
}

/** Code, an image, a link, a link by reference, strong and emphasised text: the first of them in a text. */
const special =
	/`([^`]+)`|!\[([^\]]*)\]\([^)\s]*\)|\[((?:`[^`]*`|[^\]`])+)\](?:\(([^)\s]*)\)|\[([\w-]+)\])|\*\*(.+?)\*\*|\*([^*\s](?:[^*]*[^*\s])?)\*/

function spansIn(text: string, references: ReadonlyMap<string, string>): DocSpans {
	const match = special.exec(text)
	if (match === null) return text === '' ? [] : [{ kind: 'text', text }]
	const before = text.slice(0, match.index)
	const after = text.slice(match.index + match[0].length)
	return [
		...(before === '' ? [] : [{ kind: 'text', text: before } as const]),
		spanOf(match, references),
		...spansIn(after, references),
	]
}

/** The span of a match. A picture is what it shows, in words. */
function spanOf(match: RegExpExecArray, references: ReadonlyMap<string, string>): DocSpan {
	const [whole, code, image, linked, href, reference, strong, em] = match
	const inner = (text: string): DocSpans => spansIn(text, references)
	if (code !== undefined) return { kind: 'code', text: code }
	if (image !== undefined) return { kind: 'em', spans: [{ kind: 'text', text: `Picture: ${image}` }] }
	if (strong !== undefined) return { kind: 'strong', spans: inner(strong) }
	if (em !== undefined) return { kind: 'em', spans: inner(em) }
	const target = href ?? references.get(reference ?? '')
	return linked === undefined || target === undefined
		? { kind: 'text', text: whole }
		: { kind: 'link', href: target, spans: inner(linked) }
}
