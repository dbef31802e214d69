import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import { columnsOf } from '../../../../shared/storage/rows/columns.ts'
import { groupReferenceRow, indexesOf, ownCopyRow, userCopyRow } from '../../../../shared/storage/rows/indexes.ts'
import * as schema from '../../../../shared/storage/rows/schema.ts'
import { kindOfKey } from '../../../../shared/storage/rows/schema.ts'

type Kind = {
	readonly pattern: string
	readonly meaning: string
	readonly columns: Readonly<Record<string, { readonly stored: string; readonly meaning: string }>>
}

const isKind = (value: unknown): value is Kind => typeof value === 'object' && value !== null && 'pattern' in value

const kinds = Object.entries<unknown>(schema).flatMap(([name, value]) =>
	isKind(value) ? [[name, value] as const] : [],
)

type Line = readonly [name: string, meaning: string]

const linesOf = ({ pattern, meaning, columns }: Kind): readonly Line[] => [
	[`\`${pattern}\``, meaning],
	...Object.values(columns).map(propertyOf),
]

const propertyOf = ({ stored, meaning }: Kind['columns'][string]): Line => [`· \`${stored}\``, meaning]

const searched: readonly Line[] = columnsOf(userType).map(({ stored, attribute, subAttribute }) => {
	const name = subAttribute === undefined ? attribute.name : `${attribute.name}.${subAttribute.name}`
	return [`· \`${stored}\``, `\`${name}\`, for filters that no index answers`]
})

const indexes: readonly Line[] = [userType, groupType].flatMap((type) =>
	indexesOf(type).map(({ prefix, unique, attribute }): Line => {
		const { meaning } = type.name === 'User' ? userCopyRow : groupReferenceRow
		const by = `, by ${attribute.name}${unique ? ', which is unique' : ''}.`
		return [`\`${prefix}<value>${unique ? '' : '|<id>'}\``, meaning.replace('.', by)]
	}),
)

/** The table of docs/storage.md, as the declarations say it. */
function tableOfRows(): string {
	const { isReference } = userCopyRow.columns
	const lines: readonly Line[] = [
		...kinds.flatMap(([name, kind]) => [...linesOf(kind), ...(name === 'userRow' ? searched : [])]),
		...indexes,
		[`\`${ownCopyRow.pattern}\``, ownCopyRow.meaning],
		propertyOf(ownCopyRow.columns.isShared),
		propertyOf({ ...isReference, meaning: `in the index rows of a user: ${isReference.meaning}` }),
	]
	const text = ([name, meaning]: Line) => `| ${name.replaceAll('|', '\\|')} | ${meaning.replaceAll('|', '\\|')} |`
	return ['| Key, or property | What it is |', '|---|---|', ...lines.map(text)].join('\n')
}

describe('the kinds of rows', () => {
	// UPDATE_DOCS=1 npx vitest run test/shared/storage/rows/schema.test.ts writes the table into the page.
	test('are described in docs/storage.md as they are declared', () => {
		const page = readFileSync('docs/storage.md', 'utf8')
		const [before, , after] = page.split(/(?<=<!-- rows -->\n)([\s\S]*)(?=<!-- end of rows -->)/)
		const generated = `${before}${tableOfRows()}\n${after}`
		if (process.env.UPDATE_DOCS !== undefined) writeFileSync('docs/storage.md', generated)
		expect(page).toBe(generated)
	})

	test.each(kinds)('%s has a key that no other kind has', (name, { pattern }) => {
		expect(kinds.filter(([, other]) => other.pattern === pattern).map(([other]) => other)).toEqual([name])
	})

	test.each(kinds)('%s has no two columns with one stored name', (_, { columns }) => {
		const stored = Object.values(columns).map((column) => column.stored)
		expect(new Set(stored).size).toBe(stored.length)
	})

	test.each([
		['u|1', 'user'],
		['g|1', 'group'],
		['o|c|1', 'credential'],
		['o|u|1', 'credential'],
		['w|u|1', 'undeclared'],
		['o|a|1', 'credential'],
		['r|1|', 'existence'],
		['r|1|2', 'membership'],
		['r|1|!2', 'pendingMembership'],
		['m|1|2', 'member'],
		['m|1|!', 'latestChange'],
		['k|1', 'membersUnlocked'],
		['c|1', 'feed'],
		['l|1|2', 'keptMembers'],
		['q|1|2', 'refusal'],
		['h|1|0|2', 'history'],
		['d|!', 'guard'],
		['n|u|!base', 'count'],
		['n|u|+1', 'count'],
		['x|un|ann', 'index'],
		['y|em|ann@example.com|1', 'index'],
		['y|o1|17|1', 'index'],
		['y|o1|17|', 'index'],
		['j|dg|1', 'deletedGroup'],
		['j|du|1', 'deletedUser'],
		['j|ov|o1|ann', 'sharedValue'],
		['j|gp|1|2', 'prepared'],
		['j|gm|1|2', 'committed'],
		['j|gi|1|2|000003', 'slice'],
	])('the key %s is of a row of the kind %s', (key, kind) => {
		expect(kindOfKey(key)).toBe(kind)
	})

	test.each(['p|1', 'j|zz|1', '', 'user'])('the key %j is refused', (key) => {
		expect(() => kindOfKey(key)).toThrow('a key is of no kind of row')
	})
})

describe('a column', () => {
	const row = { RowKey: 'g|1', mv: 'v1', pend: '', open: true }

	test('is read by the name that the code uses', () => {
		expect(schema.groupRow.version.of(row)).toBe('v1')
		expect(schema.groupRow.latestChange.of(row)).toBe(undefined)
		expect(schema.memberRow.isLeaving.of(row)).toBe(false)
		expect(schema.latestChangeRow.isPending.of(row)).toBe(true)
	})

	test('that is missing is named without the key, which may hold the name of a person', () => {
		expect(() => schema.userRow.created.of({ RowKey: 'x|un|ann' })).toThrow('a row x| has no cr')
	})

	test('is written only if it has a value', () => {
		const values = { version: 'v2', pendingChange: '', latestChange: undefined }
		expect(schema.groupRow.properties(values)).toEqual({ mv: 'v2', pend: '' })
	})
})
