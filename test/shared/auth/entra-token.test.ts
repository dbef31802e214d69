import { beforeAll, describe, expect, test } from 'vitest'
import type { Trust } from '../../../shared/auth/client.ts'
import { verifyEntraToken } from '../../../shared/auth/entra-token.ts'
import { type KeySet, readKeySet } from '../../../shared/auth/key-set.ts'
import { type Entra, openEntra, trust } from '../../support/entra.ts'
import { refusedTokens } from '../../support/refused-tokens.ts'

const now = Date.UTC(2026, 0, 1)
const seconds = now / 1000
let entra: Entra
let keys: KeySet
beforeAll(async () => {
	entra = await openEntra(() => now)
	keys = await readKeySet(trust, entra.fetch)
})

const verify = (token: string, trusted: Trust = trust) =>
	verifyEntraToken(token, { trust: trusted, findKey: async (_, id) => keys.get(id), now })

describe('a token of Entra', () => {
	test('is accepted in every form that Entra gives it', async () => {
		const v1 = { iss: `https://sts.windows.net/${trust.tenant}/`, ver: '1.0' }
		const accepted = [
			[{}, trust],
			[{ aud: `api://${trust.audience}` }, trust],
			[{ azp: undefined, appid: '44444444-4444-4444-8444-444444444444' }, trust],
			[{ idtyp: 'app' }, trust],
			[{ oid: undefined, ver: undefined }, trust],
			[{ nbf: undefined }, trust],
			[{ iat: seconds - 4000, nbf: seconds - 4000, exp: seconds - 119 }, trust],
			[{ nbf: seconds + 119, iat: seconds + 119 }, trust],
			[{ exp: seconds + 24 * 3600 }, trust],
			[{ roles: ['x'] }, trust],
			[v1, { ...trust, acceptsV1: true }],
			[{}, { ...trust, acceptsV1: true }],
			[{}, { ...trust, application: '44444444-4444-4444-8444-444444444444' }],
		] as const
		for (const [claims, trusted] of accepted)
			expect([claims, await verify(await entra.token({ claims }), trusted)]).toEqual([claims, undefined])
		// What names a key elsewhere is not looked at.
		const header = { jku: 'https://evil.example', x5u: 'https://evil.example', jwk: {}, x5c: [] }
		expect(await verify(await entra.token({ header }))).toBeUndefined()
		expect(await verify(await entra.token({ header: { typ: undefined } }))).toBeUndefined()
	})

	test.each(refusedTokens)('that %s is refused: %s', async (_, reason, make) => {
		expect((await verify(await make(entra, now)))?.reason).toBe(reason)
	})

	test.each([
		['of another cloud', { cloud: 'login.microsoftonline.us' }, 'issuer'],
		['of another Entra tenant', { tenant: '99999999-9999-4999-8999-999999999999' }, 'issuer'],
		['of another workload', { subject: '99999999-9999-4999-8999-999999999999' }, 'subject'],
		['for another application', { audience: '99999999-9999-4999-8999-999999999999' }, 'audience'],
		['asked for by another application', { application: '99999999-9999-4999-8999-999999999999' }, 'application'],
	] as const)('%s than trusted is refused', async (_, trusted, reason) => {
		expect((await verify(await entra.token(), { ...trust, ...trusted }))?.reason).toBe(reason)
	})

	test('is refused with what was expected and received, and with no more of it', async () => {
		const claims = { aud: 'urn:x y<script>', upn: 'joy@example.com' }
		expect(await verify(await entra.token({ claims }))).toEqual({
			reason: 'audience',
			expected: `${trust.audience} or api://${trust.audience}`,
			received: 'urn:x?y?script?',
		})
	})
})

test('at least 60 tokens are refused', () => {
	expect(refusedTokens.length).toBeGreaterThanOrEqual(60)
})
