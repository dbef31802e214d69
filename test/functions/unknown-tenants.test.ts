import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { respondWith } from '../../functions/respond.ts'
import { createServices } from '../../functions/services.ts'
import { keyVaultSource } from '../../shared/auth/key-vault-source.ts'
import { tokenVerifier } from '../../shared/auth/tokens.ts'
import { useAzurite } from '../support/azurite.ts'
import { type Fate, withFaults } from '../support/faults.ts'
import { useKeyVault } from '../support/key-vault.ts'
import { createMeter } from '../support/meter.ts'
import { never, noFold } from '../support/never.ts'

const azurite = useAzurite()
const keyVault = useKeyVault()
const start = Date.UTC(2026, 0, 1)

/** A process that has just started, with a clock that the test moves. Its tenants have one token each in a vault. */
async function startProcess({ fateOf = (): Fate => 'answered' } = {}) {
	const meter = createMeter()
	const clock = { time: start }
	const vault = keyVault()
	const created = await createServices(
		{ tables: { connectionString: azurite().connectionString }, tokens: { file: '/none' } },
		{
			intercept: (send) => meter.intercept(withFaults(() => fateOf())(send)),
			pause: async () => {},
			now: () => clock.time,
			// A flood takes seconds on a busy machine.
			timer: never,
			later: never,
			random: noFold,
		},
	)
	const source = keyVaultSource({
		vaultUrl: vault.url,
		credential: vault.credential,
		client: { disableChallengeResourceVerification: true, tlsOptions: { ca: vault.certificate } },
		deadline: () => new AbortController().signal,
	})
	const isTenant = async (name: string) => (await created.tenants.getTenant(name)) !== undefined
	const respond = respondWith({ ...created, authenticate: tokenVerifier({ source, isTenant, now: created.now }) })
	const ask = async (tenant: string, token: string) => {
		const headers = new Headers({ authorization: `Bearer ${token}` })
		const url = `https://localhost/scim/${tenant}/ServiceProviderConfig`
		const request = { method: 'GET', url, headers, arrayBuffer: async () => new ArrayBuffer(0) }
		return (await respond(request, randomUUID(), () => {})).status
	}
	/** The answers, and the requests to storage and vault that they took. */
	const measure = async (asked: () => Promise<unknown>) => {
		vault.requests.length = 0
		const { result, requests } = await meter.measure(asked)
		return { result, requests: [requests, vault.requests.length] }
	}
	return { clock, vault, ask, measure }
}

const flood = (round: number, size: number) => Array.from({ length: size }, (_, index) => `made-up-${round}-${index}`)

const tenants = ['acme', 'globex', 'initech']

describe('names of tenants', () => {
	beforeAll(async () => {
		const { connectionString } = azurite()
		const { tenants: registry } = await createServices({ tables: { connectionString }, tokens: { file: '/none' } })
		for (const name of tenants) await registry.createTenant({ name, mode: 'store', settings: {} })
	})

	const withTokens = async (options?: Parameters<typeof startProcess>[0]) => {
		const process = await startProcess(options)
		for (const name of tenants) process.vault.add(`scim-token-${name}`, { value: 'right', created: start / 1000 - 60 })
		return process
	}

	test('that are real and made up cost the same number of requests with a wrong token, at any time', async () => {
		const { clock, vault, ask, measure } = await withTokens()
		vault.add('scim-read-token-globex', { value: 'right-to-read', created: start / 1000 - 60 })
		expect(await measure(() => ask('globex', 'wrong'))).toEqual({ result: 401, requests: [1, 4] })
		const costs: unknown[] = []
		for (const pause of [0, 0, 29_999, 1, 31_000, 61_000, 1, 400_000]) {
			clock.time += pause
			const real = await measure(() => ask('acme', 'wrong'))
			// Globex has two tokens. Its first lookup in a process shows that.
			for (const name of costs.length === 0 ? ['nobody'] : ['globex', 'nobody']) {
				const cost = await measure(() => ask(name, 'wrong'))
				expect(cost, `${name} after ${clock.time - start} ms`).toEqual(real)
			}
			costs.push(real)
		}
		expect(costs[0]).toEqual({ result: 401, requests: [1, 3] })
		expect(costs[1]).toEqual({ result: 401, requests: [0, 0] })
	})

	test('that are real and made up cost no request with a wrong token during a flood', async () => {
		const { ask, measure } = await withTokens()
		expect(await ask('acme', 'right')).toBe(200)
		await Promise.all(flood(0, 1000).map((name) => ask(name, 'wrong')))
		expect(await measure(() => ask('acme', 'wrong'))).toEqual({ result: 401, requests: [0, 0] })
		expect(await measure(() => ask('nobody', 'wrong'))).toEqual({ result: 401, requests: [0, 0] })
	})

	test('that are real are served by a process that has just started, during 1,000 made-up names a second', async () => {
		const { clock, ask, measure } = await withTokens()
		const real: unknown[] = []
		const requests: unknown[] = []
		for (let second = 0; second < 5; second++) {
			const counted = await measure(async () => {
				const unknown = flood(second, 1000).map((name) => ask(name, 'wrong'))
				const name = tenants[second % tenants.length] ?? ''
				const [status] = await Promise.all([ask(name, 'right'), ...unknown])
				real.push(status)
				return new Set(await Promise.all(unknown))
			})
			expect(counted.result).toEqual(new Set([401]))
			requests.push(counted.requests)
			clock.time += 1000
		}
		expect(real).toEqual([200, 200, 200, 200, 200])
		// In the first second: 60 names one by one and the list. Then: the names that the allowance lets pass.
		expect(requests).toEqual([
			[61, 183],
			[1, 6],
			[1, 6],
			[1, 3],
			[1, 3],
		])
	})

	test('that are made up push no tenant out of the cache', async () => {
		const { clock, ask, measure } = await withTokens()
		for (const name of tenants) expect(await ask(name, 'right')).toBe(200)
		for (let round = 0; round < 12; round++) await Promise.all(flood(round, 1000).map((name) => ask(name, 'wrong')))
		clock.time += 59_999
		const again = await measure(() => Promise.all(tenants.map((name) => ask(name, 'right'))))
		expect(again).toEqual({ result: [200, 200, 200], requests: [0, 0] })
	})

	test('are 503 beyond the rate while the list cannot be read, and tenants in the cache are served', async () => {
		let fate: Fate = 'answered'
		const { clock, ask, measure } = await withTokens({ fateOf: () => fate })
		expect(await ask('acme', 'right')).toBe(200)
		await Promise.all(flood(0, 59).map((name) => ask(name, 'wrong')))
		fate = 'unsent'
		const asked = await measure(() =>
			Promise.all([ask('globex', 'right'), ask('nobody', 'wrong'), ask('acme', 'right')]),
		)
		expect(asked.result).toEqual([503, 503, 200])
		fate = 'answered'
		clock.time += 29_999
		await Promise.all(flood(1, 30).map((name) => ask(name, 'wrong')))
		expect(await ask('globex', 'right')).toBe(503)
		clock.time += 1
		expect(await ask('globex', 'right')).toBe(200)
	})
})
