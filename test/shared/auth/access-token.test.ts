import { SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { type Grant, mintAccessToken, readAccessToken, signingKeyOf } from '../../../shared/auth/access-token.ts'

const tenant = { name: 'acme', cursorKey: 'the-cursor-key' }
const grant: Grant = { client: 'entra', scope: 'scim', secret: 'one' }
const now = Date.UTC(2026, 0, 1)
const minute = 60_000

const keyOf = (id: string, dates: { created?: number; notBefore?: number; expires?: number } = {}, of = tenant) =>
	signingKeyOf(of, { id, value: `value of ${id}`, created: now, ...dates })

const mint = async (keys: Awaited<ReturnType<typeof keyOf>>[], time = now) =>
	(await mintAccessToken(grant, { tenant, keys, now: time, lifetime: 7200 })) ?? ''

describe('an access token', () => {
	test('says what was granted, to a process that has the key', async () => {
		const token = await mint([await keyOf('k1')])
		expect(await readAccessToken(token, { tenant, keys: [await keyOf('k1')], now })).toMatchObject(grant)
	})

	test.each([
		['the name', { ...tenant, name: 'globex' }],
		['the key in the row', { ...tenant, cursorKey: 'another' }],
	])('is refused if %s of the tenant is another, with the same secret in the vault', async (_, other) => {
		const token = await mint([await keyOf('k1')])
		expect(await readAccessToken(token, { tenant: other, keys: [await keyOf('k1', {}, other)], now })).toBeUndefined()
	})

	test('is refused if anything in it is changed', async () => {
		const keys = [await keyOf('k1')]
		const [header = '', payload = '', signature = ''] = (await mint(keys)).split('.')
		const changed = Buffer.from(
			Buffer.from(payload, 'base64url').toString().replace('"scope":"scim"', '"scope":"scim.read"'),
		).toString('base64url')
		const none = new UnsecuredJWT({ client_id: 'entra', scope: 'scim' }).setExpirationTime('2h').encode()
		for (const token of [
			`${header}.${changed}.${signature}`,
			`${header}.${payload}.`,
			`${header}.${payload}.${signature.slice(0, -4)}AAAA`,
			none,
			`${header}.${payload}`,
		]) {
			expect([undefined, 'unknownKey']).toContain(await readAccessToken(token, { tenant, keys, now }))
		}
	})

	test('is refused if it lacks a claim, or has another type, issuer or algorithm', async () => {
		const key = await keyOf('k1')
		const made = async ({ typ = 'at+jwt', alg = 'HS256', iss = 'rollcall', hasEnd = true, claims = {} }) => {
			const jwt = new SignJWT({ client_id: 'entra', scope: 'scim', ...claims })
				.setProtectedHeader({ alg, typ, kid: 'k1' })
				.setIssuer(iss)
				.setAudience('acme')
				.setIssuedAt(new Date(now))
			if (hasEnd) jwt.setExpirationTime(new Date(now + 2 * 3_600_000))
			const signer = alg === 'HS256' ? key.key : new Uint8Array(64)
			return readAccessToken(await jwt.sign(signer), { tenant, keys: [key], now })
		}
		expect(await made({})).toMatchObject({ client: 'entra', scope: 'scim' })
		expect(await made({ typ: 'JWT' })).toBeUndefined()
		expect(await made({ iss: 'https://elsewhere.example' })).toBeUndefined()
		expect(await made({ alg: 'HS512' })).toBeUndefined()
		expect(await made({ hasEnd: false })).toBeUndefined()
		expect(await made({ claims: { scope: 'everything' } })).toBeUndefined()
		expect(await made({ claims: { client_id: 7 } })).toBeUndefined()
	})

	test('ends at its time to the second', async () => {
		const keys = [await keyOf('k1')]
		const token = await mint(keys)
		expect(await readAccessToken(token, { tenant, keys, now: now + 7_200_000 - 1000 })).toMatchObject(grant)
		expect(await readAccessToken(token, { tenant, keys, now: now + 7_200_000 })).toBeUndefined()
	})
})

describe('a rotation of the key', () => {
	test('signs with the new key only from its time on, and verifies with both', async () => {
		const old = await keyOf('old', { created: now - 1000, expires: now + 400 * minute })
		const next = await keyOf('new', { notBefore: now + 15 * minute })
		const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
		const before = await mint([old, next], now + 15 * minute - 1)
		const after = await mint([old, next], now + 15 * minute)
		expect([kidOf(before), kidOf(after)]).toEqual(['old', 'new'])
		for (const token of [before, after])
			expect(await readAccessToken(token, { tenant, keys: [next, old], now: now + 16 * minute })).toMatchObject(grant)
		// An instance whose clock is behind still takes the new key for one that is not yet valid.
		expect(await readAccessToken(after, { tenant, keys: [next, old], now: now + 14 * minute })).toMatchObject(grant)
		expect(await readAccessToken(before, { tenant, keys: [next], now: now + 16 * minute })).toBe('unknownKey')
		expect(await mintAccessToken(grant, { tenant, keys: [], now, lifetime: 7200 })).toBeUndefined()
	})

	test('ends the old key at its time', async () => {
		const old = await keyOf('old', { expires: now + minute })
		const token = await mint([old])
		expect(await readAccessToken(token, { tenant, keys: [old], now: now + minute - 1 })).toMatchObject(grant)
		expect(await readAccessToken(token, { tenant, keys: [old], now: now + minute })).toBe('unknownKey')
	})
})
