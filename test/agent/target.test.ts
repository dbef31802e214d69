import fc from 'fast-check'
import { expect, test } from 'vitest'
import { originTarget } from '../../agent/target.ts'

const base = { entity: 'demo', basePath: '/api/scim' }

test.each([
	['/demo/scim', '/api/scim'],
	['/demo/scim?count=1', '/api/scim?count=1'],
	['/demo/scim/Users', '/api/scim/Users'],
	['/demo/scim/Users/', '/api/scim/Users/'],
	[
		'/demo/scim/Users?filter=userName%20eq%20%22a%26b%22&startIndex=1',
		'/api/scim/Users?filter=userName%20eq%20%22a%26b%22&startIndex=1',
	],
	[
		'/demo/scim/Schemas/urn:ietf:params:scim:schemas:core:2.0:User',
		'/api/scim/Schemas/urn:ietf:params:scim:schemas:core:2.0:User',
	],
	['/demo/scim/Users/100%25', '/api/scim/Users/100%25'],
	['/demo/scim/Users/a..b', '/api/scim/Users/a..b'],
	['/demo/scim/.search', '/api/scim/.search'],
	['/demo/scim/Users?a=../../x', '/api/scim/Users?a=../../x'],
	['/demo/scim/Users/%C3%B8', '/api/scim/Users/%C3%B8'],
	['/demo/scim/Users/a.%20b.', '/api/scim/Users/a.%20b.'],
	['/demo/scim/Users/.a', '/api/scim/Users/.a'],
	['/demo/scim/Users/%EF%BC%85', '/api/scim/Users/%EF%BC%85'],
])('%s becomes %s', (target, expected) => {
	expect(originTarget(target, base)).toBe(expected)
})

test.each([
	'',
	'/',
	'/demo',
	'/demo/admin',
	'/demo/scimx',
	'/other/scim/Users',
	'/demo/http://evil/x',
	'http://evil/demo/scim/Users',
	'//evil/demo/scim',
	'/demo/scim//evil/x',
	'/demo/scim/../admin',
	'/demo/scim/..',
	'/demo/scim/./x',
	'/demo/scim/%2e%2e/admin',
	'/demo/scim/%2E./admin',
	'/demo/scim/%252e%252e/admin',
	'/demo/scim/%25252e%25252e/admin',
	'/demo/scim/..;/admin',
	'/demo/scim/..;x=1/admin',
	'/demo/scim/%2e%2e;/admin',
	'/demo/scim/a%2fb',
	'/demo/scim/a%252fb',
	'/demo/scim/a%5cb',
	'/demo/scim/a\\..\\b',
	'/demo/scim/a%00',
	'/demo/scim/a%0d%0aX:%20y',
	'/demo/scim/a\r\nX: y',
	'/demo/scim/a b',
	'/demo/scim/a#b',
	'/demo/scim/a%',
	'/demo/scim/a%zz',
	'/demo/scim/ø',
	'/demo/scim?a=\n',
	'/demo/scim?a=b#c',
	'/demo/scim@evil/x',
	'/demo/scim/Users?a\\b',
	'/DEMO/scim/Users',
	'/demo/scim/..%20/admin',
	'/demo/scim/%20',
	'/demo/scim/.../admin',
	'/demo/scim/..%2e',
	'/demo/scim/%EF%BC%8E%EF%BC%8E/admin',
	'/demo/scim/%E2%80%A5/admin',
	'/demo/scim/..%C2%A0',
	'/demo/scim/..::$INDEX_ALLOCATION/admin',
	'/demo/scim/a%EF%BC%8Fb',
	'/demo/scim/a%EF%BC%BCb',
	'/demo/scim/a%E2%88%95b',
	'/demo/scim/%EF%BC%852e%EF%BC%852e/admin',
])('%j is refused', (target) => {
	expect(originTarget(target, base)).toBeUndefined()
})

test('every accepted target stays below the base path, however often it is decoded', () => {
	const piece = fc.oneof(
		fc.constantFrom(
			'/',
			'.',
			'..',
			'%2e',
			'%252e',
			'%2f',
			'%5c',
			'\\',
			';',
			'//',
			'%',
			'?',
			'#',
			'\r\n',
			'%00',
			'@',
			':',
			'http:',
		),
		fc.string({ maxLength: 4 }),
	)
	fc.assert(
		fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
			const target = originTarget(`/demo/scim${pieces.join('')}`, base)
			if (target === undefined) return
			const url = new URL(target, 'https://origin.test')
			expect(url.host).toBe('origin.test')
			for (let path = url.pathname, round = 0; round < 4; round++) {
				expect(new URL(path, 'https://origin.test').pathname).toMatch(/^\/api\/scim(\/|$)/)
				try {
					path = decodeURIComponent(path)
				} catch (error) {
					expect(error).toBeInstanceOf(URIError)
					break
				}
			}
		}),
		{ numRuns: 20_000 },
	)
})
