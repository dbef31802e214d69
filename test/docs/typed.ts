/** What a page tells its reader to type and a test has to run: all commands but those that are marked. */
export type Typed = {
	/** For each heading the commands of its blocks as one script, since a later one may use the variables of an earlier one. */
	readonly scripts: ReadonlyMap<string, string>
	/** Whole command lines in the prose, each once. */
	readonly lines: readonly string[]
	/** Paragraphs of PowerShell, which no test runs. */
	readonly translations: readonly Translation[]
}

/** A paragraph of PowerShell, and those of bash above it under the same heading: it has to say the same as one of them. */
export type Translation = { readonly powershell: string; readonly bash: readonly string[] }

type Block = { readonly indent: number; readonly language: string; readonly lines: string[] }

/** What a reader sees beside a command that no test runs. */
const mark = /not run by a test/i

/**
 * Reads Markdown. In a block a mark is the comment above some lines, and holds up to the next empty line; in prose it
 * follows the command in brackets.
 */
export function typedIn(markdown: string, isCommand: (text: string) => boolean): Typed {
	const scripts = new Map<string, string>()
	const translations: Translation[] = []
	let bash: readonly string[] = []
	let heading = ''
	let prose = ''
	let block: Block | undefined
	for (const line of markdown.split('\n')) {
		const [, indent = '', language] = /^( *)```(\w*)/.exec(line) ?? []
		if (block === undefined) {
			if (language !== undefined) block = { indent: indent.length, language, lines: [] }
			else prose += `${line}\n`
			const [, next] = /^#+ (.*)/.exec(line) ?? []
			if (next !== undefined) [heading, bash] = [next, []]
		} else if (language === undefined) block.lines.push(line.slice(block.indent))
		else if (block.language === 'powershell') {
			for (const powershell of unmarked(paragraphsOf(block))) translations.push({ powershell, bash })
			block = undefined
		} else {
			if (['sh', 'bash'].includes(block.language)) bash = [...bash, ...paragraphsOf(block)]
			const script = commandsOf(block, isCommand)
			if (script !== '') scripts.set(heading, `${scripts.get(heading) ?? ''}${script}\n`)
			block = undefined
		}
	}
	const lines = [...prose.matchAll(/`([^`]+)`(\s+\([^)]*\))?/g)]
		.filter(([, , after = '']) => !mark.test(after.replaceAll(/\s+/g, ' ')))
		.map(([, code = '']) => code.replaceAll(/\s+/g, ' '))
		.filter(isCommand)
	return { scripts, lines: [...new Set(lines)], translations }
}

/** Data and diagrams have no commands. A block without a language shows what a program prints. */
function commandsOf(block: Block, isCommand: (text: string) => boolean): string {
	if (['json', 'bicep', 'mermaid'].includes(block.language)) return ''
	if (block.language === '') return block.lines.filter(isCommand).join('\n')
	return unmarked(paragraphsOf(block)).join('\n')
}

const paragraphsOf = ({ lines }: Block): readonly string[] =>
	lines
		.join('\n')
		.trim()
		.split(/\n{2,}/)

const unmarked = (paragraphs: readonly string[]): readonly string[] =>
	paragraphs.filter((paragraph) => !mark.test(/^#.*/.exec(paragraph)?.[0] ?? ''))
