import { describe, expect, test } from 'vitest'
import { openEntra, otherTenant, trust } from '../../support/entra.ts'
import {
	type OAuthHost,
	secretClient,
	secretOf,
	start,
	trustingClient,
	useOAuthHost,
} from '../../support/oauth-host.ts'
import { refusedTokens } from '../../support/refused-tokens.ts'

const newHost = useOAuthHost()
const minute = 60_000
const hour = 60 * minute

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const formOf = (client: string, assertion: string) => ({
	grant_type: 'client_credentials',
	client_id: client,
	client_assertion_type: assertionType,
	client_assertion: assertion,
})

/** A host whose tenant trusts a workload of Entra, as a client and as a reader. */
async function open() {
	const clock = { time: start }
	const entra = await openEntra(() => clock.time)
	const host = await newHost({ fetch: entra.fetch })
	const move = (milliseconds: number) => {
		clock.time += milliseconds
		host.clock.time = clock.time
	}
	await host.add(trustingClient('federation', 'workload', trust))
	await host.add(trustingClient('reader', 'hr', trust))
	await host.add(secretClient('entra', [secretOf('a-secret')]))
	return { host, entra, move }
}

const reasonOf = (host: OAuthHost) => host.events.at(-1)?.refusal?.reason

describe('a workload of Entra', () => {
	// Microsoft's published test 22: https://learn.microsoft.com/entra/identity/app-provisioning/scim-validator-tutorial
	test('gets a token as Entra checks it: without a scope, with an unknown parameter', async () => {
		const { host, entra } = await open()
		const { status, body } = await host.ask({ ...formOf('workload', await entra.token()), baseAddress: host.url })
		expect([status, body]).toEqual([
			200,
			{ access_token: expect.any(String), token_type: 'Bearer', expires_in: 7200, scope: 'scim' },
		])
		expect(await host.use(body.access_token)).toBe(200)
	})

	test('gets none for any token that must be refused: always invalid_client, with its own reason in the log', async () => {
		const { host, entra, move } = await open()
		for (const [name, reason, make] of refusedTokens) {
			// Otherwise the failures would be slowed down.
			move(10_000)
			const token = await make(entra, host.clock.time)
			const { status, body } = await host.ask(formOf('workload', token))
			expect([name, status, body]).toEqual([
				name,
				401,
				{ error: 'invalid_client', error_description: 'the client cannot be authenticated' },
			])
			expect([name, host.events.at(-1)?.refusal]).toEqual([
				name,
				expect.objectContaining({ reason, client: 'workload' }),
			])
		}
	}, 60_000)

	test('reads with none of the tokens that must be refused', async () => {
		const { host, entra } = await open()
		for (const [name, , make] of refusedTokens) {
			const token = await make(entra, host.clock.time)
			expect([name, await host.use(token)]).toEqual([name, 401])
		}
	}, 60_000)

	test.each<[string, (right: string, entra: Awaited<ReturnType<typeof openEntra>>) => Record<string, string>, string]>([
		['another client', (token) => formOf('entra', token), 'noFederation'],
		['the reader', (token) => formOf('hr', token), 'unknownClient'],
		['an unknown client', (token) => formOf('nobody', token), 'unknownClient'],
		['no client', (token) => formOf('', token), 'unknownClient'],
		[
			'another type of assertion',
			(token) => ({ ...formOf('workload', token), client_assertion_type: 'x' }),
			'assertionType',
		],
		['no type of assertion', (token) => ({ ...formOf('workload', token), client_assertion_type: '' }), 'assertionType'],
		['no assertion', () => formOf('workload', ''), 'noProof'],
		[
			'its id as a secret',
			() => ({ grant_type: 'client_credentials', client_id: 'workload', client_secret: 'x' }),
			'noSecret',
		],
	])('gets none with %s', async (_, form, reason) => {
		const { host, entra } = await open()
		const { status, body } = await host.ask(form(await entra.token(), entra))
		expect([status, body.error, reasonOf(host)]).toEqual([401, 'invalid_client', reason])
	})

	test('gets none after its client was disabled, and neither does its token work', async () => {
		const { host, entra, move } = await open()
		const { body } = await host.ask(formOf('workload', await entra.token()))
		await host.add(trustingClient('reader', 'workload', trust))
		move(minute)
		expect(await host.use(body.access_token)).toBe(401)
		await host.add({ ...trustingClient('federation', 'workload', trust), isDisabled: true })
		await host.add({ ...trustingClient('reader', 'hr', trust), isDisabled: true })
		move(minute)
		expect((await host.ask(formOf('workload', await entra.token()))).body.error).toBe('invalid_client')
		expect(reasonOf(host)).toBe('disabled')
		expect(await host.use(body.access_token)).toBe(401)
		expect(await host.use(await entra.token())).toBe(401)
		expect(reasonOf(host)).toBe('disabled')
	})

	test('opens no tenant that does not trust it, whatever it claims', async () => {
		const [mine, theirs] = [await open(), await newHost()]
		const token = await mine.entra.token()
		expect((await theirs.ask(formOf('workload', token))).body.error).toBe('invalid_client')
		expect(await theirs.use(token)).toBe(401)
		const { body } = await mine.host.ask(formOf('workload', token))
		expect(await theirs.use(body.access_token)).toBe(401)
	})
})

describe('a reader', () => {
	test('reads with a token of Entra itself, and may not write', async () => {
		const { host, entra } = await open()
		const token = await entra.token()
		expect([await host.use(token), await host.use(token, 'DELETE')]).toEqual([200, 403])
		expect(entra.asked).toHaveLength(1)
	})

	test('is told apart from other workloads of its Entra tenant', async () => {
		const { host, entra } = await open()
		const claims = { sub: '99999999-9999-4999-8999-999999999999', oid: '99999999-9999-4999-8999-999999999999' }
		expect(await host.use(await entra.token({ claims }))).toBe(401)
		expect(reasonOf(host)).toBe('unknownWorkload')
	})
})

describe('the keys of Entra', () => {
	test('that are away serve from memory for 24 hours and more, and are then asked for once a minute', async () => {
		const { host, entra, move } = await open()
		const ask = async () => (await host.ask(formOf('workload', await entra.token()))).status
		expect(await ask()).toBe(200)
		entra.answer = () => Promise.reject(new Error('Entra is away'))
		for (let passed = 0; passed < 48; passed++) {
			move(hour)
			expect(await ask()).toBe(200)
		}
		const before = entra.asked.length
		for (let passed = 0; passed < 60; passed++) {
			move(1000)
			expect(await ask()).toBe(200)
		}
		expect(entra.asked.length - before).toBeLessThanOrEqual(1)
	}, 60_000)

	test('that are away and were never read are a 503, not an invalid_client', async () => {
		const { host, entra, move } = await open()
		entra.answer = () => Promise.reject(new Error('Entra is away'))
		for (let passed = 0; passed < 5; passed++) {
			const { status, body, headers } = await host.ask(formOf('workload', await entra.token()))
			expect([status, body.error]).toEqual([503, 'temporarily_unavailable'])
			expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
			expect(await host.use(await entra.token())).toBe(503)
			move(1000)
		}
		expect(entra.asked).toHaveLength(1)
		entra.answer = undefined
		move(minute)
		expect((await host.ask(formOf('workload', await entra.token()))).status).toBe(200)
	})

	test('that were rotated are read again', async () => {
		const { host, entra, move } = await open()
		const old = await entra.token()
		expect((await host.ask(formOf('workload', old))).status).toBe(200)
		await entra.rotate()
		move(minute)
		expect((await host.ask(formOf('workload', await entra.token()))).status).toBe(200)
		expect((await host.ask(formOf('workload', old))).body.error).toBe('invalid_client')
		expect(entra.asked).toHaveLength(2)
	})

	test('are asked for once a minute during a flood of unknown key ids, and right tokens are served', async () => {
		const { host, entra, move } = await open()
		expect((await host.ask(formOf('workload', await entra.token()))).status).toBe(200)
		for (let second = 0; second < 120; second++) {
			move(1000)
			const kid = `made-up-${second}`
			expect(await host.use(await entra.token({ header: { kid } }))).toBe(401)
			if (second % 10 === 0) expect(await host.use(await entra.token())).toBe(200)
		}
		expect(entra.asked.length).toBeLessThanOrEqual(3)
		expect(new Set(entra.asked).size).toBe(1)
	}, 60_000)

	test('are asked for at no address that a token names', async () => {
		const { host, entra } = await open()
		const claims = { iss: `https://login.microsoftonline.com/${otherTenant}/v2.0`, tid: otherTenant }
		await host.ask(formOf('workload', await entra.token({ claims, header: { jku: 'https://evil.example/keys' } })))
		expect(entra.asked).toEqual([`https://login.microsoftonline.com/${trust.tenant}/discovery/v2.0/keys`])
	})
})
