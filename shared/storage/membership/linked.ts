import { kindOfId } from '../../scim/id.ts'
import type { Member, ResourceId } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { groupRow, userRow } from '../rows/schema.ts'
import { chunked } from '../table/parallel.ts'
import { rowPagesAt } from '../table/rows-at.ts'
import type { Row, Table } from '../table/tables.ts'
import { groupIdsIn, groupsAmong, linksOf, type UserLinks } from './links.ts'
import { membersAfter, membersOf } from './members.ts'

/** The users of a group, or the groups of a user. Their ids are known before they are read. */
export type LinkedResources = {
	/** The ids in order. If there are more than `limit`, the list ends behind that and is incomplete. */
	first(limit: number): Promise<readonly ResourceId[]>
	/** The ids behind one of them in order, page by page. */
	after(id: string): AsyncGenerator<readonly ResourceId[]>
	/** The rows of some of them in order, a part at a time, without resources that are gone. */
	rows(ids: readonly ResourceId[]): AsyncGenerator<readonly Row[]>
}

/** What is linked to the group or the user with this id; nothing for any other string. */
export function linkedTo(table: Table, type: ResourceType, id: string): LinkedResources {
	if (kindOfId(id) === undefined) return nothing
	return type.name === 'Group' ? groupsOfUser(table, id) : usersOfGroup(table, id)
}

const nothing: LinkedResources = {
	first: async () => [],
	async *after() {},
	async *rows() {},
}

/** Rows of users that are read one by one and held in memory together. */
const rowsAtOnce = 64

/** A group that is being deleted has no members any more, although their rows may be there. */
function usersOfGroup(table: Table, groupId: string): LinkedResources {
	const group = () => table.get(groupRow.key(groupId))
	return {
		async first(limit) {
			return (await group()) === undefined ? [] : idsOf(await membersOf(table, groupId, limit))
		},
		async *after(id) {
			const row = await group()
			if (row === undefined) return
			const pages = membersAfter(table, { groupId, id, pendingChange: groupRow.pendingChange.of(row) })
			for await (const members of pages) yield idsOf(members)
		},
		rows: (ids) =>
			rowPagesAt(
				table,
				ids.map((id) => userRow.key(id)),
				rowsAtOnce,
			),
	}
}

const idsOf = (members: readonly Member[]): readonly ResourceId[] => members.map(({ value }) => value)

function groupsOfUser(table: Table, userId: string): LinkedResources {
	const read = async (groupId: string) => {
		const row = await table.get(groupRow.key(groupId))
		return row && { row, pendingChange: groupRow.pendingChange.of(row) }
	}
	let reading: Promise<UserLinks> | undefined
	const links = (): Promise<UserLinks> => {
		reading ??= linksOf(table, userId)
		return reading
	}
	return {
		first: async () => groupIdsIn(await links()),
		async *after(id) {
			yield groupIdsIn(await links()).filter((groupId) => groupId > id)
		},
		async *rows(ids) {
			for (const some of chunked(ids, rowsAtOnce)) {
				const groups = await groupsAmong(table, { userId, links: await links(), read, ids: some })
				yield groups.map(({ row }) => row)
			}
		},
	}
}
