import { expect, test } from 'vitest'
import { withoutSignature } from '../../release/portable-executable.ts'

const header = 0x80 + 24

/** The start of a 64-bit executable of Windows, with what is given as its signature. */
function executable(signature: Buffer): Buffer {
	const file = Buffer.alloc(0x400, 0xee)
	file.writeUInt32LE(0x80, 0x3c)
	file.write('PE\0\0', 0x80, 'latin1')
	file.writeUInt16LE(0x20b, header)
	file.writeUInt32LE(0x1234, header + 64)
	file.writeUInt32LE(signature.length === 0 ? 0 : file.length, header + 144)
	file.writeUInt32LE(signature.length, header + 148)
	return Buffer.concat([file, signature])
}

test.each([
	['a signature', Buffer.from('signed')],
	['no signature', Buffer.alloc(0)],
])('with %s, the executable loses signature and checksum, and nothing else', (_, signature) => {
	const signed = executable(signature)
	const expected = executable(Buffer.alloc(0))
	expected.fill(0, header + 64, header + 68)
	expect(withoutSignature(signed).equals(expected)).toBe(true)
	expect(signed.equals(executable(signature))).toBe(true)
})

test.each([
	['another format', (file: Buffer) => file.write('NE', 0x80), 'the file is not an executable of Windows'],
	['32 bits', (file: Buffer) => file.writeUInt16LE(0x10b, header), 'the executable of Windows has no 64 bits'],
	[
		'data after the signature',
		(file: Buffer) => file.writeUInt32LE(1, header + 148),
		'something follows the signature of the executable',
	],
])('%s is refused', (_, change, message) => {
	const file = executable(Buffer.from('signed'))
	change(file)
	expect(() => withoutSignature(file)).toThrow(message)
})
