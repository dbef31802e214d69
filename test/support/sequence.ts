import { type IdGenerator, idGenerator } from '../../shared/scim/id.ts'

/** Generates unique ids that are the same in every run. */
export function sequenceOfIds(): IdGenerator {
	let count = 0
	let time = Date.UTC(2026, 0, 1)
	return idGenerator(
		() => time++,
		(digits) => (count++).toString(16).padStart(digits, '0'),
	)
}
