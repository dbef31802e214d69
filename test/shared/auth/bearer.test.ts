import { describe, expect, test } from 'vitest'
import { parseBearer } from '../../../shared/auth/bearer.ts'

describe('an Authorization header', () => {
	test.each([
		['Bearer abc', 'abc'],
		['bearer abc', 'abc'],
		['BEARER   abc', 'abc'],
		['Bearer aZ09-._~+/==', 'aZ09-._~+/=='],
		[`Bearer ${'x'.repeat(20_000)}`, 'x'.repeat(20_000)],
	])('%.40s is read as a token', (header, token) => {
		expect(parseBearer(header)).toBe(token)
	})

	test.each([null, '', 'Basic dXNlcjpwYXNz', 'abc', 'Bearerabc', 'Bearer\tabc', 'Token abc', ' Bearer abc'])(
		'%j has no bearer token, which is a challenge without an error code',
		(header) => {
			expect(() => parseBearer(header)).toThrow(
				expect.objectContaining({
					status: 401,
					scimType: undefined,
					message: 'the request has no bearer token: send "Authorization: Bearer", a space and the token',
					headers: { 'WWW-Authenticate': 'Bearer realm="scim"' },
				}),
			)
		},
	)

	test.each([
		'Bearer',
		'Bearer ',
		'Bearer a b',
		'Bearer a,b',
		'Bearer "abc"',
		'Bearer a=b',
		'Bearer =',
		'Bearer é',
		'Bearer a ',
	])('%j has a malformed token, which counts as invalid', (header) => {
		expect(() => parseBearer(header)).toThrow(
			expect.objectContaining({
				status: 401,
				scimType: undefined,
				message:
					'the text after "Bearer" in the Authorization header is not a token: a token has only letters, digits and - . _ ~ + /',
				headers: { 'WWW-Authenticate': 'Bearer realm="scim", error="invalid_token"' },
			}),
		)
	})
})
