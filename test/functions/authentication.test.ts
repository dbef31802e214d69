import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import type { RequestEvent } from '../../functions/respond.ts'
import { storedDigestOf } from '../../shared/auth/tokens.ts'
import { type Host, type ScimAnswer, useHost } from '../support/host.ts'
import { type KeyVault, useKeyVault } from '../support/key-vault.ts'

const useVault = useKeyVault()
let vault: KeyVault
beforeAll(() => {
	vault = useVault()
})
const logged: RequestEvent[] = []
const host = useHost({ vault: () => vault, log: (event) => logged.push(event) })

const errorOf = (detail: string) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
	status: '401',
	detail,
})
const missing = {
	challenge: 'Bearer realm="scim"',
	body: errorOf('the request has no bearer token: send "Authorization: Bearer", a space and the token'),
}
const malformed = {
	challenge: 'Bearer realm="scim", error="invalid_token"',
	body: errorOf(
		'the text after "Bearer" in the Authorization header is not a token: a token has only letters, digits and - . _ ~ + /',
	),
}
const wrong = {
	challenge: 'Bearer realm="scim", error="invalid_token"',
	body: errorOf('the token is not one of this tenant'),
}

const asked = ({ status, headers, body }: ScimAnswer) => ({ status, challenge: headers.get('www-authenticate'), body })

/** Sends a request with this Authorization header. */
const by = async (tenant: Host, authorization: string, path = '/Users') =>
	asked(await tenant.request('GET', path, { headers: { authorization } }))

/** An answer without its date. */
const withoutIdAndDate = ({ status, headers, body }: ScimAnswer) => ({
	status,
	body,
	headers: Object.fromEntries([...headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')),
})

describe('a token that is stored as a digest', () => {
	it('is accepted, and the stored text is a 401', async () => {
		const tenant = await host()
		const token = randomBytes(32).toString('base64url')
		const stored = storedDigestOf(token)
		vault.add(`scim-token-${new URL(tenant.baseUrl).pathname.split('/').at(-1)}`, { value: stored, created: 1 })
		expect((await by(tenant, `Bearer ${token}`)).status).toBe(200)
		expect((await by(tenant, `Bearer ${tenant.token}`)).status).toBe(200)
		expect(await by(tenant, `Bearer ${stored}`)).toMatchObject({ status: 401, ...malformed })
		expect(await by(tenant, `Bearer ${stored.slice('sha256:'.length)}`)).toMatchObject({ status: 401, ...wrong })
	})
})

describe('the Authorization header', () => {
	it.each<[string, (token: string) => string, typeof missing]>([
		['that is empty', () => '', missing],
		['of the scheme alone', () => 'Bearer', malformed],
		['of the token alone', (token) => token, missing],
		['of another scheme', () => `Basic ${Buffer.from('scim:secret').toString('base64')}`, missing],
		['of a scheme that begins with the same letters', (token) => `Bearers ${token}`, missing],
		['of a token in quotes', (token) => `Bearer "${token}"`, malformed],
		['of a token behind a tab', (token) => `Bearer\t${token}`, missing],
		['of two tokens', (token) => `Bearer ${token} ${token}`, malformed],
		['of a token and more', (token) => `Bearer ${token}, Basic x`, malformed],
		['of the beginning of the token', (token) => `Bearer ${token.slice(0, -1)}`, wrong],
		['of more than the token', (token) => `Bearer ${token}x`, wrong],
		['of the token in capitals', (token) => `Bearer ${token.toUpperCase()}`, wrong],
		['of a huge token', () => `Bearer ${'x'.repeat(20_000)}`, wrong],
	])('%s is a 401 with a challenge', async (_, header, expected) => {
		const tenant = await host()
		expect(await by(tenant, header(tenant.token))).toEqual({ status: 401, ...expected })
	})

	it('that is missing is a 401 with a challenge', async () => {
		const { baseUrl } = await host()
		const response = await fetch(`${baseUrl}/Users`)
		expect(response.headers.get('content-type')).toBe('application/scim+json; charset=utf-8')
		const { status, headers } = response
		expect(asked({ status, headers, body: await response.json() })).toEqual({ status: 401, ...missing })
	})

	it.each(['Bearer', 'bearer', 'BEARER', 'Bearer  '])('has its scheme as %s', async (scheme) => {
		const tenant = await host()
		expect((await by(tenant, `${scheme} ${tenant.token}`)).status).toBe(200)
	})
})

describe('a token', () => {
	it('is valid only for its tenant', async () => {
		const [mine, theirs] = [await host(), await host()]
		expect(await by(theirs, `Bearer ${mine.token}`)).toEqual({ status: 401, ...wrong })
		expect((await by(mine, `Bearer ${mine.token}`)).status).toBe(200)
	})

	it('that is wrong has the same answer as an unknown tenant, for every request', async () => {
		const [stored, relayed] = [await host(), await host({ mode: 'relay' })]
		const nobody = stored.baseUrl.replace(/tenant-\d+$/, 'no-such-tenant')
		for (const [method, path] of [
			['GET', '/Users'],
			['DELETE', '/Users/x'],
			['GET', '/Nope'],
			['PROPFIND', '/Users'],
			['HEAD', '/Users'],
		] as const) {
			const headers = { authorization: 'Bearer wrong' }
			const ofStored = withoutIdAndDate(await stored.request(method, path, { headers }))
			const ofRelayed = withoutIdAndDate(await relayed.request(method, path, { headers }))
			const ofNobody = withoutIdAndDate(
				await stored.request(method, nobody.slice(stored.baseUrl.length) + path, { headers }),
			)
			expect(ofStored.status).toBe(401)
			expect(ofRelayed).toEqual(ofStored)
			expect(ofNobody).toEqual(ofStored)
		}
	})

	it('is checked before everything else', async () => {
		const tenant = await host()
		const headers = { authorization: 'Bearer wrong' }
		for (const [method, path, options] of [
			['GET', '/Nope', {}],
			['DELETE', '/Users', {}],
			['GET', '/Users?filter=(', {}],
			['POST', '/Users', { body: '{' }],
			['POST', '/Users', { body: 'x', headers: { 'content-type': 'text/plain' } }],
			['GET', '/Me', {}],
		] as const) {
			const answer = await tenant.request(method, path, {
				...options,
				headers: { ...('headers' in options && options.headers), ...headers },
			})
			expect(asked(answer), path).toEqual({ status: 401, ...wrong })
		}
	})

	it('may be any enabled and valid version in the vault', async () => {
		const tenant = await host()
		const name = `scim-token-${tenant.baseUrl.split('/').at(-1)}`
		const created = Math.floor(Date.now() / 1000) - 1000
		vault.add(name, { value: 'an-older-one', created })
		vault.add(name, { value: 'a-disabled-one', created, enabled: false })
		vault.add(name, { value: 'an-expired-one', created, expires: created + 500 })
		vault.add(name, { value: 'a-coming-one', created, notBefore: created + 5000 })
		const statuses: Record<string, number> = {}
		for (const token of [tenant.token, 'an-older-one', 'a-disabled-one', 'an-expired-one', 'a-coming-one']) {
			statuses[token] = (await by(tenant, `Bearer ${token}`)).status
		}
		expect(statuses).toEqual({
			[tenant.token]: 200,
			'an-older-one': 200,
			'a-disabled-one': 401,
			'an-expired-one': 401,
			'a-coming-one': 401,
		})
	})

	it('is never in the log, right or wrong, and neither is the name of an unknown tenant', async () => {
		const tenant = await host()
		logged.length = 0
		await by(tenant, `Bearer ${tenant.token}`)
		await by(tenant, 'Bearer a-wrong-token')
		await by(tenant, 'Basic a-password')
		const nobody = tenant.baseUrl.replace(/tenant-\d+$/, 'no-such-tenant')
		await fetch(`${nobody}/Users`, { headers: { authorization: 'Bearer a-wrong-token' } })
		expect(logged.map(({ status, ...event }) => [status, event.tenant, event.path])).toEqual([
			[200, tenant.baseUrl.split('/').at(-1), '/Users'],
			...[401, 401, 401].map((status) => [status, undefined, undefined]),
		])
		expect(inspect(logged, { depth: 20 })).not.toMatch(
			new RegExp(`${tenant.token}|a-wrong-token|a-password|no-such-tenant`),
		)
	})
})

describe('an address without a tenant', () => {
	it.each([
		'/',
		'/scim',
		'/scim/',
		'/favicon.ico',
		'/scim/Users',
		'/scim/v2/Users',
		'/scim/A-Tenant',
		'/scim/x%00/Users',
	])('is a 404 without a challenge: %s', async (path) => {
		const { baseUrl } = await host()
		const response = await fetch(`${new URL(baseUrl).origin}${path}`)
		expect([response.status, response.headers.get('www-authenticate')]).toEqual([404, null])
		expect(await response.json()).toEqual({
			schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
			status: '404',
			detail: `the address is not /scim/<tenant>/…: ${path}`,
		})
	})
})
