import { isDeepStrictEqual } from 'node:util'
import { inDeclaredSpelling } from '../../scim/declared-spelling.ts'
import { invalidValue, payloadTooLarge } from '../../scim/error.ts'
import type { AttributeValues, ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { Properties } from '../table/batch.ts'
import type { Row } from '../table/tables.ts'
import { columnProperties } from './columns.ts'
import { type Folding, foldCaseOfFormat1, foldingOf } from './folding.ts'
import { groupReferenceRow, type Index, indexesOf, indexKey, userCopyRow, valuesOf } from './indexes.ts'
import { hasJson, isLong, maxJsonBytes, parseStored } from './json-text.ts'
import { type EntriesBefore, entriesOf, entryKeys, type IndexEntries, noEntries } from './own-indexes.ts'
import { groupRow, resourceKey, userRow } from './schema.ts'

/** The rows that hold what a resource is: its own, and those of the indexes by their keys. */
export type ResourceRows = {
	readonly key: string
	readonly properties: Properties
	readonly index: ReadonlyMap<string, Properties>
}

export type RowOptions = {
	readonly folding: Folding
	/** What the resource has now: one that is over the limit already may stay so. */
	readonly before?: EntriesBefore
}

/**
 * A user's index rows hold the whole user, so that a match is one read. A group's index rows hold its id alone, since
 * every change of a member moves the group's version.
 *
 * @throws ScimError 413 for a resource too large, 400 `invalidValue` for too many e-mail addresses
 */
export function rowsOf(type: ResourceType, resource: StoredResource, { folding, before }: RowOptions): ResourceRows {
	const json = JSON.stringify(resource.attributes)
	requireSize(json, before?.attributes)
	const entries = entriesOf(type, resource, before)
	const { properties, copy } = type.name === 'Group' ? groupProperties(resource, json) : userProperties(resource, json)
	return {
		key: resourceKey(type, resource.id),
		properties: { ...properties, ...foldedProperties(type, resource, folding), ...userRow.properties({ entries }) },
		index: new Map(indexKeysOf(type, resource, { folding, entries }).map((key) => [key, copy])),
	}
}

/** The properties of a resource's own row that depend on the folding. */
export function foldedProperties(type: ResourceType, resource: StoredResource, folding: Folding): Properties {
	const columns = columnProperties(type, resource.attributes, folding)
	if (folding === foldCaseOfFormat1 || !dependsOnFolding(type, resource)) return columns
	return { ...columns, ...userRow.properties({ isFoldedAnew: true }) }
}

/** Whether a key or a column of a resource is another one in format 1 than in format 2. */
export function dependsOnFolding(type: ResourceType, resource: StoredResource): boolean {
	const [one, other] = [1, 2]
		.map(foldingOf)
		.map((folding) => [
			...indexKeysOf(type, resource, { folding, entries: noEntries }),
			...Object.values(columnProperties(type, resource.attributes, folding)),
		])
	return !isDeepStrictEqual(one, other)
}

/** The folding of the keys and columns of a resource. `row` is its own row. */
export const foldingIn = (row: Row): Folding => foldingOf(userRow.isFoldedAnew.of(row) ? 2 : 1)

type StoredProperties = { readonly properties: Properties; readonly copy: Properties }

/** A change may make a resource over the limit larger by this: by `active: false`, but not by another photo. */
const tolerance = 1024

function requireSize(json: string, before: AttributeValues | undefined): void {
	// A character takes up to three bytes in UTF-8.
	if (json.length <= maxJsonBytes / 3) return
	const size = Buffer.byteLength(json)
	if (size <= maxJsonBytes) return
	if (before !== undefined && size <= Buffer.byteLength(JSON.stringify(before)) + tolerance) return
	throw payloadTooLarge(`the resource takes ${size} bytes as JSON; the limit is ${maxJsonBytes}`)
}

function userProperties({ id, version, created, lastModified }: StoredResource, json: string): StoredProperties {
	const properties = userRow.properties({ id, version, created, lastModified, attributes: json })
	return { properties, copy: isLong(properties) ? userCopyRow.properties({ id, isReference: true }) : properties }
}

function groupProperties({ id, version, created, lastModified }: StoredResource, json: string): StoredProperties {
	const properties = groupRow.properties({
		id,
		attributesVersion: version,
		created,
		lastModified,
		attributes: json,
		version,
		pendingChange: '',
	})
	return { properties, copy: groupReferenceRow.properties({ id }) }
}

const maxEmails = 20

/** What tells the keys of a resource's index rows, beside its attributes. */
export type IndexOptions = {
	/** The folding of the indexes that every tenant has. */
	readonly folding: Folding
	readonly entries: IndexEntries
}

/** The keys of the index rows that lead to a resource. */
export function indexKeysOf(
	type: ResourceType,
	{ id, attributes }: Pick<StoredResource, 'id' | 'attributes'>,
	{ folding, entries }: IndexOptions,
): readonly string[] {
	const keysOf = (index: Index): readonly string[] => {
		const keys = [...new Set(valuesOf(index, attributes).map((value) => indexKey(index, value, { id, folding })))]
		// A user and all its index rows, old and new, are changed in one transaction of 100 operations.
		if (keys.length > maxEmails) {
			throw invalidValue(`${index.attribute.name}: ${keys.length} different values; the limit is ${maxEmails}`)
		}
		return keys
	}
	return [...indexesOf(type).flatMap(keysOf), ...entryKeys(entries)]
}

/** What a row of an index holds of a user, by the user's own row. */
export function copyOf(row: Row): Properties {
	const id = idOf(row)
	if (isLong(row)) return userCopyRow.properties({ id, isReference: true })
	const { version, created, lastModified, attributes } = userRow
	return userRow.properties({
		id,
		version: version.of(row),
		created: created.of(row),
		lastModified: lastModified.of(row),
		attributes: attributes.of(row),
	})
}

/** Whether a row, a resource's own or a copy, holds the resource and does not only name it. */
export const isWhole = hasJson

/** The resource that a row holds, with its names as they are stored. */
export const resourceOf = (row: Row): StoredResource => sizedResourceOf(row).resource

/** The resource that a row holds, with its names as the tenant's schemas declare them. */
export const declaredResourceOf = (type: ResourceType, row: Row): StoredResource =>
	declaredSizedResourceOf(type, row).resource

type StoredSizedResource = { readonly resource: StoredResource; readonly size: number }

/** The same, and the length of its JSON. */
export function declaredSizedResourceOf(type: ResourceType, row: Row): StoredSizedResource {
	const { resource, size } = sizedResourceOf(row)
	return { resource: { ...resource, attributes: inDeclaredSpelling(type, resource.attributes) }, size }
}

function sizedResourceOf(row: Row): StoredSizedResource {
	const json = userRow.attributes.of(row)
	const resource = {
		id: idOf(row),
		attributes: parseStored(json),
		version: (groupRow.version.isIn(row) ? groupRow.version : userRow.version).of(row),
		created: userRow.created.of(row),
		lastModified: userRow.lastModified.of(row),
	}
	return { resource, size: json.length }
}

/** Whether the JSON in a row is compressed, so that its length is unknown until it is unpacked. */
export const isCompressed: (row: Row) => boolean = isLong

/** The id of the resource that a row is about. */
export const idOf = (row: Row): ResourceId => userRow.id.of(row) as ResourceId // sound: rows get their ids from resources
