import { expect, test } from 'vitest'
import { textOf } from '../../../../shared/storage/table/text-of.ts'

const canGiveBack = 'transfer' in ArrayBuffer.prototype

test('the memory of large buffers is given back at once', () => {
	const pieces = [Buffer.alloc(2 ** 16, 'a'), Buffer.alloc(2 ** 16, 'b')]
	expect(textOf(pieces)).toBe('a'.repeat(2 ** 16) + 'b'.repeat(2 ** 16))
	expect(pieces.map(({ buffer }) => buffer.byteLength)).toEqual(canGiveBack ? [0, 0] : [2 ** 16, 2 ** 16])
})

test('one large buffer, and two parts of one, are given back once', () => {
	const whole = Buffer.alloc(2 ** 18, 'c')
	expect(textOf([whole]).length).toBe(2 ** 18)
	const halved = Buffer.alloc(2 ** 18, 'd')
	expect(textOf([halved.subarray(0, 5), halved.subarray(5)]).length).toBe(2 ** 18)
	expect([whole, halved].map(({ buffer }) => buffer.byteLength)).toEqual(canGiveBack ? [0, 0] : [2 ** 18, 2 ** 18])
})

test('small buffers, which share their memory, stay as they are', () => {
	const [one, other] = [Buffer.from('one'), Buffer.from('other')]
	expect(textOf([one])).toBe('one')
	expect(other.toString()).toBe('other')
	expect(one.toString()).toBe('one')
})

test('a character that two pieces share is read whole', () => {
	const bytes = Buffer.from('a€b')
	expect(textOf([bytes.subarray(0, 2), bytes.subarray(2)])).toBe('a€b')
})
