// Finds what a reader stumbles over in comments, texts of the code, test names and documents. That is words that hide who
// acts or what a condition is, and sentences of more than 30 words. docs/style.md has the rules. Exits with 1 if it finds
// any, and prints each.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const maxWords = 30

/** Each pattern with what to write instead. */
const stumbles = [
	[/\b(no|some|any)body\b/i, 'name the actor: the caller, another process, the reader'],
	[/\bwho(so|m)?ever\b/i, 'name the actor'],
	[
		/(?<!(stopped|stays|continues|begins|ends) )\bwhere (it|they|there|none|nothing|one|he|she|neither)\b/i,
		'a condition begins with if or when',
	],
	[/\bsought\b/i, 'requested'],
	[/\bfor want of\b/i, 'without, because … is missing'],
	[/\bgoes without saying\b/i, 'say it'],
	[/\bis (not|no longer) whole\b/i, 'is incomplete'],
	[/\bcomes? to nothing\b/i, 'has no effect'],
	[/\bhave been had\b|\bto be had\b/i, 'available'],
	[/\btakes? for granted\b/i, 'assumes'],
	[/\b(knows?|has) no --\w/i, 'unknown option'],
]

/** Sentences that have to stay as they are, by a part of each: at most ten. */
const allowed = []

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
	.split('\n')
	.filter((name) => /\.(tsx?|mjs|cjs|md|sh|bicep|kql)$/.test(name) && name !== 'test/plain-english.test.ts')

/** The sentences of a file with the line that each begins on. */
export function sentencesIn(name, text) {
	const blocks = name.endsWith('.md') ? proseOf(text) : [...commentsOf(text), ...textsOf(text)]
	return blocks.flatMap(({ line, words }) => split(words).map((sentence) => ({ line, sentence })))
}

const split = (words) =>
	words.split(/(?<=[.!?:])\s+(?=[A-Z`*_[(„"'0-9])|(?<=\.)\s*$/).filter((part) => part.trim() !== '')

/** Paragraphs, list items and cells of a document, without code. */
function proseOf(text) {
	const blocks = []
	let inCode = false
	let block
	text.split('\n').forEach((raw, index) => {
		if (/^\s*(```|<!--)/.test(raw)) inCode = raw.trim().startsWith('```') ? !inCode : inCode
		if (inCode || /^\s*(```|<!--|\|?\s*-{3})/.test(raw) || raw.trim() === '') {
			block = undefined
			return
		}
		const isNew = block === undefined || /^\s*([-*] |\d+\. |#|>|\|)/.test(raw)
		if (raw.trimStart().startsWith('|')) {
			for (const cell of raw.split(/(?<!\\)\|/)) blocks.push({ line: index + 1, words: cell.trim() })
			block = undefined
		} else if (isNew) {
			block = { line: index + 1, words: raw.trim() }
			blocks.push(block)
		} else block.words += ` ${raw.trim()}`
	})
	return blocks
}

/** Comments, lines that follow one another as one. */
function commentsOf(text) {
	const blocks = []
	let block
	text.split('\n').forEach((raw, index) => {
		const found = /^\s*(?:\/\/|\/?\*\*?(?!\/)|#(?!!))\s?(.*?)(?:\*\/)?\s*$/.exec(raw)
		if (found === null) {
			block = undefined
			return
		}
		const words = found[1].replace(/\s*\*\/\s*$/, '')
		if (words.trim() === '') {
			block = undefined
			return
		}
		const isNew = block === undefined || /^\s*([-*|] |@|--|\d+\. |https?:)/.test(words)
		if (isNew) {
			block = { line: index + 1, words }
			blocks.push(block)
		} else block.words += ` ${words}`
		if (raw.includes('*/')) block = undefined
	})
	return blocks
}

/** Strings with at least three words: errors, hints and names of tests. */
const textsOf = (text) =>
	text.split('\n').flatMap((raw, index) =>
		/^\s*(\/\/|\*|\/\*)/.test(raw)
			? []
			: [...raw.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)]
					.map(([, single, double, template]) => single ?? double ?? template ?? '')
					.filter((words) => words.split(' ').length > 2 && !/\w+:\w+, \w+:\w+/.test(words))
					.map((words) => ({ line: index + 1, words })),
	)

/** Code, links and addresses count as one word. */
const wordsIn = (sentence) =>
	sentence
		.replaceAll(/`[^`]*`/g, 'code')
		.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
		.replaceAll(/https?:\S+/g, 'link')
		.split(/\s+/)
		.filter((word) => /[\p{L}\p{N}]/u.test(word)).length

/** What is wrong with a sentence. */
export function problemsOf(sentence) {
	// Code and quoted values are no words of ours.
	const plain = sentence.replaceAll(/`[^`]*`|"[^"]*"/g, 'code')
	const found = stumbles.flatMap(([pattern, advice]) => {
		const word = pattern.exec(plain)
		return word === null ? [] : [`"${word[0]}": ${advice}`]
	})
	const count = wordsIn(sentence)
	return count > maxWords ? [...found, `${count} words: split it`] : found
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
	let count = 0
	for (const name of files) {
		for (const { line, sentence } of sentencesIn(name, readFileSync(name, 'utf8'))) {
			if (allowed.some((part) => sentence.includes(part))) continue
			for (const problem of problemsOf(sentence)) {
				count++
				console.error(`${name}:${line}: ${problem}\n    ${sentence.trim().slice(0, 160)}`)
			}
		}
	}
	if (count > 0) console.error(`\n${count} places`)
	process.exitCode = count === 0 ? 0 : 1
}
