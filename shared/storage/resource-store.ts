import type { StoredResource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import type { VersionCondition } from '../scim/version.ts'
import type { ChangeEntry } from './feed.ts'
import type { MembershipChange } from './membership/operations.ts'
import type { Query, QueryResult } from './query/page.ts'
import type { Draft } from './resource/create.ts'
import type { GroupInPieces, GroupOptions, Include } from './resource/read.ts'
import type { UpdateOptions } from './resource/update.ts'

/**
 * The directory of one tenant.
 *
 * - Every method is atomic: it happens whole or not at all, even where the process dies in the middle of it. It has
 *   happened when its promise resolves and not when it rejects, but that after a 503 it may still happen a little later.
 * - Absence is a value, never an exception. A rejection is a ScimError for what the client did (409 `uniqueness`, 400
 *   `invalidValue` for an unknown member, 413 for a resource too large), a ScimError 503 when the table cannot be
 *   reached or is too busy after bounded retries, or a fault of ours.
 * - A lost answer of the table service is resolved before the promise settles, so nothing is done twice.
 */
export type ResourceStore = {
	/** Stores a new resource under a new id, or the one that `ids` gave the caller for it. `members` are users, each once. */
	create(type: ResourceType, draft: Draft): Promise<StoredResource>

	/** Reads one resource; `include` says what is read along with it. */
	get(type: ResourceType, id: string, include?: Include): Promise<StoredResource | undefined>

	/**
	 * Reads a group, and what `write` makes of its members, page by page, so that not all of them are in memory at once.
	 * `write` must be pure: it is called again from the first page where many members come or go, or where the name and
	 * members are changed at once. Members are not read where `isKnown` says so of the version.
	 */
	getGroup<T>(id: string, options: GroupOptions<T>): Promise<GroupInPieces<T> | undefined>

	/** The resources that match, in the order asked for, and how many there are in all. */
	query(type: ResourceType, query: Query): Promise<QueryResult>

	/**
	 * Reads a resource, hands it to `revise` and stores what that returns. `revise` must be pure: it is called again
	 * with the newer resource when somebody else came first. Where it returns undefined nothing is written and the
	 * resource is answered as it is.
	 */
	update(type: ResourceType, id: string, options: UpdateOptions): Promise<StoredResource | 'absent' | 'stale'>

	/**
	 * Adds and removes members of a group without reading it. Adding a member again or removing an absent one is no
	 * change; a change of nothing moves no version. Resolves to the group's version.
	 */
	changeMembers(
		groupId: string,
		change: MembershipChange,
		condition?: VersionCondition,
	): Promise<{ readonly version: string } | 'absent' | 'stale'>

	/** The next `count` changes after an operation, or from the beginning for ''. They are told a minute after they happened. */
	changes(operation: string, count: number): Promise<readonly ChangeEntry[]>

	/** Deletes a resource and all its memberships. */
	delete(type: ResourceType, id: string, condition?: VersionCondition): Promise<'deleted' | 'absent' | 'stale'>
}
