import type { Table } from '../table/tables.ts'
import { type GroupReferences, groupHeadings, groupIdsIn, groupsAmong, linksOf, referencesTo } from './links.ts'

/** Some groups of a user in the order of their ids, and how many groups the user is in, or may soon be in. */
export type GroupPage = { readonly groups: GroupReferences; readonly total: number; readonly next?: string }

/**
 * The groups of a user behind an id; '' for the first ones. It takes a request for each thousand groups, and one for each
 * group on the page.
 */
export async function groupPage(
	table: Table,
	userId: string,
	{ after, count }: { readonly after: string; readonly count: number },
): Promise<GroupPage> {
	const links = await linksOf(table, userId)
	const all = groupIdsIn(links)
	const later = all.filter((id) => id > after)
	const ids = later.slice(0, count)
	const groups = referencesTo(await groupsAmong(table, { userId, links, ids, read: groupHeadings(table).of }))
	const last = ids.at(-1)
	return { groups, total: all.length, ...(later.length > count && last !== undefined && { next: last }) }
}
