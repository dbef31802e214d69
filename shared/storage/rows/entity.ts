import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { invalidValue, payloadTooLarge } from '../../scim/error.ts'
import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { Properties } from '../table/batch.ts'
import type { Row } from '../table/tables.ts'
import { columnProperties } from './columns.ts'
import { indexesOf, indexKey, valuesOf } from './indexes.ts'
import { resourceKey } from './keys.ts'

/** The rows that hold what a resource is: its own, and those of the indexes by their keys. */
export type ResourceRows = {
	readonly key: string
	readonly properties: Properties
	readonly index: ReadonlyMap<string, Properties>
}

/**
 * A user's index rows hold the whole user, so that a match is one read; a group's hold its id alone, since every change
 * of a member moves the group's version.
 *
 * @throws ScimError 413 for a resource too large, 400 `invalidValue` for too many e-mail addresses
 */
export function rowsOf(type: ResourceType, resource: StoredResource): ResourceRows {
	const content = contentOf(resource)
	const isGroup = type.name === 'Group'
	const copy = isGroup ? { id: resource.id } : copyOf(content)
	return {
		key: resourceKey(type, resource.id),
		properties: {
			...content,
			...columnProperties(type, resource.attributes),
			...(isGroup && { mv: resource.version, pend: '' }),
		},
		index: new Map(indexKeysOf(type, resource).map((key) => [key, copy])),
	}
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

type Content = { readonly id: string; readonly v: string; readonly cr: string; readonly lm: string } & Properties

/** A string property holds 32,768 UTF-16 code units, a binary one 64 KiB, a row 1 MiB. */
const maxStringLength = 30_000
const chunkSize = 65_536
const maxCompressedSize = 900 * 1024

function contentOf({ id, version, created, lastModified, attributes }: StoredResource): Content {
	return { id, v: version, cr: created, lm: lastModified, ...jsonProperties(JSON.stringify(attributes)) }
}

/**
 * The properties of a row that hold a JSON text: `j`, or `b0`, `b1`, … compressed where it is long.
 *
 * @throws ScimError 413 for one too large
 */
export const jsonProperties = (json: string): Properties =>
	json.length <= maxStringLength ? { j: json } : chunksOf(json)

function chunksOf(json: string): Properties {
	const compressed = deflateRawSync(json)
	if (compressed.length > maxCompressedSize) {
		throw payloadTooLarge(
			`the resource takes ${compressed.length} bytes when compressed; the limit is ${maxCompressedSize}`,
		)
	}
	const chunks: Record<string, Buffer> = {}
	for (let start = 0; start < compressed.length; start += chunkSize) {
		chunks[`b${start / chunkSize}`] = compressed.subarray(start, start + chunkSize)
	}
	return chunks
}

/** What an index row holds of a user: all of it, or of a large one where it is. */
const copyOf = (content: Content): Properties => (content.j === undefined ? { id: content.id, big: true } : content)

/** Whether a row, its own or a copy, holds the resource and does not only say which one it leads to. */
export const isWhole = (row: Row): boolean => row.j !== undefined || row.b0 !== undefined

/** The resource that a row holds. */
export const resourceOf = (row: Row): StoredResource => ({
	id: idOf(row),
	attributes: JSON.parse(jsonOf(row)),
	version: textOf(row, row.mv === undefined ? 'v' : 'mv'),
	created: textOf(row, 'cr'),
	lastModified: textOf(row, 'lm'),
})

/** The JSON text that a row holds. */
export function jsonOf(row: Row): string {
	if (row.b0 === undefined) return textOf(row, 'j')
	const chunks: Buffer[] = []
	for (let name = 'b0'; row[name] !== undefined; name = `b${chunks.length}`) {
		chunks.push(Buffer.from(textOf(row, name), 'base64'))
	}
	return inflateRawSync(Buffer.concat(chunks)).toString('utf8')
}

/** The id of the resource that a row is about. */
export const idOf = (row: Row): ResourceId => textOf(row, 'id') as ResourceId // sound: rows get their ids from resources

export function textOf(row: Row, property: string): string {
	const value = row[property]
	if (typeof value !== 'string') throw new TypeError(`row ${row.RowKey} has no ${property}`)
	return value
}
