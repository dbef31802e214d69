import { groupType, type ResourceType, userType } from '../../shared/scim/resource-type.ts'
import { columnsOf } from '../../shared/storage/rows/columns.ts'
import { resourceOf, rowsOf } from '../../shared/storage/rows/entity.ts'
import { userCopyRow } from '../../shared/storage/rows/indexes.ts'
import * as schema from '../../shared/storage/rows/schema.ts'
import { type KeyKind, kindOfKey } from '../../shared/storage/rows/schema.ts'
import type { Row, Table } from '../../shared/storage/table/tables.ts'

type Rows = ReadonlyMap<string, Row>

/**
 * What must hold of a directory's rows while no request changes it, and does not.
 *
 * @param testPrefix of the keys of rows that only the test has
 */
export async function violationsIn(table: Table, testPrefix?: string): Promise<readonly string[]> {
	const isOfProduct = ({ RowKey }: Row) => testPrefix === undefined || !RowKey.startsWith(testPrefix)
	const rows = new Map<string, Row>()
	for await (const page of table.pages({ from: '!', to: '~' })) for (const row of page) rows.set(row.RowKey, row)
	return [
		...[...rows.values()].flatMap((row) => violationsAt(row, rows)),
		...[...rows.values()].filter(isOfProduct).flatMap(undeclaredIn),
		...violationsOfIndexes(rows),
		...violationsOfCount(userType, 'u', rows),
		...violationsOfCount(groupType, 'g', rows),
	]
}

function violationsAt({ RowKey, pend, open, op, lc }: Row, rows: Rows): readonly string[] {
	const [kind, left = '', right = ''] = RowKey.split('|')
	const without = (key: string) => (rows.has(key) ? [] : [`${RowKey} without ${key}`])
	switch (kind) {
		case 'u':
			return without(`r|${left}|`)
		case 'g':
			return [
				...[`r|${left}|`, `k|${left}`, ...(lc ? [`m|${left}|!`] : [])].flatMap(without),
				...(pend === '' ? [] : [`${RowKey} is unsettled`]),
			]
		case 'k':
			return without(`g|${left}`)
		case 'j':
			return [`${RowKey} is unfinished`]
		case 'm':
			if (right === '!') {
				const isNamed = rows.get(`g|${left}`)?.lc === op
				return [...(isNamed ? [] : [`${RowKey} is not named`]), ...(open === false ? [] : [`${RowKey} is open`])]
			}
			return [`g|${left}`, `u|${right}`, `r|${right}|${left}`].flatMap(without)
		case 'r':
			if (right.startsWith('!')) return [`${RowKey} is left`]
			if (right !== '') return without(`m|${right}|${left}`)
			return rows.has(`u|${left}`) || rows.has(`g|${left}`) ? [] : [`${RowKey} of no resource`]
		default:
			return []
	}
}

const declared: Readonly<Record<KeyKind, Readonly<Record<string, { readonly stored: string }>>>> = {
	user: schema.userRow.columns,
	group: schema.groupRow.columns,
	existence: schema.existenceRow.columns,
	membership: schema.membershipRow.columns,
	pendingMembership: schema.pendingMembershipRow.columns,
	member: schema.memberRow.columns,
	latestChange: schema.latestChangeRow.columns,
	membersUnlocked: schema.membersUnlockedRow.columns,
	feed: schema.feedRow.columns,
	count: { ...schema.countRow.columns, ...schema.countDifferenceRow.columns },
	index: userCopyRow.columns,
	deletedGroup: schema.deletedGroupRow.columns,
	deletedUser: schema.deletedUserRow.columns,
	prepared: schema.preparedChangeRow.columns,
	committed: schema.committedChangeRow.columns,
	slice: schema.sliceRow.columns,
}

const ofService = ['PartitionKey', 'RowKey', 'Timestamp', 'odata.etag']

/** Properties that no declaration of the row's kind has. */
function undeclaredIn(row: Row): readonly string[] {
	const columns = Object.values(declared[kindOfKey(row.RowKey)])
	const known = new Set([...ofService, ...[...columns, ...columnsOf(userType)].map(({ stored }) => stored)])
	return Object.keys(row)
		.filter((name) => !known.has(name) && !/^[bf]\d+$|@odata\.type$/.test(name))
		.map((name) => `${row.RowKey} has ${name}, which is not declared`)
}

/** Every row of an index is a copy of its resource, and every resource has all of them. */
function violationsOfIndexes(rows: Rows): readonly string[] {
	const expected = new Map<string, { readonly v?: unknown; readonly id?: unknown }>()
	const violations: string[] = []
	for (const [key, row] of rows) {
		const type = key.startsWith('u|') ? userType : key.startsWith('g|') ? groupType : undefined
		if (type === undefined) continue
		for (const [indexKey, copy] of rowsOf(type, resourceOf(row)).index) {
			if (expected.has(indexKey)) violations.push(`${indexKey} is of two resources`)
			expected.set(indexKey, copy)
		}
	}
	for (const [key, copy] of expected) {
		const row = rows.get(key)
		if (row === undefined) violations.push(`${key} is missing`)
		else if (row.id !== copy.id || row.v !== copy.v) violations.push(`${key} is old`)
	}
	for (const key of rows.keys()) if (/^[xy]\|/.test(key) && !expected.has(key)) violations.push(`${key} leads nowhere`)
	return violations
}

function violationsOfCount({ name }: ResourceType, letter: string, rows: Rows): readonly string[] {
	let counted = 0
	let present = 0
	for (const [key, { n, d }] of rows) {
		if (key.startsWith(`n|${letter}|`)) counted += Number(n ?? d)
		if (key.startsWith(`${letter}|`)) present++
	}
	return counted === present ? [] : [`${name} counts ${counted}, ${present} are there`]
}
