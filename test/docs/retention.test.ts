import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { groupType, userType } from '../../shared/scim/resource-type.ts'
import { indexesOf, ownCopyRow } from '../../shared/storage/rows/indexes.ts'
import * as schema from '../../shared/storage/rows/schema.ts'

// Each kind of row, and each table, has a line in the table of docs/history.md that says how long it is kept.

const page = readFileSync('docs/history.md', 'utf8')
const section = page.slice(page.indexOf('## How long, and where'), page.indexOf('## Refusals'))
/** What the last cell of each line names. */
const places = section
	.split('\n')
	.filter((line) => line.startsWith('| '))
	.map((line) => line.split(/(?<!\\)\|/).at(-2) ?? '')
	.flatMap((cell) => [...cell.matchAll(/(rows?|table|,) `([^`]+)`/g)])
	.map(([, word, text = '']) => ({ isTable: word === 'table', text: text.replaceAll('\\|', '|') }))
const keys = places.filter(({ isTable }) => !isTable).map(({ text }) => text)

const hasPattern = (value: unknown): value is { readonly pattern: string } =>
	typeof value === 'object' && value !== null && 'pattern' in value

const kinds = [
	...[...Object.values<unknown>(schema), ownCopyRow].filter(hasPattern).map(({ pattern }) => pattern),
	...[userType, groupType].flatMap((type) => indexesOf(type).map(({ prefix }) => prefix)),
]

test.each(kinds)('the table of retention has a line for rows %s', (pattern) => {
	expect(keys.filter((key) => pattern.startsWith(key))).not.toEqual([])
})

test('the table of retention names no rows that are not there', () => {
	expect(keys.filter((key) => !kinds.some((pattern) => pattern.startsWith(key)))).toEqual([])
	expect(keys.length).toBeGreaterThan(20)
})

test('the table of retention has each table that is not of one tenant alone', () => {
	const sources = ['shared', 'cli', 'functions'].flatMap((folder) =>
		readdirSync(folder, { recursive: true, encoding: 'utf8' })
			.filter((name) => name.endsWith('.ts'))
			.map((name) => readFileSync(`${folder}/${name}`, 'utf8')),
	)
	const tables = sources.flatMap((text) =>
		[...text.matchAll(/\bconst (?!no)\w+Table = '(\w+)'/g)].map(([, name]) => name),
	)
	expect(tables.sort()).toEqual(['removals', 'tenants'])
	expect(places.filter(({ isTable }) => isTable).map(({ text }) => text)).toEqual(expect.arrayContaining(tables))
})
