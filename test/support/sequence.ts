import { type IdGenerator, idGenerator } from '../../shared/scim/id.ts'

/** A generator of ids that are all different. Every run gets the same ids. */
export function sequenceOfIds(): IdGenerator {
	let count = 0
	let time = Date.UTC(2026, 0, 1)
	return idGenerator(
		() => time++,
		(digits) => (count++).toString(16).padStart(digits, '0'),
	)
}
