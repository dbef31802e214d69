import { createHash } from 'node:crypto'

// Values as parts of row keys.

const limit = 200
const kept = 150

/**
 * Writes any text as a part of a key: in printable ASCII without the characters that a key or a URL cannot hold. Texts
 * and their encodings have the same order, that of UTF-16 code units, as `<` has it.
 *
 * A character that must not stand in a key is written as a character that sorts just before it, `~`, and its code. At the
 * ends of the alphabet it is `!` or `{` and the code: `a/b c` is `a.~2fb!20c`. Of an encoding longer than 200 characters the
 * first 150 stay, followed by `=` and a digest.
 */
export function encode(text: string): string {
	// A character takes one or more: of a long text, only the beginning is needed.
	const encoded = text.slice(0, limit + 1).replace(/[^-.0-9@A-Z_a-z]/g, escaped)
	if (encoded.length <= limit) return encoded
	return `${copyOf(encoded.slice(0, kept))}=${digestOf(text)}`
}

/** Whether a text is ASCII alone. */
export const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text)

/**
 * The encoding of a folded text. Of a long text, neither the folded text nor its bytes are in memory as a whole.
 *
 * @param text in ASCII alone
 */
export function encodeFoldedAscii(text: string): string {
	const encoded = encode(text.slice(0, limit + 1).toLowerCase())
	if (text.length <= limit) return encoded
	return `${encoded.slice(0, kept + 1)}${foldedDigestOf(text)}`
}

/** Memory that is used again: a sort makes the keys of thousands of long texts. */
const part = Buffer.alloc(2 ** 14)

/** The code of each ASCII character in lower case. A look-up takes a quarter of the time of comparisons. */
const lower = Buffer.from(
	Array.from({ length: 0x80 }, (_, code) => (code >= 0x41 && code <= 0x5a ? code + 0x20 : code)),
)

function foldedDigestOf(ascii: string): string {
	const hash = createHash('sha256')
	for (let start = 0; start < ascii.length; start += part.length) {
		const length = part.write(ascii.slice(start, start + part.length), 'latin1')
		for (let index = 0; index < length; index++) part[index] = lower[part[index] ?? 0] ?? 0
		hash.update(part.subarray(0, length))
	}
	return hash.digest('base64url')
}

/** Characters that are written as bytes at a time. All bytes of a long text would take as much memory as the text. */
const partLength = 2 ** 14

function digestOf(text: string): string {
	const hash = createHash('sha256')
	for (let start = 0; start < text.length; ) {
		const end = start + partLength
		// Half of a surrogate pair has no bytes of its own.
		const next = /[\ud800-\udbff]/.test(text.charAt(end - 1)) ? end + 1 : end
		hash.update(text.slice(start, next))
		start = next
	}
	return hash.digest('base64url')
}

/** A slice of a string keeps all of the string in memory. A copy does not. */
const copyOf = (ascii: string): string => Buffer.from(ascii, 'latin1').toString('latin1')

/** Whether an encoding is cut, and ends with a digest. */
export const isCut = (encoded: string): boolean => encoded.includes('=')

/** Whether the encodings of all texts that begin with a text begin with this encoding of it. */
export const isPrefixKept = (encoded: string): boolean => encoded.length <= kept

function escaped(character: string): string {
	const code = character.charCodeAt(0)
	if (code < 0x2d) return `!${hex(code, 2)}`
	if (code > 0x7a) return `{${hex(code, 4)}`
	const before = code === 0x2f ? '.' : code < 0x40 ? '9' : code < 0x5f ? 'Z' : '_'
	return `${before}~${hex(code, 2)}`
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0')
