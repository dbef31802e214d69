import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { textOf } from '../../../../shared/storage/table/text-of.ts'

const canGiveBack = 'transfer' in ArrayBuffer.prototype
const left = (bytes: number): number => (canGiveBack ? 0 : bytes)

test('the memory of a large buffer is given back at once, and that of its pieces is not', () => {
	const pieces = [Buffer.alloc(2 ** 17, 'a'), Buffer.alloc(2 ** 17, 'b')]
	const whole = Buffer.concat(pieces)
	expect(textOf(whole)).toBe('a'.repeat(2 ** 17) + 'b'.repeat(2 ** 17))
	expect([whole, ...pieces].map(({ buffer }) => buffer.byteLength)).toEqual([left(2 ** 18), 2 ** 17, 2 ** 17])
})

test('so is that of an unpacked text', () => {
	const unpacked = inflateRawSync(deflateRawSync('€'.repeat(2 ** 16)), { chunkSize: 2 ** 20 })
	expect(textOf(unpacked)).toBe('€'.repeat(2 ** 16))
	expect(unpacked.buffer.byteLength).toBe(left(2 ** 20))
})

test('small buffers, which share their memory, stay as they are', () => {
	const [one, other] = [Buffer.from('one'), Buffer.from('other')]
	expect(textOf(one)).toBe('one')
	expect(other.toString()).toBe('other')
	expect(one.toString()).toBe('one')
})
