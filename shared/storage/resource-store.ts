import type { StoredResource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import type { VersionCondition } from '../scim/version.ts'
import type { ChangePage } from './feed.ts'
import type { MembershipChange } from './membership/operations.ts'
import type { Query, QueryResult } from './query/page.ts'
import type { Draft } from './resource/create.ts'
import type { GroupInPieces, GroupOptions, Include } from './resource/read.ts'
import type { UpdateOptions } from './resource/update.ts'

/**
 * The directory of one tenant.
 *
 * - Every method is atomic: it happens whole or not at all, even if the process dies in the middle of it. It has happened
 *   when its promise resolves, and has not happened when it rejects. After a 503 it may still happen a little later.
 * - Absence is a value, never an exception.
 * - For what the client did, the rejection is a ScimError: 409 `uniqueness`, 400 `invalidValue` for an unknown member, 413
 *   for a resource too large. If the table service is away or too busy after bounded retries, it is a ScimError 503. Any
 *   other rejection is a fault on our side.
 * - If an answer of the table service is lost, the method finds out what happened before its promise settles. So nothing
 *   is done twice.
 */
export type ResourceStore = {
	/** Stores a new resource, under an id that `ids` gave the caller or else a new one. `members` are users, each once. */
	create(type: ResourceType, draft: Draft): Promise<StoredResource>

	/** Reads one resource; `include` says what is read along with it. */
	get(type: ResourceType, id: string, include?: Include): Promise<StoredResource | undefined>

	/**
	 * Reads a group, and what `write` makes of its members, page by page, so that not all of them are in memory at once.
	 * `write` must be pure: if a large change, or a change of attributes and members together, comes in between, it is
	 * called again from the first page. Members are left out if `skipMembersIf` holds of the version.
	 */
	getGroup<T>(id: string, options: GroupOptions<T>): Promise<GroupInPieces<T> | undefined>

	/** The resources that match, in the requested order, and how many there are in all. */
	query(type: ResourceType, query: Query): Promise<QueryResult>

	/**
	 * Reads a resource, hands it to `revise` and stores what that returns. `revise` must be pure: it is called again
	 * with the newer resource if another request came first. If it returns undefined, nothing is written, and the resource
	 * is returned as it is.
	 */
	update(type: ResourceType, id: string, options: UpdateOptions): Promise<StoredResource | 'absent' | 'stale'>

	/**
	 * Adds and removes members of a group without reading it. Adding a member again or removing a non-member
	 * changes nothing, and then the version stays. Resolves to the group's version.
	 */
	changeMembers(
		groupId: string,
		change: MembershipChange,
		condition?: VersionCondition,
	): Promise<{ readonly version: string } | 'absent' | 'stale'>

	/** Up to `count` changes after a cursor, or from the beginning for ''. */
	changes(cursor: string, count: number): Promise<ChangePage>

	/** The cursor of all changes that are made from now on. Some that were made before may follow it, too. */
	feedEnd(): Promise<string>

	/** Deletes a resource and all its memberships. */
	delete(type: ResourceType, id: string, condition?: VersionCondition): Promise<'deleted' | 'absent' | 'stale'>
}
