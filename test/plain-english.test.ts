import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** What the lint finds in a text, asked of its module. */
function problemsIn(name: string, text: string): readonly string[] {
	const script = `
		import { problemsOf, sentencesIn } from './plain-english.mjs'
		const sentences = sentencesIn(${JSON.stringify(name)}, ${JSON.stringify(text)})
		console.log(JSON.stringify(sentences.flatMap(({ line, sentence }) => problemsOf(sentence).map((each) => line + ' ' + each))))`
	const out = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
	return JSON.parse(out)
}

const long = Array.from({ length: 31 }, () => 'word').join(' ')

test.each([
	[
		'a comment',
		'a.ts',
		'// It is read.\n// Nobody writes it.',
		['1 "Nobody": name the actor: the caller, another process, the reader'],
	],
	['a comment over several lines', 'a.ts', `/**\n * ${long}.\n */`, ['2 31 words: split it']],
	[
		'a text',
		'a.ts',
		"throw new Error('a row where it is missing')",
		['1 "where it": a condition begins with if or when'],
	],
	['a test name', 'a.test.ts', "test('tells whoever asks for it', () => {})", ['1 "whoever": name the actor']],
	['a list item', 'a.md', `# Title\n\n- Short.\n- ${long}.`, ['4 31 words: split it']],
	['a cell', 'a.md', `| a | ${long} |`, ['1 31 words: split it']],
])('the lint finds what is wrong in %s', (_, name, text, expected) => {
	expect(problemsIn(name, text)).toEqual(expected)
})

test.each([
	['code in a document', 'a.md', '```sh\n# nobody\n```\n\nRun `nobody`.'],
	['a quoted value', 'a.ts', '// A filter such as userName eq "nobody" finds no user.'],
	['a place', 'a.ts', '// It continues where it stopped.'],
	['two sentences', 'a.md', `${long.slice(0, 60)}. ${long.slice(0, 90)}.`.replaceAll('. w', '. W')],
])('the lint leaves %s alone', (_, name, text) => {
	expect(problemsIn(name, text)).toEqual([])
})
