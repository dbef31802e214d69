import { groupType, type ResourceType, userType } from '../../shared/scim/resource-type.ts'
import { resourceOf, rowsOf } from '../../shared/storage/rows/entity.ts'
import type { Row, Table } from '../../shared/storage/table/tables.ts'

type Rows = ReadonlyMap<string, Row>

/** What must hold of a directory's rows when nobody is at work on it, and does not. */
export async function violationsIn(table: Table): Promise<readonly string[]> {
	const rows = new Map<string, Row>()
	for await (const page of table.pages({ from: '!', to: '~' })) for (const row of page) rows.set(row.RowKey, row)
	return [
		...[...rows.values()].flatMap((row) => violationsAt(row, rows)),
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
				const isTold = rows.get(`g|${left}`)?.lc === op
				return [...(isTold ? [] : [`${RowKey} is not told`]), ...(open === false ? [] : [`${RowKey} is open`])]
			}
			return [`g|${left}`, `u|${right}`, `r|${right}|${left}`].flatMap(without)
		case 'r':
			if (right.startsWith('!')) return [`${RowKey} is left`]
			if (right !== '') return without(`m|${right}|${left}`)
			return rows.has(`u|${left}`) || rows.has(`g|${left}`) ? [] : [`${RowKey} of nobody`]
		default:
			return []
	}
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
