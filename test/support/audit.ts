import { groupType, type OwnIndex, type ResourceType, userType } from '../../shared/scim/resource-type.ts'
import { columnsOf } from '../../shared/storage/rows/columns.ts'
import { foldingIn, resourceOf, rowsOf } from '../../shared/storage/rows/entity.ts'
import { ownCopyRow } from '../../shared/storage/rows/indexes.ts'
import { ownIndexedValue, ownValue } from '../../shared/storage/rows/own-indexes.ts'
import * as schema from '../../shared/storage/rows/schema.ts'
import { type KeyKind, kindOfKey } from '../../shared/storage/rows/schema.ts'
import type { Row, Table } from '../../shared/storage/table/tables.ts'

type Rows = ReadonlyMap<string, Row>

/**
 * Each rule that the rows of a directory break. The rules hold whenever no request is changing the directory.
 *
 * @param testPrefix the beginning of the keys of rows that the test itself has written; they follow no rule
 * @param own the tenant's own indexes, all of them complete
 */
export async function violationsIn(
	table: Table,
	testPrefix?: string,
	own: readonly OwnIndex[] = [],
): Promise<readonly string[]> {
	const isOfProduct = ({ RowKey }: Row) => testPrefix === undefined || !RowKey.startsWith(testPrefix)
	const rows = new Map<string, Row>()
	for await (const page of table.pages({ from: '!', to: '~' })) {
		for (const row of page.filter(isOfProduct)) rows.set(row.RowKey, row)
	}
	return [
		...[...rows.values()].flatMap((row) => violationsAt(row, rows)),
		...[...rows.values()].flatMap(undeclaredIn),
		...violationsOfIndexes(rows),
		...own.flatMap((index) => violationsOfOwnIndex(index, rows)),
		...violationsOfCount(userType, 'u', rows),
		...violationsOfCount(groupType, 'g', rows),
	]
}

/** The audit spells out keys and stored names itself, so that it also finds an error in their declarations. */
function violationsAt(row: Row, rows: Rows): readonly string[] {
	const { RowKey } = row
	const [, id = '', second = '', third = ''] = RowKey.split('|')
	const absent = (...keys: readonly string[]) =>
		keys.filter((key) => !rows.has(key)).map((key) => `${RowKey} is there without ${key}`)
	switch (kindOfKey(RowKey)) {
		case 'user':
			return absent(`r|${id}|`)
		case 'group':
			return [
				...absent(`r|${id}|`, `k|${id}`, ...(row.lc ? [`m|${id}|!`] : [])),
				...(row.pend === '' ? [] : [`${RowKey} names a pending change`]),
			]
		case 'membersUnlocked':
			return absent(`g|${id}`)
		case 'latestChange':
			return [
				...(rows.get(`g|${id}`)?.lc === row.op ? [] : [`${RowKey} names another change than the group`]),
				...(row.open === false ? [] : [`${RowKey} names its change as pending`]),
			]
		case 'member':
			return absent(`g|${id}`, `u|${second}`, `r|${second}|${id}`)
		case 'membership':
			return absent(`m|${second}|${id}`)
		case 'existence':
			return rows.has(`u|${id}`) || rows.has(`g|${id}`) ? [] : [`${RowKey} belongs to no resource`]
		case 'pendingMembership':
		case 'prepared':
		case 'committed':
		case 'slice':
		case 'deletedGroup':
		case 'deletedUser':
			return [`${RowKey} is left over`]
		case 'sharedValue':
			return absent(`y|${second}|${third}|`)
		case 'epoch':
			return violationOfEpoch(row, rows)
		case 'feed':
		case 'keptMembers':
		case 'refusal':
		case 'history':
		case 'guard':
		case 'epochEnd':
		case 'count':
		case 'index':
		case 'spellings':
		case 'credential':
		case 'undeclared':
			return []
	}
}

/** Only the open epoch has lanes, and all of them. */
function violationOfEpoch({ RowKey }: Row, rows: Rows): readonly string[] {
	const pointer = rows.get('e|!')
	const expected = Array.from(
		{ length: Number(pointer?.lanes) },
		(_, lane) => `e|${Number(pointer?.n).toString(16).padStart(12, '0')}|${lane}`,
	)
	if (RowKey !== 'e|!') return expected.includes(RowKey) ? [] : [`${RowKey} is of an epoch that is closed`]
	return expected.filter((key) => !rows.has(key)).map((key) => `${RowKey} is there without ${key}`)
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
	keptMembers: { ...schema.keptMembersRow.columns, ...schema.orphanPointerRow.columns },
	refusal: schema.refusalRow.columns,
	history: { ...schema.historyRow.columns, ...schema.historyPointerRow.columns },
	epoch: schema.epochPointerRow.columns,
	epochEnd: schema.epochEndRow.columns,
	count: { ...schema.countRow.columns, ...schema.countDifferenceRow.columns },
	index: ownCopyRow.columns,
	spellings: schema.spellingsRow.columns,
	deletedGroup: schema.deletedGroupRow.columns,
	deletedUser: schema.deletedUserRow.columns,
	sharedValue: schema.sharedValueRow.columns,
	prepared: schema.preparedChangeRow.columns,
	committed: schema.committedChangeRow.columns,
	slice: schema.sliceRow.columns,
	undeclared: schema.undeclaredRow.columns,
	guard: { ...schema.guardPointerRow.columns, ...schema.lossRow.columns },
	credential: {
		...schema.clientRow.columns,
		...schema.administrationRow.columns,
		...schema.lastUseRow.columns,
	},
}

const serviceProperties = ['PartitionKey', 'RowKey', 'Timestamp', 'odata.etag']

/** Properties that the declaration of the row's kind lacks. */
function undeclaredIn(row: Row): readonly string[] {
	const columns = Object.values(declared[kindOfKey(row.RowKey)])
	const known = new Set([...serviceProperties, ...[...columns, ...columnsOf(userType)].map(({ stored }) => stored)])
	return Object.keys(row)
		.filter((name) => !known.has(name) && !/^[bfow]\d+$|@odata\.type$/.test(name))
		.map((name) => `${row.RowKey} has ${name}, which is not declared`)
}

/** Every row of an index is a copy of its resource, and every resource has all its rows of indexes. */
function violationsOfIndexes(rows: Rows): readonly string[] {
	const expected = new Map<string, { readonly v?: unknown; readonly id?: unknown }>()
	const violations: string[] = []
	for (const [key, row] of rows) {
		const type = key.startsWith('u|') ? userType : key.startsWith('g|') ? groupType : undefined
		if (type === undefined) continue
		const { index } = rowsOf(type, resourceOf(row), { folding: foldingIn(row) })
		for (const [indexKey, copy] of index) {
			if (expected.has(indexKey)) violations.push(`${indexKey} belongs to two resources`)
			expected.set(indexKey, copy)
		}
		for (const entry of [row.o0, row.o1, row.o2, row.o3, row.o4]) {
			if (typeof entry === 'string' && entry !== '') expected.set(entry, [...index.values()][0] ?? {})
		}
	}
	for (const [key, copy] of expected) {
		const row = rows.get(key)
		if (row === undefined) violations.push(`${key} is missing`)
		else if (row.id !== copy.id || row.v !== copy.v) violations.push(`${key} is not the current copy`)
	}
	for (const key of rows.keys())
		if (/^[xy]\|/.test(key) && !expected.has(key) && rows.get(key)?.many !== true)
			violations.push(`${key} belongs to no resource`)
	return violations
}

/** Every user with a value is found by the value alone; and if the index is unique, one user has it, unless it is shared. */
function violationsOfOwnIndex(index: OwnIndex, rows: Rows): readonly string[] {
	const { name, slot, isUnique } = index
	const users = new Map<string, string[]>()
	const violations: string[] = []
	for (const [key, row] of rows) {
		if (!key.startsWith('u|')) continue
		const value = ownIndexedValue(index, ownValue(index, resourceOf(row).attributes))
		const entry = row[`o${slot}`] || undefined
		const id = String(row.id)
		if (value === undefined && entry !== undefined) violations.push(`${key} has the entry ${entry} without a value`)
		if (value === undefined) continue
		users.set(value, [...(users.get(value) ?? []), id])
		const isShared = isUnique && rows.get(`y|${name}|${value}|`)?.many === true
		const right = `y|${name}|${value}|${isUnique && !isShared ? '' : id}`
		if (entry !== right) violations.push(`${key} has the entry ${entry} and should have ${right}`)
	}
	for (const [key, row] of rows) {
		const [, , value = ''] = key.split('|')
		if (row.many !== true || !key.startsWith(`y|${name}|`)) continue
		if ((users.get(value)?.length ?? 0) < 2) violations.push(`${key} is kept from all`)
		if (!rows.has(`j|ov|${name}|${value}`)) violations.push(`${key} is in no list`)
	}
	return violations
}

function violationsOfCount({ name }: ResourceType, letter: string, rows: Rows): readonly string[] {
	let counted = 0
	let present = 0
	for (const [key, { n, d }] of rows) {
		if (key.startsWith(`n|${letter}|`)) counted += Number(n ?? d)
		if (key.startsWith(`${letter}|`)) present++
	}
	return counted === present ? [] : [`the count of ${name} is ${counted}, but the directory has ${present}`]
}
