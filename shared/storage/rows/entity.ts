import { invalidValue } from '../../scim/error.ts'
import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { Properties } from '../table/batch.ts'
import type { Row } from '../table/tables.ts'
import { columnProperties } from './columns.ts'
import { groupReferenceRow, indexesOf, indexKey, userCopyRow, valuesOf } from './indexes.ts'
import { hasJson, isLong, parseStored } from './json-text.ts'
import { groupRow, resourceKey, userRow } from './schema.ts'

/** The rows that hold what a resource is: its own, and those of the indexes by their keys. */
export type ResourceRows = {
	readonly key: string
	readonly properties: Properties
	readonly index: ReadonlyMap<string, Properties>
}

/**
 * A user's index rows hold the whole user, so that a match is one read. A group's index rows hold its id alone, since
 * every change of a member moves the group's version.
 *
 * @throws ScimError 413 for a resource too large, 400 `invalidValue` for too many e-mail addresses
 */
export function rowsOf(type: ResourceType, resource: StoredResource): ResourceRows {
	const { properties, copy } = type.name === 'Group' ? groupProperties(resource) : userProperties(resource)
	return {
		key: resourceKey(type, resource.id),
		properties: { ...properties, ...columnProperties(type, resource.attributes) },
		index: new Map(indexKeysOf(type, resource).map((key) => [key, copy])),
	}
}

type Stored = { readonly properties: Properties; readonly copy: Properties }

function userProperties({ id, version, created, lastModified, attributes }: StoredResource): Stored {
	const json = JSON.stringify(attributes)
	const properties = userRow.properties({ id, version, created, lastModified, attributes: json })
	return { properties, copy: isLong(properties) ? userCopyRow.properties({ id, isReference: true }) : properties }
}

function groupProperties({ id, version, created, lastModified, attributes }: StoredResource): Stored {
	const properties = groupRow.properties({
		id,
		attributesVersion: version,
		created,
		lastModified,
		attributes: JSON.stringify(attributes),
		version,
		pendingChange: '',
	})
	return { properties, copy: groupReferenceRow.properties({ id }) }
}

const maxEmails = 20

/** The keys of the index rows that lead to a resource. */
export function indexKeysOf(type: ResourceType, { id, attributes }: StoredResource): readonly string[] {
	return indexesOf(type).flatMap((index) => {
		const keys = [...new Set(valuesOf(index, attributes).map((value) => indexKey(index, value, id)))]
		// A user and all its index rows, old and new, are changed in one transaction of 100 operations.
		if (keys.length > maxEmails) {
			throw invalidValue(`${index.attribute.name}: ${keys.length} different values; the limit is ${maxEmails}`)
		}
		return keys
	})
}

/** Whether a row, a resource's own or a copy, holds the resource and does not only name it. */
export const isWhole = hasJson

/** The resource that a row holds. */
export const resourceOf = (row: Row): StoredResource => ({
	id: idOf(row),
	attributes: parseStored(userRow.attributes.of(row)),
	version: (groupRow.version.isIn(row) ? groupRow.version : userRow.version).of(row),
	created: userRow.created.of(row),
	lastModified: userRow.lastModified.of(row),
})

/** The id of the resource that a row is about. */
export const idOf = (row: Row): ResourceId => userRow.id.of(row) as ResourceId // sound: rows get their ids from resources
