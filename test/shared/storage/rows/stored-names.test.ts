import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const rows = join('shared', 'storage', 'rows')

const filesIn = (folder: string): readonly string[] =>
	readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.filter((name) => name.endsWith('.ts'))
		.map((name) => join(folder, name))

const isOutsideRows = (file: string): boolean => !file.startsWith(rows)

/** Comments, outside regular expressions, and literals that may hold the beginning of one. Literals are captured. */
const commentOrLiteral =
	/(?<!\\)(?:\/\/.*|\/\*[\s\S]*?\*\/)|('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`)/g

/** The source text of a file without comments, with every line in its place. */
const codeOf = (file: string): string =>
	readFileSync(file, 'utf8').replace(
		commentOrLiteral,
		(found, literal?: string) => literal ?? found.replaceAll(/[^\n]/g, ''),
	)

/** Each line of the files that a pattern matches. */
const linesWith = (pattern: RegExp, files: readonly string[]): readonly string[] =>
	files.flatMap((file) =>
		codeOf(file)
			.split('\n')
			.flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1} ${line.trim()}`] : [])),
	)

const key = /['"`][ugmrkcjnfsxy]\|/
const storedName = /\.(?:pend|mv|lc|lm|cr|chg|rt)\b|(['"`])(?:pend|mv|lc|lm|cr|chg|rt)\1/

describe('outside shared/storage/rows', () => {
	test('no file builds the key of a row by hand', () => {
		const files = ['shared', 'functions', 'cli', 'bench'].flatMap(filesIn)
		expect(linesWith(key, files.filter(isOutsideRows))).toEqual([])
	})

	test('no file of the storage mentions the stored name of a column', () => {
		expect(linesWith(storedName, filesIn(join('shared', 'storage')).filter(isOutsideRows))).toEqual([])
	})

	test.each([
		['a key', key],
		['a stored name', storedName],
	])('%s would be found, as it is in the declarations', (_, pattern) => {
		expect(linesWith(pattern, [join(rows, 'schema.ts')])).not.toEqual([])
	})
})
