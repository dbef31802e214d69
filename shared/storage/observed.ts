import { Fault } from '../fault.ts'
import { type TypeName, typeNames } from '../scim/resource-type.ts'
import type { JsonType } from '../scim/undeclared-names.ts'
import { encode } from './rows/keys.ts'
import { letterOf, undeclaredKeys, undeclaredRow } from './rows/schema.ts'
import { insert, type Operation, remove, replace } from './table/batch.ts'
import { within } from './table/key-range.ts'
import { chunked } from './table/parallel.ts'
import { etagOf, type Row, type Table } from './table/tables.ts'

/** A path that clients have sent and that no schema of the tenant declares. There are no values. Times are RFC 3339. */
export type ObservedPath = {
	readonly resourceType: TypeName
	readonly path: string
	readonly types: readonly JsonType[]
	/** How many requests had it. */
	readonly count: number
	readonly first: string
	readonly last: string
}

/** Paths that a tenant's table holds at most: a client may make up names. */
const maxPaths = 500

/** The paths that clients have sent, in the order of their names. */
export async function observedIn(table: Table): Promise<readonly ObservedPath[]> {
	return (await rowsIn(table)).map(observedOf)
}

async function rowsIn(table: Table): Promise<readonly Row[]> {
	const all: Row[] = []
	for await (const rows of table.pages(within(undeclaredKeys))) all.push(...rows)
	return all
}

const keyOf = ({ resourceType, path }: Pick<ObservedPath, 'resourceType' | 'path'>): string =>
	undeclaredRow.key(letterOf({ name: resourceType }), encode(path.toLowerCase()))

const observedOf = (row: Row): ObservedPath => ({
	resourceType: typeNames.find((name) => row.RowKey.startsWith(undeclaredRow.key(letterOf({ name }), ''))) ?? 'User',
	path: undeclaredRow.path.of(row),
	types: undeclaredRow.types.of(row).split(' ') as JsonType[], // sound: storeObserved writes no other
	count: undeclaredRow.count.of(row),
	first: undeclaredRow.first.of(row),
	last: undeclaredRow.last.of(row),
})

/**
 * Adds what a process has seen to what is stored.
 *
 * @throws Fault if another process has changed the same paths meanwhile: the caller adds them again later
 */
export async function storeObserved(table: Table, seen: readonly ObservedPath[]): Promise<void> {
	const rows = new Map((await rowsIn(table)).map((row) => [row.RowKey, row]))
	const known = seen.filter((observed) => rows.has(keyOf(observed)))
	const added = seen.filter((observed) => !rows.has(keyOf(observed))).slice(0, Math.max(0, maxPaths - rows.size))
	for (const some of chunked([...known, ...added], 100)) {
		const outcome = await table.transaction(some.map((observed) => addition(observed, rows.get(keyOf(observed)))))
		if (outcome.kind !== 'done') throw new Fault(`undeclared paths were not stored: ${outcome.kind}`)
	}
}

function addition(observed: ObservedPath, row: Row | undefined): Operation {
	const key = keyOf(observed)
	if (row === undefined) return insert(key, propertiesOf(observed))
	const before = observedOf(row)
	const together = {
		...observed,
		types: [...new Set([...before.types, ...observed.types])],
		count: before.count + observed.count,
		first: before.first,
	}
	return replace(key, propertiesOf(together), etagOf(row))
}

const propertiesOf = ({ path, types, count, first, last }: ObservedPath) =>
	undeclaredRow.properties({ path, types: types.join(' '), count, first, last })

/** Removes paths, for example because a schema declares them now. */
export async function forgetObserved(table: Table, paths: readonly ObservedPath[]): Promise<void> {
	for (const some of chunked(paths.map(keyOf), 100)) await table.transaction(some.map((key) => remove(key)))
}
