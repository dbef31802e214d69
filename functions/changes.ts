import { parseQuery } from '../shared/http/query.ts'
import { pageSize } from '../shared/scim/list-response.ts'
import { urn } from '../shared/scim/urn.ts'
import type { ChangeEntry } from '../shared/storage/feed-order.ts'
import type { Handler } from './call.ts'

/**
 * `GET /Changes`, an extension of ours: the changes of users and groups since `cursor`, in order. The answer always has a
 * `nextCursor` for the next request. An answer without changes means that nothing is new.
 */
export const listChanges: Handler = async ({ store, query, baseUrl }) => {
	const { cursor = '', count } = parseQuery(query)
	const { changes, nextCursor } = await store.changes(cursor, pageSize(count))
	return {
		status: 200,
		body: {
			schemas: [urn.changeList],
			itemsPerPage: changes.length,
			nextCursor,
			changes: changes.map((entry) => changeOf(entry, baseUrl)),
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
