/**
 * Unicode's normal form C. To bring marks into their order takes time by the square of their number: 10 seconds for 128,000
 * marks behind one letter. So a joiner comes behind each 30 of them, as in the Stream-Safe Text Process of UAX #15 section
 * 13. No language needs as many.
 */
export const normalForm = (text: string): string => (joinable.test(text) ? withJoiners(text).normalize('NFC') : text)

/** The same, in steps. */
export function* normalFormInSteps(text: string): Generator<undefined, string> {
	if (!joinable.test(text)) return text
	const joined = withJoiners(text)
	yield
	return joined.normalize('NFC')
}

const withJoiners = (text: string): string => text.replace(manyMarks, `$&${joiner}`)

/** Characters before it are in the normal form, and join with no character before them. */
const joinable = /[^\0-\u02ff]/

/** U+034F COMBINING GRAPHEME JOINER. */
const joiner = '\u034f'
const manyMarks = /(?:(?!\u034f)\p{M}){30}(?=(?!\u034f)\p{M})/gu
