import type { OwnIndex } from '../scim/resource-type.ts'
import { clearIndex, fillIndex, type IndexStep, settleSharedValue } from './resource/own-index.ts'
import type { Directory } from './rows/directory.ts'
import { idOf, isWhole, resourceOf } from './rows/entity.ts'
import { claimKey, ownValue } from './rows/own-indexes.ts'
import { lastPartOf, sharedValueRow, userRow } from './rows/schema.ts'
import { within } from './table/key-range.ts'
import type { Row } from './table/tables.ts'
import { type DirectoryOptions, directoryOf } from './table-store.ts'

type Named = DirectoryOptions['tenant']

/** What administrators and the sweep do with the indexes of a tenant's own. */
export const indexWork = (options: Omit<DirectoryOptions, 'tenant' | 'feed'>) => {
	// No step of this work has an entry in the feed: clients see no change of a user.
	const open = (tenant: Named): Directory => directoryOf({ ...options, tenant, feed: 'operations' })
	return {
		fill: (tenant: Named, index: OwnIndex, step: { position: string; until: number }): Promise<IndexStep> =>
			fillIndex(open(tenant), index, step),
		clear: (tenant: Named, index: OwnIndex, until: number): Promise<boolean> => clearIndex(open(tenant), index, until),
		sharedValues: (tenant: Named, index: OwnIndex): Promise<SharedValues> => sharedValuesIn(open(tenant), index),
	}
}

/** Values of a unique index that several users have: how many, and some of them with the ids of their users. */
export type SharedValues = {
	readonly count: number
	readonly values: readonly { readonly value: unknown; readonly users: readonly string[] }[]
}

const valuesShown = 20
const usersShown = 20

async function sharedValuesIn(directory: Directory, index: OwnIndex): Promise<SharedValues> {
	const values: SharedValues['values'][number][] = []
	let count = 0
	if (!index.isUnique) return { count, values }
	for await (const rows of directory.table.pages(within(sharedValueRow.key(index.name, '')))) {
		for (const { RowKey } of rows) {
			const value = lastPartOf(RowKey)
			if (count >= valuesShown) count++
			else if (!(await settleSharedValue(directory, { index: index.name, value }))) {
				count++
				values.push(await usersOf(directory, index, value))
			}
		}
	}
	return { count, values }
}

async function usersOf({ table }: Directory, index: OwnIndex, value: string) {
	const rows = await table.first(within(claimKey(index, value)), usersShown + 1)
	const copies = rows.filter((row) => userRow.id.isIn(row))
	const whole = copies.find(isWhole)
	return { value: whole === undefined ? value : valueIn(index, whole), users: copies.map(idOf) }
}

const valueIn = (index: OwnIndex, row: Row): unknown => ownValue(index, resourceOf(row).attributes)
