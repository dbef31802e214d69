import { parseChangesQuery } from '../shared/http/changes-query.ts'
import { parseQuery } from '../shared/http/query.ts'
import { pageSize } from '../shared/scim/list-response.ts'
import { urn } from '../shared/scim/urn.ts'
import type { ChangeEntry } from '../shared/storage/feed-order.ts'
import type { Handler } from './call.ts'
import { isSnapshotCursor, snapshotPage } from './snapshot.ts'

/**
 * `GET /Changes`, an extension of ours: the changes of users and groups since `cursor`, in order. The answer always has a
 * `nextCursor` for the next request. Nothing is new if the answer has no changes and its `nextCursor` is the cursor of
 * the request.
 *
 * With `snapshot=true`, an empty cursor begins with all users and groups. `types` leaves out entries of the other type.
 */
export const listChanges: Handler = async (call) => {
	const { cursor = '', count } = parseQuery(call.query)
	const { isSnapshot, types } = parseChangesQuery(call.query)
	const request = { cursor, count: pageSize(count), types }
	const isInSnapshot = isSnapshotCursor(cursor) || (isSnapshot && cursor === '')
	const page = isInSnapshot ? await snapshotPage(call, request) : await call.store.changes(cursor, request.count)
	const changes = page.changes.filter(({ resourceType }) => types.some((name) => name === resourceType))
	return {
		status: 200,
		body: {
			schemas: [urn.changeList],
			...(isInSnapshot && { snapshot: true }),
			itemsPerPage: changes.length,
			nextCursor: page.nextCursor,
			changes: changes.map((entry) => changeOf(entry, call.baseUrl)),
		},
	}
}

function changeOf(entry: ChangeEntry, baseUrl: string) {
	const { operation, time, kind, resourceType, id, changed, name, externalId } = entry
	const isGroup = resourceType === 'Group'
	const namesMarked = (mark: string) => changed.filter((name) => name.startsWith(mark)).map((name) => name.slice(1))
	return {
		id: operation,
		timestamp: new Date(time).toISOString(),
		operation: kind === 'create' || kind === 'delete' ? kind : 'update',
		resourceType,
		resourceId: id,
		...(kind !== 'delete' && { $ref: `${baseUrl}/${resourceType}s/${id}` }),
		...(kind === 'update' && { attributes: changed.filter((name) => !/^[+-]/.test(name)) }),
		...(name !== undefined && { [isGroup ? 'displayName' : 'userName']: name }),
		...(externalId !== undefined && { externalId }),
		...(isGroup && namesMarked('+').length > 0 && { addedMembers: namesMarked('+') }),
		...(isGroup && namesMarked('-').length > 0 && { removedMembers: namesMarked('-') }),
		...(!isGroup && (kind === 'unlink' || kind === 'delete') && { leftGroups: changed }),
	}
}
