import { createHash } from 'node:crypto'
import type { StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { type Index, indexedValues, indexesOf, lookupKeys, valuesOf } from '../rows/indexes.ts'
import { spellingsRow } from '../rows/schema.ts'
import { insert, type Operation, replace } from '../table/batch.ts'
import { inParallel } from '../table/parallel.ts'
import { etagOf, type Table } from '../table/tables.ts'
import { naming, ownerIn, takenValue } from './refusal.ts'

// A row of a unique index is inserted, and fails if the row exists. That is not enough for a value that format 1 may spell
// in several ways: another resource may have the value under another key. So a writer that inserts such a row
// 1. reads the spellings row of the value,
// 2. reads the rows of all spellings, and refuses the value if another resource has one,
// 3. commits with an operation that requires the spellings row as it was read, and changes it.
// Two writers of one value at once therefore never both succeed, whatever formats they write: the later one finds the
// spellings row changed, and begins again. Version 0.1.0 neither reads nor writes these rows.

/**
 * What stores values of unique indexes under new keys. `keys` answers the keys of all rows of indexes that are inserted. They
 * are made only if a value has several spellings.
 */
export type UniqueInsert = {
	readonly type: ResourceType
	readonly resource: Pick<StoredResource, 'id' | 'attributes'>
	readonly keys: () => readonly string[]
}

/** A unique value that another resource has. */
type TakenValue = { readonly index: Index; readonly value: string; readonly owner: string }

/**
 * Operations to commit with the inserts. Empty if all values have one spelling, as nearly all values have: then nothing is
 * read. If one of them fails, another writer was faster, and everything is to be done again.
 *
 * @throws ScimError 409 `uniqueness` if another resource has the value
 */
export async function guardSpellings(table: Table, request: UniqueInsert): Promise<readonly Operation[]> {
	const { guards, taken } = await lookAtSpellings(table, request)
	if (taken === undefined) return guards
	throw naming(taken.owner, request.type, takenValue(taken.index, taken.value))
}

type Guarded = { readonly guards: readonly Operation[]; readonly taken: TakenValue | undefined }

/** The same; `taken` is the first value that another resource has. */
export async function lookAtSpellings(table: Table, request: UniqueInsert): Promise<Guarded> {
	const guarded = indexesOf(request.type)
		.filter(({ unique }) => unique)
		.flatMap((index) => valuesOf(index, request.resource.attributes).map((value) => ({ index, value })))
		.filter(({ index, value }) => indexedValues(index, value).length > 1)
	if (guarded.length === 0) return { guards: [], taken: undefined }
	const keys = request.keys()
	const inserted = guarded.filter(({ index, value }) => lookupKeys(index, value).some((key) => keys.includes(key)))
	const looks = await inParallel(inserted, (each) => lookAt(table, request, each))
	return { guards: looks.map(({ guard }) => guard), taken: looks.find(({ taken }) => taken !== undefined)?.taken }
}

async function lookAt(
	table: Table,
	{ resource }: UniqueInsert,
	{ index, value }: Pick<TakenValue, 'index' | 'value'>,
): Promise<{ readonly guard: Operation; readonly taken: TakenValue | undefined }> {
	const key = spellingsKey(index, value)
	const row = await table.get(key)
	const rows = await inParallel(lookupKeys(index, value), (spelling) => table.get(spelling))
	const owner = rows.map(ownerIn).find((id) => id !== undefined && id !== resource.id)
	return {
		guard: row === undefined ? insert(key, {}) : replace(key, {}, etagOf(row)),
		taken: owner === undefined ? undefined : { index, value, owner },
	}
}

function spellingsKey(index: Index, value: string): string {
	const [, name = ''] = index.prefix.split('|')
	const [folded = ''] = indexedValues(index, value)
	return spellingsRow.key(name, createHash('sha256').update(folded).digest('hex').slice(0, 2))
}
