import { expect, test } from 'vitest'
import { ScimError } from '../../../../shared/scim/error.ts'
import { refusedAt } from '../../../../shared/scim/patch/place.ts'

const refusal = (message: string) =>
	new ScimError(400, message, { scimType: 'invalidValue', headers: { 'Retry-After': '1' } })

test('a refusal gets the place in front, and keeps its status, scimType and headers', () => {
	const { status, scimType, headers, message } = refusedAt(
		'Operations[3]',
		refusal('title must be a string'),
	) as ScimError
	expect({ status, scimType, headers, message }).toEqual({
		...{ status: 400, scimType: 'invalidValue', headers: { 'Retry-After': '1' } },
		message: 'Operations[3]: title must be a string',
	})
})

test.each([refusal('Operations[3].value must be an object'), new Error('a fault of ours')])(
	'%s stays as it is',
	(error) => {
		expect(refusedAt('Operations[3]', error)).toBe(error)
	},
)
