import { Fault } from '../fault.ts'
import { foldCase } from '../scim/fold-case.ts'
import { groupType, type ResourceType, userType } from '../scim/resource-type.ts'
import type { Conversion } from './conversion.ts'
import { lookAtSpellings } from './resource/spellings.ts'
import { dependsOnFolding, foldedProperties, foldingIn, indexKeysOf, resourceOf, rowsOf } from './rows/entity.ts'
import { foldCaseOfFormat1 } from './rows/folding.ts'
import { noEntries } from './rows/own-indexes.ts'
import { kindOfKey, lastPartOf, resourceKey, userRow } from './rows/schema.ts'
import { insert, merge, remove } from './table/batch.ts'
import { after, within } from './table/key-range.ts'
import { untilAnswered } from './table/retry.ts'
import { etagOf, type Row } from './table/tables.ts'

/**
 * Folds the keys and columns of a directory's resources as format 2 does. Each resource is converted in one transaction,
 * which requires its row as it was read. Its version stays, since its attributes do.
 *
 * A resource stays as it is while another one has the same userName, or the same displayName of a group: both are found by
 * the value. The conversion ends when an administrator has renamed or deleted one of them.
 *
 * @returns the position at which it stopped; undefined when all rows are folded
 * @throws ScimError 503 if the service stays away
 */
export async function foldKeys(conversion: Conversion): Promise<string | undefined> {
	const begun = progressAt(conversion.position)
	const { reached, waiting } = await (begun.reached === allRows ? foldWaiting : foldRows)(conversion, begun)
	if (waiting.size > 0) conversion.report(sharedNames(waiting.size))
	return reached === allRows && waiting.size === 0 ? undefined : positionOf({ reached, waiting })
}

const sharedNames = (count: number): Fault =>
	new Fault(
		`Users or groups with the name of another one: ${count}. Format 2 is completed when one of each two is renamed or deleted. rollcall tenant show has their ids.`,
	)

/** How far the conversion has come, and the keys of the resources that wait, each with the id of one that has its name. */
type FoldProgress = { readonly reached: string; readonly waiting: ReadonlyMap<string, string> }

/** Behind all keys. */
const allRows = '~'

/** So many resources that wait fit into the tenant's row. If there are more, all rows are looked at again. */
const maxWaiting = 400

/** @example positionOf({ reached: '~', waiting: new Map([['u|12', '34']]) }) // '~ u|12=34' */
const positionOf = ({ reached, waiting }: FoldProgress): string =>
	[reached, ...[...waiting].map((entry) => entry.join('='))].join(' ')

function progressAt(position: string): FoldProgress {
	const [reached = '', ...waiting] = position.split(' ')
	return { reached, waiting: new Map(waiting.map((entry) => entry.split('=', 2) as [string, string])) } // sound: `positionOf` wrote it
}

/** The ids of each two resources whose names have become one, and for which the conversion waits. */
export const sharedNamesAt = (position: string): readonly (readonly [string, string])[] =>
	[...progressAt(position).waiting].map(([key, other]) => [lastPartOf(key), other])

/** In the order of their keys. */
const types = [groupType, userType]

async function foldRows(conversion: Conversion, begun: FoldProgress): Promise<FoldProgress> {
	const { table, now, until } = conversion
	const waiting = new Map(begun.waiting)
	let { reached } = begun
	for (const type of types) {
		const range = within(resourceKey(type, ''))
		const from = reached < range.from ? range.from : after(reached)
		if (from >= range.to) continue
		for await (const rows of table.pages({ ...range, from })) {
			for (const row of rows) {
				if (now() >= until) return { reached, waiting }
				const other = await ownerInTheWay(conversion, type, row)
				if (other !== undefined && waiting.size < maxWaiting) waiting.set(row.RowKey, other)
				reached = row.RowKey
			}
		}
	}
	return { reached: allRows, waiting }
}

async function foldWaiting(conversion: Conversion, begun: FoldProgress): Promise<FoldProgress> {
	const { table, now, until } = conversion
	const waiting = new Map(begun.waiting)
	for (const key of begun.waiting.keys()) {
		if (now() >= until) break
		const row = await table.get(key)
		const type = kindOfKey(key) === 'user' ? userType : groupType
		const other = row && (await ownerInTheWay(conversion, type, row))
		if (other === undefined) waiting.delete(key)
		else waiting.set(key, other)
	}
	const wasFull = begun.waiting.size === maxWaiting && waiting.size < maxWaiting
	return { reached: wasFull ? '' : allRows, waiting }
}

/** Only with one of these characters does a text depend on the folding. The JSON has them as they are. */
const mayDepend = /[Σς]/

/** Folds a resource, unless another one has its name: answers the id of that one. */
async function ownerInTheWay(conversion: Conversion, type: ResourceType, first: Row): Promise<string | undefined> {
	if (!mayDepend.test(userRow.attributes.of(first))) return undefined
	let next: Row | undefined = first
	const { owner } = await untilAnswered(conversion.pause, async () => {
		const row: Row | undefined = next ?? (await conversion.table.get(first.RowKey))
		next = undefined
		return row === undefined ? { owner: undefined } : foldOnce(conversion, type, row)
	})
	return owner
}

/** Undefined if another request came first. */
async function foldOnce(
	{ table }: Conversion,
	type: ResourceType,
	row: Row,
): Promise<{ readonly owner: string | undefined } | undefined> {
	const resource = resourceOf(row)
	if (foldingIn(row) === foldCase || !dependsOnFolding(type, resource)) return { owner: undefined }
	// Rows of the tenant's own indexes have the folding of format 2 from the beginning, and stay.
	const before = { attributes: resource.attributes, entries: noEntries }
	const { index } = rowsOf(type, resource, { folding: foldCase, before })
	const keysBefore = indexKeysOf(type, resource, { folding: foldCaseOfFormat1, entries: noEntries })
	const keys = [...index.keys()].filter((key) => !keysBefore.includes(key))
	const { guards, taken } = await lookAtSpellings(table, { type, resource, keys: () => keys })
	if (taken !== undefined) return { owner: taken.owner }
	const outcome = await table.transaction([
		merge(row.RowKey, foldedProperties(type, resource, foldCase), etagOf(row)),
		...keysBefore.filter((key) => !index.has(key)).map((key) => remove(key)),
		...keys.map((key) => insert(key, index.get(key) ?? {})),
		...guards,
	])
	return outcome.kind === 'done' ? { owner: undefined } : undefined
}
