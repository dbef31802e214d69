import { expect, test } from 'vitest'
import { publicLocation, withPublicLocations } from '../../../functions/relay/locations.ts'

const bases = { from: '/scim', to: 'https://rollcall.test/scim/demo' }

test.each([
	['https://localhost:11015/scim/Users/1', 'https://rollcall.test/scim/demo/Users/1'],
	['http://[::1]:80/scim/Groups/1?x=y', 'https://rollcall.test/scim/demo/Groups/1?x=y'],
	['/scim/Users/1', 'https://rollcall.test/scim/demo/Users/1'],
	['https://localhost:11015/scimx/Users/1', 'https://localhost:11015/scimx/Users/1'],
	['https://photos.test/1', 'https://photos.test/1'],
	['../Users/1', '../Users/1'],
	['urn:x', 'urn:x'],
])('%s becomes %s', (location, expected) => {
	expect(publicLocation(location, bases)).toBe(expected)
})

test('only the values of $ref and location change', () => {
	const json =
		'{ "n": 1.0,"big":12345678901234567890, "$ref" : "https:\\/\\/a\\/scim\\/Users\\/1", "note": "\\"location\\": \\"/scim/Users/1\\"", "title": "location", "url": "/scim/Users/1", "meta":{"location":"/scim/Users/1"} }'
	expect(withPublicLocations(json, bases)).toBe(
		'{ "n": 1.0,"big":12345678901234567890, "$ref" : "https://rollcall.test/scim/demo/Users/1", "note": "\\"location\\": \\"/scim/Users/1\\"", "title": "location", "url": "/scim/Users/1", "meta":{"location":"https://rollcall.test/scim/demo/Users/1"} }',
	)
})

test.each([
	['complete', '"}'],
	['cut off', ''],
])('a location of eight million characters stays unchanged (%s)', (_, end) => {
	const json = `{"location":"https://a${'/scim'.repeat(1_600_000)}${end}`
	expect(withPublicLocations(json, bases) === json).toBe(true)
})
