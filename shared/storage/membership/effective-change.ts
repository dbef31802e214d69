import type { ResourceId } from '../../scim/resource.ts'
import { existenceRow, lastPartOf, memberRow } from '../rows/schema.ts'
import { inParallel } from '../table/parallel.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Row, Table } from '../table/tables.ts'
import { isEmpty, type MembershipChange } from './operations.ts'

/** Drops what would change nothing: adds of members and removals of non-members. */
export async function effectiveChange(
	table: Table,
	groupId: string,
	change: MembershipChange,
): Promise<MembershipChange> {
	const ids = [...change.add.map(({ value }) => value), ...change.remove]
	const rows = await rowsAt(
		table,
		ids.map((id) => memberRow.key(groupId, id)),
	)
	const alive = await inParallel(ids, async (id) => {
		const row = rows.get(memberRow.key(groupId, id))
		return row !== undefined && isAlive(table, row)
	})
	const members = new Set(ids.filter((_, index) => alive[index]))
	return {
		add: change.add.filter(({ value }) => !members.has(value)),
		remove: change.remove.filter((id) => members.has(id)),
	}
}

/** Whether a change would change anything. A few of its members are read first: mostly they tell. */
export async function isEffective(table: Table, groupId: string, { add, remove }: MembershipChange): Promise<boolean> {
	const few = { add: add.slice(0, 4), remove: remove.slice(0, 4) }
	if (!isEmpty(await effectiveChange(table, groupId, few))) return true
	return !isEmpty(await effectiveChange(table, groupId, { add: add.slice(4), remove: remove.slice(4) }))
}

/** Whether the user of a member's row exists. The row is marked before the user is deleted: the existence row tells. */
export const isAlive = async (table: Table, row: Row): Promise<boolean> =>
	!memberRow.isLeaving.of(row) || (await table.get(existenceRow.key(memberIdIn(row)))) !== undefined

/** The member of a row `m|<group>|<user>`. */
export const memberIdIn = ({ RowKey }: Row): ResourceId => lastPartOf(RowKey) as ResourceId // sound: the key ends with an id
