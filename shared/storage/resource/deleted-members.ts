import type { Member } from '../../scim/resource.ts'
import { keepMembers } from '../membership/kept-members.ts'
import { isLatestChangeRow } from '../membership/latest-change.ts'
import { memberIn } from '../membership/members.ts'
import type { Directory } from '../rows/directory.ts'
import { deletedGroupRow, latestChangeRow, memberRow, membershipRow } from '../rows/schema.ts'
import { remove } from '../table/batch.ts'
import { within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'
import { removeRows } from '../transaction/remove-rows.ts'

export type DeletedGroup = {
	readonly groupId: string
	/** The deletion, if the ledger keeps the members. */
	readonly kept: string | undefined
}

/**
 * Members that are removed together. The first transaction keeps all of them for the ledger, and removes 49. The others take
 * 19 transactions. Without the ledger there would be 20, too.
 */
const membersAtOnce = 999
const withRow = 49

/**
 * Removes the members of a deleted group, and then the row `j|dg|` that lists the group as unfinished.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns whether nothing is left
 */
export async function removeMembers(directory: Directory, group: DeletedGroup, until: number): Promise<boolean> {
	const { table, now } = directory
	const range = { ...within(memberRow.key(group.groupId, '')), select: ['RowKey', memberRow.display.stored] }
	let members: readonly Member[] = []
	for await (const rows of table.pages(range)) {
		members = [...members, ...rows.filter((row) => !isLatestChangeRow(row)).map(memberIn)]
		for (; members.length >= membersAtOnce; members = members.slice(membersAtOnce)) {
			if (now() >= until) return false
			await removeSome(directory, group, members.slice(0, membersAtOnce))
		}
	}
	if (now() >= until) return false
	await removeSome(directory, group, members)
	await removeRows(directory, [latestChangeRow.key(group.groupId), deletedGroupRow.key(group.groupId)])
	return true
}

async function removeSome(
	directory: Directory,
	{ groupId, kept }: DeletedGroup,
	members: readonly Member[],
): Promise<void> {
	if (members.length === 0) return
	const keysOf = (some: readonly Member[]) =>
		some.flatMap(({ value }) => [memberRow.key(groupId, value), membershipRow.key(value, groupId)])
	if (kept === undefined) return removeRows(directory, keysOf(members))
	await keepAndRemove(directory, { kept, members }, keysOf(members.slice(0, withRow)))
	await removeRows(directory, keysOf(members.slice(withRow)))
}

/** Keeps members before any of them goes. What another process has removed meanwhile, that process has kept. */
async function keepAndRemove(
	{ table, pause }: Directory,
	{ kept, members }: { readonly kept: string; readonly members: readonly Member[] },
	keys: readonly string[],
): Promise<void> {
	let rest = keys
	await untilAnswered(pause, async () => {
		const keeping = keepMembers(kept, { added: [], removed: members })
		const outcome = await table.transaction([keeping, ...rest.map((key) => remove(key))])
		if (outcome.kind === 'done') return 'done'
		const rows = await inParallel(rest, (key) => table.get(key))
		rest = rest.filter((_, index) => rows[index] !== undefined)
		return undefined
	})
}
