import { describe, expect, test } from 'vitest'
import { trust } from '../../support/entra.ts'
import { secretClient, secretOf, start, trustingClient, useOAuthHost } from '../../support/oauth-host.ts'
import { changeTenantRow } from '../../support/tenant-row.ts'

const newHost = useOAuthHost()
const second = 1000
const minute = 60 * second
const hour = 60 * minute

const secret = 'a-secret-of-the-client'
const form = { grant_type: 'client_credentials', client_id: 'entra', client_secret: secret }
const basic = (client: string, value: string) => ({
	Authorization: `Basic ${Buffer.from(`${client}:${value}`).toString('base64')}`,
})

/** A host whose tenant has the client `entra` with one secret. */
async function withClient(...secrets: readonly ReturnType<typeof secretOf>[]) {
	const host = await newHost()
	await host.add(secretClient('entra', secrets.length === 0 ? [secretOf(secret)] : secrets, { label: 'Entra' }))
	return host
}

const invalidClient = { error: 'invalid_client', error_description: 'the client cannot be authenticated' }

describe('client credentials', () => {
	// Microsoft's published test 21: https://learn.microsoft.com/entra/identity/app-provisioning/scim-validator-tutorial
	test.each([
		['in the body', form, {}],
		['in the header', { grant_type: 'client_credentials' }, basic('entra', secret)],
		['in both', form, basic('entra', secret)],
		[
			'in the header, form-encoded',
			{ grant_type: 'client_credentials' },
			basic('%65ntra', secret.replaceAll('-', '%2D')),
		],
	])('%s get a token that works as Entra checks it', async (_, body, headers) => {
		const host = await withClient()
		const { status, headers: answered, body: token } = await host.ask(body, headers)
		expect([status, answered.get('content-type'), answered.get('cache-control')]).toEqual([
			200,
			'application/json',
			'no-store',
		])
		expect(token).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 7200, scope: 'scim' })
		expect(Math.floor(token.expires_in / 60)).toBeGreaterThanOrEqual(60)
		expect(Math.floor(token.expires_in / 60)).toBeLessThanOrEqual(360)
		expect(await host.use(token.access_token)).toBe(200)
		expect(await host.use(`a-token-of-${host.name}`)).toBe(200)
	})

	test.each<[string, Record<string, string> | string, Record<string, string>, number, string]>([
		['no grant type', { client_id: 'entra', client_secret: secret }, {}, 400, 'invalid_request'],
		['another grant type', { ...form, grant_type: 'password' }, {}, 400, 'unsupported_grant_type'],
		['a grant type twice', 'grant_type=client_credentials&grant_type=client_credentials', {}, 400, 'invalid_request'],
		['two different ids', form, basic('other', secret), 400, 'invalid_request'],
		['two different secrets', form, basic('entra', 'other'), 400, 'invalid_request'],
		['a secret and an assertion', { ...form, client_assertion: 'x' }, {}, 400, 'invalid_request'],
		['JSON', JSON.stringify(form), { 'Content-Type': 'application/json' }, 400, 'invalid_request'],
		['a large body', { ...form, more: 'x'.repeat(16 * 1024) }, {}, 400, 'invalid_request'],
		['no client', { grant_type: 'client_credentials' }, {}, 401, 'invalid_client'],
		['no secret', { grant_type: 'client_credentials', client_id: 'entra' }, {}, 401, 'invalid_client'],
		['another client', { ...form, client_id: 'other' }, {}, 401, 'invalid_client'],
		['another secret', { ...form, client_secret: `${secret}x` }, {}, 401, 'invalid_client'],
		['the digest', { ...form, client_secret: secretOf(secret).digest }, {}, 401, 'invalid_client'],
		['a malformed header', { grant_type: 'client_credentials' }, { Authorization: 'Basic ***' }, 401, 'invalid_client'],
	])('with %s are refused', async (_, body, headers, status, error) => {
		const host = await withClient()
		const answer = await host.ask(body, headers)
		expect([answer.status, answer.body.error, answer.headers.get('content-type')]).toEqual([
			status,
			error,
			'application/json',
		])
		expect(answer.headers.get('www-authenticate')).toBe(
			status === 401 && headers.Authorization !== undefined ? 'Basic realm="scim"' : null,
		)
		if (status === 401) expect(answer.body).toEqual(invalidClient)
	})

	test.each([
		['none', '', 'scim', 'scim'],
		['of Entra', 'https://graph.microsoft.com/.default', 'scim', 'scim'],
		['scim', 'scim', 'scim', 'scim'],
		['scim.read', 'scim.read', 'scim', 'scim.read'],
		['none, of a reader', '', 'scim.read', 'scim.read'],
		['scim, of a reader', 'scim', 'scim.read', 'invalid_scope'],
	] as const)('with the scope %s', async (_, asked, scope, expected) => {
		const host = await newHost()
		await host.add(secretClient('entra', [secretOf(secret)], { scope }))
		const { status, body } = await host.ask(asked === '' ? form : { ...form, scope: asked })
		expect([status, body.scope ?? body.error]).toEqual([expected === 'invalid_scope' ? 400 : 200, expected])
		if (status !== 200) return
		expect(await host.use(body.access_token)).toBe(200)
		expect(await host.use(body.access_token, 'DELETE')).toBe(expected === 'scim' ? 404 : 403)
	})

	test('have several live secrets, of which an expired or disabled one gets nothing', async () => {
		const host = await withClient(
			secretOf('old', { expires: new Date(start + hour).toISOString() }),
			secretOf('new'),
			secretOf('off', { isDisabled: true }),
		)
		const statusOf = async (client_secret: string) => (await host.ask({ ...form, client_secret })).status
		expect(await Promise.all(['old', 'new', 'off'].map(statusOf))).toEqual([200, 200, 401])
		host.clock.time += hour - 1
		expect(await statusOf('old')).toBe(200)
		host.clock.time += 1
		expect(await Promise.all(['old', 'new'].map(statusOf))).toEqual([401, 200])
		expect(host.events.flatMap(({ refusal }) => refusal ?? [])).toEqual([
			{ reason: 'disabledSecret', client: 'entra', received: 'id-of-off' },
			{ reason: 'expiredSecret', client: 'entra', received: 'id-of-old', expected: '2026-01-01T01:00:00.000Z' },
		])
	})

	test('are refused alike for an unknown tenant, an unknown client and a wrong secret', async () => {
		const host = await withClient()
		const answers = []
		for (const [url, body] of [
			[host.url, { ...form, client_secret: 'wrong' }],
			[host.url, { ...form, client_id: 'nobody' }],
			[host.url.replace(/[^/]+$/, 'no-such-tenant'), form],
		] as const) {
			const response = await fetch(`${url}/oauth2/token`, { method: 'POST', body: new URLSearchParams(body) })
			const headers = [...response.headers].filter(([name]) => !['date', 'x-request-id'].includes(name))
			answers.push({ status: response.status, headers, body: await response.json() })
		}
		expect(answers[0]).toMatchObject({ status: 401, body: invalidClient })
		expect(answers[1]).toEqual(answers[0])
		expect(answers[2]).toEqual(answers[0])
	})

	test('of a tenant whose format is newer than the app are a 503 for the right secret, and a 401 for another', async () => {
		const host = await withClient()
		await changeTenantRow(host.tables, host.name, { format: 99 })
		host.clock.time += minute
		const wrong = await host.ask({ ...form, client_secret: 'wrong' })
		expect([wrong.status, wrong.body]).toEqual([401, invalidClient])
		const right = await host.ask(form)
		expect([right.status, right.body.error, right.headers.get('retry-after')]).toEqual([
			503,
			'temporarily_unavailable',
			'60',
		])
	})

	test('cost as many storage requests for an unknown tenant as for a known one, in a process that has just started', async () => {
		const host = await withClient()
		const costs = []
		for (const name of [host.name, 'no-such-tenant']) {
			const { meter, url, services } = await newHost({ beside: host })
			const body = new URLSearchParams({ ...form, client_secret: 'wrong' })
			const address = `${url.replace(/[^/]+$/, name)}/oauth2/token`
			await services.tenants.getTenant(name)
			const once = async () => (await meter.measure(() => fetch(address, { method: 'POST', body }))).requests
			costs.push([await once(), await once()])
		}
		expect(costs[1]).toEqual(costs[0])
	})

	test('are asked for with POST alone', async () => {
		const host = await withClient()
		const response = await fetch(`${host.url}/oauth2/token`)
		expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
	})

	test('leave nothing of a secret or a token in the log', async () => {
		const host = await withClient()
		const { body } = await host.ask(form)
		await host.use(body.access_token)
		await host.use(`${body.access_token}x`)
		await host.ask({ ...form, client_secret: 'another-secret-that-is-wrong' })
		const logged = JSON.stringify(host.events)
		for (const value of [secret, 'another-secret', body.access_token, body.access_token.split('.')[2]])
			expect(logged).not.toContain(value)
		expect(host.events[0]).toMatchObject({ status: 200, tenant: host.name, path: '/oauth2/token' })
		expect(host.events.at(-1)).not.toHaveProperty('tenant')
	})
})

describe('an access token', () => {
	const tokenOf = async (host: Awaited<ReturnType<typeof newHost>>): Promise<string> =>
		(await host.ask(form)).body.access_token

	test('is verified without any request to storage', async () => {
		const host = await withClient()
		const token = await tokenOf(host)
		await host.use(token)
		const health = () => fetch(`${host.url}/ServiceProviderConfig`, { headers: { Authorization: `Bearer ${token}` } })
		const { result, requests } = await host.meter.measure(health)
		expect([result.status, requests]).toEqual([200, 0])
	})

	test('ends after its time, and is then a 401 with a challenge', async () => {
		const host = await withClient()
		const token = await tokenOf(host)
		host.clock.time += 2 * hour - 1
		expect(await host.use(token)).toBe(200)
		host.clock.time += 1
		const response = await fetch(`${host.url}/Users`, { headers: { Authorization: `Bearer ${token}` } })
		expect([response.status, response.headers.get('www-authenticate')]).toEqual([
			401,
			'Bearer realm="scim", error="invalid_token"',
		])
	})

	test('works as long as the setting of the tenant says', async () => {
		const host = await withClient()
		await host.services.tenants.updateSettings(host.name, (settings) => ({ ...settings, accessTokenSeconds: 3600 }))
		const { body } = await host.ask(form)
		expect(body.expires_in).toBe(3600)
		host.clock.time += hour - 1
		expect(await host.use(body.access_token)).toBe(200)
		host.clock.time += 1
		expect(await host.use(body.access_token)).toBe(401)
	})

	test('that was proved once is refused after its key has ended', async () => {
		const host = await withClient()
		const token = await tokenOf(host)
		expect([await host.use(token), await host.use(token)]).toEqual([200, 200])
		await host.endKey()
		host.clock.time += 11 * minute
		expect(await host.use(token)).toBe(401)
		expect(host.events.at(-1)?.refusal).toEqual({ reason: 'unknownKey', client: 'entra' })
	})

	test('is for its own tenant', async () => {
		const [mine, theirs] = [await withClient(), await withClient()]
		const token = await tokenOf(mine)
		expect([await mine.use(token), await theirs.use(token)]).toEqual([200, 401])
	})

	test('is refused within a minute after its client or its secret was disabled', async () => {
		for (const disabled of [
			secretClient('entra', [secretOf(secret)], { isDisabled: true }),
			secretClient('entra', [secretOf(secret, { isDisabled: true })]),
			secretClient('entra', []),
			trustingClient('federation', 'entra', trust),
		]) {
			const host = await withClient()
			const token = await tokenOf(host)
			await host.add(disabled)
			host.clock.time += 60 * second
			expect(await host.use(token)).toBe(401)
			expect(host.events.at(-1)?.refusal).toEqual({ reason: 'revoked', client: 'entra' })
		}
	})

	test('of a client that may only read by now may only read', async () => {
		const host = await withClient()
		const token = await tokenOf(host)
		await host.add(secretClient('entra', [secretOf(secret)], { scope: 'scim.read' }))
		host.clock.time += 60 * second
		expect([await host.use(token), await host.use(token, 'DELETE')]).toEqual([200, 403])
	})
})
