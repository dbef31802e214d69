import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readKeySet } from '../../../shared/auth/key-set.ts'
import { trust } from '../../support/entra.ts'

/** A public key. `jose` itself makes none that is too short. */
const jwkOf = async (bits: number, more: object = {}) => {
	const { publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: bits })
	return { ...publicKey.export({ format: 'jwk' }), kid: 'k', use: 'sig', ...more }
}

const read = async (body: unknown, init: ResponseInit = {}) => [
	...(
		await readKeySet(trust, async () => new Response(typeof body === 'string' ? body : JSON.stringify(body), init))
	).keys(),
]

describe('the keys of Entra', () => {
	test('are asked for at the address that is made of cloud and Entra tenant, without redirects, for five seconds', async () => {
		const asked: [string, RequestInit | undefined][] = []
		const get: typeof fetch = async (address, init) => {
			asked.push([String(address), init])
			return Response.json({ keys: [] })
		}
		await readKeySet(trust, get)
		await readKeySet({ ...trust, cloud: 'login.microsoftonline.us' }, get)
		expect(asked.map(([address]) => address)).toEqual([
			`https://login.microsoftonline.com/${trust.tenant}/discovery/v2.0/keys`,
			`https://login.microsoftonline.us/${trust.tenant}/discovery/v2.0/keys`,
		])
		expect(asked[0]?.[1]).toEqual({ redirect: 'error', signal: expect.any(AbortSignal) })
	})

	test('are RSA keys with 2,048 bits for signatures, of any tenant or of ours', async () => {
		const good = await jwkOf(2048)
		expect(await read({ keys: [good] })).toEqual(['k'])
		expect(await read({ keys: [{ ...good, issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0' }] })).toEqual([
			'k',
		])
		expect(
			await read({ keys: [{ ...good, issuer: `https://login.microsoftonline.com/${trust.tenant}/v2.0` }] }),
		).toEqual(['k'])
		const bad = [
			await jwkOf(1024),
			await jwkOf(2040),
			{ ...good, use: 'enc' },
			{ ...good, alg: 'RS512' },
			{ ...good, kid: undefined },
			{ ...good, kid: '' },
			{ ...good, n: undefined },
			{ ...good, kty: 'EC' },
			{ ...good, issuer: 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0' },
			{ kty: 'oct', kid: 'k', k: 'AAAA' },
			'a text',
			null,
		]
		for (const key of bad) expect(await read({ keys: [key] })).toEqual([])
		expect(await read({ keys: [...bad, good] })).toEqual(['k'])
	})

	test.each<[string, unknown, ResponseInit]>([
		['an error', { keys: [] }, { status: 500 }],
		['another status', { keys: [] }, { status: 203 }],
		['no JSON', '<html>', {}],
		['no keys', {}, {}],
		['more than 256 KiB', { keys: [], more: 'x'.repeat(256 * 1024) }, {}],
	])('that are answered with %s are not known', async (_, body, init) => {
		await expect(read(body, init)).rejects.toThrow()
	})
})
