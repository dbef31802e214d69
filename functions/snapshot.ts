import { invalidCursor } from '../shared/scim/error.ts'
import { kindOfId } from '../shared/scim/id.ts'
import type { StoredResource } from '../shared/scim/resource.ts'
import { type TypeName, typeNames } from '../shared/scim/resource-type.ts'
import type { ChangePage } from '../shared/storage/feed.ts'
import type { ChangeEntry } from '../shared/storage/feed-order.ts'
import { positionOf } from '../shared/storage/query/order.ts'
import type { Call } from './call.ts'

/**
 * Where the reader of a snapshot is: behind the resource `after` of a type, or at the beginning of the type. `end` is the
 * cursor with which the reader goes on behind the snapshot. It was taken before the snapshot began, so that it misses no
 * change that is made meanwhile.
 */
type SnapshotPlace = { readonly type: TypeName; readonly after: string; readonly end: string }

export type SnapshotRequest = {
	/** '' for the beginning. */
	readonly cursor: string
	readonly count: number
	readonly types: readonly TypeName[]
}

export const isSnapshotCursor = (cursor: string): boolean => cursor.startsWith('s.')

/**
 * A page of the users, and behind them of the groups, as if each of them was created just now. A page has resources of
 * one type. The `nextCursor` of the last page is one of the feed.
 *
 * @throws ScimError 400 `invalidCursor`
 */
export async function snapshotPage(
	{ store, types }: Pick<Call, 'store' | 'types'>,
	request: SnapshotRequest,
): Promise<ChangePage> {
	const { cursor, count } = request
	if (count === 0) return { changes: [], nextCursor: cursor }
	const place = cursor === '' ? { type: typeNames[0], after: '', end: await store.feedEnd() } : placeOf(cursor)
	const [type, following] = typesFrom(place.type, request.types)
	if (type === undefined) return { changes: [], nextCursor: place.end }
	const after = type === place.type ? place.after : ''
	const page = { after: after === '' ? '' : positionOf({ key: '', id: after }), count }
	const { resources, next } = await store.query(types[type], { page })
	const last = resources.at(-1)
	const isOver = next === undefined || last === undefined
	return {
		changes: resources.map((resource) => entryOf(resource, type)),
		nextCursor: isOver ? cursorBehind(place, following) : cursorOf({ ...place, type, after: last.id }),
	}
}

/** The types of a snapshot that are left, from one on. */
const typesFrom = (type: TypeName, wanted: readonly TypeName[]): readonly TypeName[] =>
	typeNames.slice(typeNames.indexOf(type)).filter((name) => wanted.includes(name))

const entryOf = ({ id, version, lastModified }: StoredResource, resourceType: TypeName): ChangeEntry => ({
	operation: version,
	time: Date.parse(lastModified),
	kind: 'create',
	resourceType,
	id,
	changed: [],
})

const cursorBehind = ({ end }: SnapshotPlace, following: TypeName | undefined): string =>
	following === undefined ? end : cursorOf({ type: following, after: '', end })

const cursorOf = ({ type, after, end }: SnapshotPlace): string => `s.${type}.${after}.${end}`

function placeOf(cursor: string): SnapshotPlace {
	const [, name, after = '', end = ''] = /^s\.(\w+)\.([0-9a-f]*)\.([0-9a-f~-]+)$/.exec(cursor) ?? []
	const type = typeNames.find((each) => each === name)
	if (type === undefined || (after !== '' && kindOfId(after) !== type)) {
		throw invalidCursor('the cursor does not belong to /Changes: begin again with an empty cursor')
	}
	return { type, after, end }
}
