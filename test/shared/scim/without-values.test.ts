import { expect, test } from 'vitest'
import { withoutValues } from '../../../shared/scim/without-values.ts'

test.each([
	['userName "joy" is already taken', 'userName "…" is already taken'],
	['userName "joy" is already taken by the User with the id "a1"', 'userName "…" is already taken'],
	['there is no endpoint /scim/demo/joy', 'there is no endpoint …'],
	['filter, character 13: expected a value, found joy', 'filter, character 13: expected a value, found …'],
	['filter, character 13: expected a value, found the end', 'filter, character 13: expected a value, found the end'],
	[
		'filter: title is a string and cannot be compared by gt with 5',
		'filter: title is a string and cannot be compared by gt with …',
	],
	['Operations[0].path: emails[value eq 7] must', 'Operations[0].path: emails[…] must'],
	['active must be a boolean, not the number 5', 'active must be a boolean, not the number …'],
	['no POST of this request has the bulkId:joy', 'no POST of this request has the bulkId:…'],
	['the resource takes 1234567 bytes; the limit is 1000', 'the resource takes 1234567 bytes; the limit is 1000'],
])('%s is logged as %s', (detail, logged) => expect(withoutValues(detail)).toBe(logged))
