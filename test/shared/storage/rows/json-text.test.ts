import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { userRow } from '../../../../shared/storage/rows/schema.ts'

const mebibyte = 2 ** 20

/** The row of a user whose JSON is a text of so many bytes, as it is stored. */
function rowWith(bytes: number) {
	const packed = deflateRawSync(Buffer.alloc(bytes, 'x'))
	const chunks = [packed.subarray(0, 65_536), packed.subarray(65_536)]
	return { RowKey: 'u|1', ...Object.fromEntries(chunks.map((chunk, index) => [`b${index}`, chunk.toString('base64')])) }
}

test('a stored text unpacks to 64 MiB, and a row with more is refused before it is in memory', () => {
	expect(userRow.attributes.of(rowWith(64 * mebibyte))).toHaveLength(64 * mebibyte)
	expect(() => userRow.attributes.of(rowWith(64 * mebibyte + 1))).toThrow(
		expect.objectContaining({ code: 'ERR_BUFFER_TOO_LARGE' }),
	)
})
