import { kindOfId } from '../scim/id.ts'
import type { StoredResource } from '../scim/resource.ts'
import type { ResourceTypes } from '../scim/resource-type.ts'
import { type Activity, type ActivityCursor, activityAfter, latestActivity } from './ledger/activity.ts'
import { type ChangedMembersPage, type ChangedMembersRequest, changedMembersPage } from './ledger/changed-members.ts'
import {
	type HistoryPage,
	type HistoryPageRequest,
	historyPage,
	type LedgerSubject,
	someResourcesNamed,
} from './ledger/history.ts'
import { namePart } from './ledger/history-rows.ts'
import { type GroupPage, groupPage } from './membership/group-page.ts'
import { type MemberPage, type MemberPlace, memberPage } from './membership/member-page.ts'
import { type FoundPage, type FoundResource, foundById, type SearchRequest, search, searchOn } from './query/search.ts'
import { read } from './resource/read.ts'
import { resourceOf } from './rows/entity.ts'
import { userRow } from './rows/schema.ts'
import { rowsAt } from './table/rows-at.ts'
import { type DirectoryOptions, directoryOf } from './table-store.ts'

/**
 * The directory of one tenant for people who look at it, a page at a time. No method writes, and each takes a number of
 * requests that does not grow with the directory. All methods reject with a ScimError 503 if the service stays away.
 */
export type Lookup = {
	/** A user or a group without its groups or members. */
	get(subject: LedgerSubject): Promise<StoredResource | undefined>
	/** What has the id, or has a value that begins with the text. */
	search(request: SearchRequest): Promise<SearchResult>
	/** The page of one attribute behind the `next` of another page; undefined if the attribute has no index. */
	searchOn(
		request: SearchRequest & { readonly type: LedgerSubject['type']; readonly by: string; readonly behind: string },
	): Promise<FoundPage | undefined>
	/** The groups of a user. */
	groups(userId: string, request: { readonly after: string; readonly count: number }): Promise<GroupPage>
	/** Members of a group; undefined if the group does not exist. */
	members(
		groupId: string,
		request: { readonly place: MemberPlace; readonly count: number },
	): Promise<MemberPage | undefined>
	/** The users of some ids, without those that are gone. */
	users(ids: readonly string[]): Promise<readonly StoredResource[]>
	history(subject: LedgerSubject, request: HistoryPageRequest): Promise<HistoryPage>
	/** Whom a change of a group has added and removed; undefined if the ledger has no such change. */
	changedMembers(request: ChangedMembersRequest): Promise<ChangedMembersPage | undefined>
	/** What happened last; what happened since another reading, if its cursor is given. */
	activity(cursor?: ActivityCursor): Promise<Activity>
}

export type SearchResult = {
	/** What has the text as its id. */
	readonly byId?: FoundResource
	readonly pages: readonly FoundPage[]
	/** What had the text as its userName or displayName until it was renamed or deleted, the latest one first. */
	readonly former: readonly LedgerSubject[]
}

export function openLookup({ types, ...options }: DirectoryOptions & { readonly types: ResourceTypes }): Lookup {
	const directory = directoryOf(options)
	const { table } = directory
	return {
		get: ({ id, type }) => read(directory, types[type], id),
		async search(request) {
			const [byId, pages, former] = await Promise.all([
				byIdOf(request.text),
				search(table, [types.User, types.Group], request),
				someResourcesNamed(directory, namePart(request.text)),
			])
			const there = new Set<string>(pages.flatMap(({ found }) => found.map(({ id }) => id)))
			return {
				...(byId !== undefined && { byId }),
				pages,
				former: former.filter(({ id }) => !there.has(id)).toReversed(),
			}
		},
		searchOn: ({ type, ...request }) => searchOn(table, { ...request, type: types[type] }),
		groups: (userId, request) => groupPage(table, userId, request),
		members: (groupId, request) => memberPage(table, groupId, { ...request, now: directory.now() }),
		async users(ids) {
			const rows = await rowsAt(
				table,
				ids.map((id) => userRow.key(id)),
			)
			return [...rows.values()].map(resourceOf)
		},
		history: (subject, request) => historyPage(directory, subject, request),
		changedMembers: (request) => changedMembersPage(directory, request),
		activity: (cursor) => (cursor === undefined ? latestActivity(directory) : activityAfter(directory, cursor)),
	}

	async function byIdOf(text: string): Promise<FoundResource | undefined> {
		const kind = kindOfId(text)
		return kind === 'User' || kind === 'Group' ? foundById(table, types[kind], text) : undefined
	}
}
