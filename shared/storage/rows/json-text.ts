import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { Fault } from '../../fault.ts'
import { payloadTooLarge } from '../../scim/error.ts'
import type { Properties } from '../table/batch.ts'
import type { Row } from '../table/tables.ts'
import { textOf } from '../table/text-of.ts'
import { type Column, missing } from './row-kind.ts'

/**
 * Bytes of the JSON of a resource. Text that repeats itself compresses to a thousandth, so that the size in storage says
 * nothing of the memory that a resource takes.
 */
export const maxJsonBytes = 2 ** 20

/** Bytes that a stored text may unpack to. Older versions limited the compressed size alone. */
const maxUnpackedBytes = 64 * 2 ** 20

/** A string property holds 32,768 UTF-16 code units, a binary one 64 KiB, a row 1 MiB. */
const maxStringLength = 30_000
const chunkSize = 65_536
const maxCompressedSize = 900 * 1024

/** A JSON text: in `j`, or compressed in `b0`, `b1`, … if it is long. */
export const jsonText = (meaning: string): Column<string> => ({
	stored: 'j',
	meaning: `${meaning}; a long text compressed in \`b0\`, \`b1\`, …`,
	isIn: hasJson,
	of: jsonOf,
	properties: (json) => (json.length <= maxStringLength ? { j: json } : compressed(json)),
})

/** A text of more bytes is shorter when it is compressed: the service stores a string in UTF-16, twice its bytes. */
const maxPlainBytes = 200

/**
 * A text that only some rows have: as it is in `stored`, or compressed in `<stored>0`, `<stored>1`, … if it has more than
 * 200 bytes. A text that is too long for a row even when it is compressed is not written.
 */
export const packedText = (stored: string, meaning: string): Column<string | undefined> => ({
	stored,
	meaning: `${meaning}; more than 200 bytes compressed in \`${stored}0\`, \`${stored}1\`, …`,
	isIn: (row) => typeof row[stored] === 'string' || typeof row[`${stored}0`] === 'string',
	of: (row) => {
		const plain = row[stored]
		if (typeof plain === 'string') return plain
		return typeof row[`${stored}0`] === 'string' ? unpacked(row, stored) : undefined
	},
	properties(text) {
		if (Buffer.byteLength(text) <= maxPlainBytes) return { [stored]: text }
		const bytes = deflateRawSync(text)
		return bytes.length > maxCompressedSize ? {} : chunksOf(bytes, stored)
	},
})

/** Whether a row has a JSON text at all: a row of an index may only name the resource. */
export const hasJson = (row: Row): boolean => row.j !== undefined || row.b0 !== undefined

/** Whether properties hold a long JSON text, which is compressed and not copied to the rows of indexes. */
export const isLong = (properties: { readonly [property: string]: unknown }): boolean => properties.b0 !== undefined

/** @throws ScimError 413 if the text is too long even when it is compressed */
function compressed(json: string): Properties {
	const bytes = deflateRawSync(json)
	if (bytes.length > maxCompressedSize) {
		throw payloadTooLarge(`the resource takes ${bytes.length} bytes when compressed; the limit is ${maxCompressedSize}`)
	}
	return chunksOf(bytes, 'b')
}

function chunksOf(bytes: Buffer, prefix: string): Readonly<Record<string, Buffer>> {
	const chunks: Record<string, Buffer> = {}
	for (let start = 0; start < bytes.length; start += chunkSize) {
		chunks[`${prefix}${start / chunkSize}`] = bytes.subarray(start, start + chunkSize)
	}
	return chunks
}

const jsonOf = (row: Row): string => (row.b0 === undefined ? textIn(row, 'j') : unpacked(row, 'b'))

/** A scan may unpack a gigabyte. Memory that is used again needs no collection of garbage. A row has at most 1 MiB. */
const packed = Buffer.alloc(2 ** 20)

function unpacked(row: Row, prefix: string): string {
	let length = 0
	for (let index = 0; typeof row[`${prefix}${index}`] === 'string'; index++) {
		length += packed.write(textIn(row, `${prefix}${index}`), length, 'base64')
	}
	const options = { maxOutputLength: maxUnpackedBytes, chunkSize: maxJsonBytes }
	return textOf(inflateRawSync(packed.subarray(0, length), options))
}

/**
 * The value of a JSON text that was stored.
 *
 * @throws Fault if it is not JSON; the message of the parser would quote it
 */
export function parseStored(json: string) {
	try {
		return JSON.parse(json)
	} catch (error) {
		if (!(error instanceof SyntaxError)) throw error
		throw new Fault('a stored text is not JSON', { cause: error })
	}
}

function textIn(row: Row, property: string): string {
	const value = row[property]
	return typeof value === 'string' ? value : missing(row, property)
}
