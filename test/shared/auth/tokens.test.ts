import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { newest, type TenantTokenSource, type Token, tokenVerifier } from '../../../shared/auth/tokens.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const start = Date.UTC(2026, 0, 1)

/** A token that was created `hours` after the beginning of 2026. */
const token = (value: string, hours = 0, dates: Pick<Token, 'notBefore' | 'expires'> = {}): Token => ({
	value,
	created: start + hours * hour,
	...dates,
})

/** A verifier with tokens that the test changes and a clock that the test moves. */
function open(tenants: Record<string, readonly Token[]> = { acme: [token('secret')] }) {
	const stored = new Map(Object.entries(tenants))
	const state = { time: start + 48 * hour, isAway: false, gate: Promise.resolve() }
	const asked: string[] = []
	const source: TenantTokenSource = async (tenant) => {
		asked.push(tenant)
		await state.gate
		if (state.isAway) throw new Error('the vault is away')
		return stored.get(tenant) ?? []
	}
	const isTenant = async (name: string) => stored.has(name)
	const verify = tokenVerifier({ source, isTenant, now: () => state.time })
	const accepts = async (tenant: string, value: string) => {
		const isAccepted = await verify(tenant, value)
		// Lets work in the background end, unless the test holds the source.
		await turn()
		return isAccepted
	}
	return { state, stored, asked, accepts }
}

/** Holds the answers of the source until the test releases them. */
function hold(state: { gate: Promise<void> }): () => void {
	let release = () => {}
	state.gate = new Promise((resolve) => {
		release = resolve
	})
	return release
}

const unavailable = (seconds: number) => ({
	status: 503,
	message: 'the tokens cannot be read at the moment',
	headers: { 'Retry-After': String(seconds) },
	cause: new Error('the vault is away'),
})

describe('a token', () => {
	test('is accepted only for its own tenant', async () => {
		const { accepts } = open({ acme: [token('one'), token('two')], globex: [token('three')] })
		const values = ['one', 'two', 'three', 'four', '', 'one ', 'ONE']
		expect(await Promise.all(values.map((value) => accepts('acme', value)))).toEqual([
			true,
			true,
			false,
			false,
			false,
			false,
			false,
		])
		expect(await Promise.all(values.map((value) => accepts('globex', value)))).toEqual([
			false,
			false,
			true,
			false,
			false,
			false,
			false,
		])
	})

	test('is valid from its first to its last millisecond, without another read', async () => {
		const from = start + 48 * hour + 10 * second
		const { accepts, state, asked } = open({
			acme: [token('secret', 0, { notBefore: from, expires: from + 10 * second })],
		})
		const seen: boolean[] = []
		for (const time of [from - 10 * second, from - 1, from, from + 10 * second - 1, from + 10 * second]) {
			state.time = time
			seen.push(await accepts('acme', 'secret'))
		}
		expect(seen).toEqual([false, false, true, true, false])
		expect(asked).toEqual(['acme'])
	})

	test('is accepted if it is one of the newest four that are valid', async () => {
		const expired = token('expired', 9, { expires: start + 48 * hour })
		const coming = [10, 11, 12, 13].map((hours) => token(`coming-${hours}`, hours, { notBefore: start + 99 * hour }))
		const usual = [2, 5, 1, 4, 3].map((hours) => token(`usual-${hours}`, hours))
		const { accepts } = open({ acme: [...coming, ...usual, expired] })
		const accepted = []
		for (const { value } of [...usual, ...coming, expired]) if (await accepts('acme', value)) accepted.push(value)
		expect(accepted).toEqual(['usual-2', 'usual-5', 'usual-4', 'usual-3'])
	})

	test('that becomes valid replaces the oldest of four', async () => {
		const usual = [1, 2, 3, 4].map((hours) => token(`usual-${hours}`, hours))
		const { accepts, state } = open({ acme: [...usual, token('coming', 5, { notBefore: start + 49 * hour })] })
		expect(await accepts('acme', 'usual-1')).toBe(true)
		state.time = start + 49 * hour
		expect(await accepts('acme', 'usual-1')).toBe(false)
		expect(await accepts('acme', 'usual-2')).toBe(true)
		expect(await accepts('acme', 'coming')).toBe(true)
	})
})

describe('the tokens of a tenant', () => {
	test('are read by a source up to a limit: four that are valid and four that are not yet valid', () => {
		const now = start + 48 * hour
		const usual = [1, 2, 3, 4, 5].map((hours) => token('usual', 2 * hours))
		const coming = [1, 2, 3, 4, 5].map((hours) => token('coming', 2 * hours + 1, { notBefore: now + 1 }))
		const expired = token('expired', 12, { expires: now })
		const hours = newest([...usual, expired, ...coming], now).map(({ created }) => (created - start) / hour)
		expect(hours).toEqual([11, 10, 9, 8, 7, 6, 5, 4])
	})

	test('are read once for all requests that wait for them', async () => {
		const { accepts, asked } = open()
		const answers = await Promise.all(
			Array.from({ length: 50 }, (_, index) => accepts('acme', index % 2 ? 'secret' : 'x')),
		)
		expect(answers.filter((isAccepted) => isAccepted)).toHaveLength(25)
		expect(asked).toEqual(['acme'])
	})

	test('are read again after five minutes, while the known tokens are still used', async () => {
		const { accepts, state, stored, asked } = open()
		await accepts('acme', 'secret')
		stored.set('acme', [token('next', 1)])
		state.time += 5 * minute - 1
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(1)

		const release = hold(state)
		state.time += 1
		expect(await Promise.all([accepts('acme', 'secret'), accepts('acme', 'secret')])).toEqual([true, true])
		expect(asked).toHaveLength(2)
		release()
		expect(await accepts('acme', 'next')).toBe(true)
		expect(await accepts('acme', 'secret')).toBe(false)
		expect(asked).toHaveLength(2)
	})

	test('are not used for more than ten minutes without another read, because one may be disabled', async () => {
		const { accepts, state, stored, asked } = open({ acme: [token('old'), token('new', 1)] })
		await accepts('acme', 'old')
		stored.set('acme', [token('new', 1)])
		state.time += 10 * minute
		expect(await Promise.all([accepts('acme', 'old'), accepts('acme', 'new')])).toEqual([false, true])
		expect(asked).toHaveLength(2)

		stored.set('acme', [])
		state.time += 10 * minute - 1
		expect(await accepts('acme', 'new')).toBe(true)
		expect(await accepts('acme', 'new')).toBe(false)
		expect(asked).toHaveLength(3)
	})

	test('are read again for an unknown token, once in thirty seconds', async () => {
		const { accepts, state, stored, asked } = open()
		await accepts('acme', 'secret')
		stored.set('acme', [token('secret'), token('next', 1)])
		state.time += 30 * second - 1
		expect(await accepts('acme', 'next')).toBe(false)
		expect(asked).toHaveLength(1)
		state.time += 1
		expect(await Promise.all(['next', 'wrong', 'secret'].map((value) => accepts('acme', value)))).toEqual([
			true,
			false,
			true,
		])
		expect(await accepts('acme', 'wrong')).toBe(false)
		expect(asked).toHaveLength(2)
	})

	test('are forgotten only after ten thousand other tenants have been used', async () => {
		const names = Array.from({ length: 10_001 }, (_, index) => `tenant-${index}`)
		const { accepts, asked } = open(Object.fromEntries(names.map((name) => [name, [token(name)]])))
		const use = (from: number, to: number) => Promise.all(names.slice(from, to).map((name) => accepts(name, name)))
		await use(0, 9_999)
		await use(0, 1)
		await use(9_999, 10_001)
		expect(asked).toHaveLength(10_001)
		await use(0, 1)
		await use(2, 10_001)
		expect(asked).toHaveLength(10_001)
		await use(1, 2)
		expect(asked.slice(10_001)).toEqual(['tenant-1'])
	})
})

describe('while the source cannot be read', () => {
	test('an unknown token is a 503 and not a refusal, and the source is asked every five seconds', async () => {
		const { accepts, state, asked } = open()
		state.isAway = true
		await expect(accepts('acme', 'secret')).rejects.toMatchObject(unavailable(5))
		state.time += 3500
		await expect(accepts('acme', 'wrong')).rejects.toMatchObject(unavailable(2))
		expect(asked).toHaveLength(1)
		state.isAway = false
		state.time += 1500
		expect(await accepts('acme', 'wrong')).toBe(false)
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(2)
	})

	test('a known token is accepted for a day, and the source is asked every thirty seconds', async () => {
		const { accepts, state, asked } = open()
		await accepts('acme', 'secret')
		state.isAway = true
		state.time += 5 * minute
		expect(await accepts('acme', 'secret')).toBe(true)
		state.time += 30 * second - 1
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(2)
		state.time += 1
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(3)

		state.time = start + 72 * hour - 1
		expect(await accepts('acme', 'secret')).toBe(true)
		state.time += 5 * second
		await expect(accepts('acme', 'secret')).rejects.toMatchObject(unavailable(5))
	})

	test('an unknown token is always a 503, because it may be new', async () => {
		const { accepts, state, stored, asked } = open()
		await accepts('acme', 'secret')
		stored.set('acme', [token('secret'), token('next', 1)])
		state.isAway = true
		state.time += 30 * second
		await expect(accepts('acme', 'next')).rejects.toMatchObject(unavailable(30))
		state.time += 10 * second
		await expect(accepts('acme', 'next')).rejects.toMatchObject(unavailable(20))
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(2)
		state.isAway = false
		state.time += 20 * second
		expect(await accepts('acme', 'next')).toBe(true)
	})

	test('a token still expires at its time', async () => {
		const { accepts, state } = open({ acme: [token('secret', 0, { expires: start + 49 * hour })] })
		await accepts('acme', 'secret')
		state.isAway = true
		state.time = start + 49 * hour - 1
		expect(await accepts('acme', 'secret')).toBe(true)
		state.time += 30 * second
		await expect(accepts('acme', 'secret')).rejects.toMatchObject(unavailable(30))
	})
})

describe('a name without a tenant', () => {
	test('is looked up and answered in the same way as a wrong token', async () => {
		const { accepts, state, asked } = open()
		const probe = async () => [await accepts('acme', 'wrong'), await accepts('nobody', 'wrong')]
		expect(await probe()).toEqual([false, false])
		expect(asked).toEqual(['acme', 'nobody'])
		state.time += 30 * second - 1
		expect(await probe()).toEqual([false, false])
		expect(asked).toHaveLength(2)
		state.time += 1
		expect(await probe()).toEqual([false, false])
		expect(asked).toEqual(['acme', 'nobody', 'acme', 'nobody'])
	})

	test('costs at most sixty lookups a minute and blocks no tenant', async () => {
		const { accepts, state, asked } = open()
		const flood = async (round: number) => {
			const names = Array.from({ length: 1000 }, (_, index) => `made-up-${round}-${index}`)
			return Promise.all(names.map((name) => accepts(name, 'secret')))
		}
		expect(new Set(await flood(1))).toEqual(new Set([false]))
		expect(asked).toHaveLength(60)
		expect(await accepts('acme', 'wrong')).toBe(false)
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked.slice(60)).toEqual(['acme'])
		state.time += minute
		expect(new Set(await flood(2))).toEqual(new Set([false]))
		expect(asked).toHaveLength(121)
	})

	test('counts once as one of the sixty, and a tenant with tokens does not count', async () => {
		const tenants = Array.from({ length: 100 }, (_, index) => `tenant-${index}`)
		const { accepts, state, asked } = open(Object.fromEntries(tenants.map((name) => [name, [token(name)]])))
		await Promise.all(tenants.map((name) => accepts(name, name)))
		state.time += 30 * second
		await Promise.all(tenants.map((name) => accepts(name, 'wrong')))
		state.time += 30 * second
		await Promise.all(tenants.map((name) => accepts(name, 'wrong')))
		expect(asked).toHaveLength(300)
		for (let attempt = 0; attempt < 100; attempt++) await accepts('nobody', 'wrong')
		await Promise.all(Array.from({ length: 100 }, (_, index) => accepts(`made-up-${index}`, 'wrong')))
		expect(asked).toHaveLength(360)
	})

	test('pushes no tenant out, even in four hours of a flood before the source goes away', async () => {
		const { accepts, state } = open()
		await accepts('acme', 'secret')
		for (let round = 0; round < 240; round++) {
			await Promise.all(Array.from({ length: 60 }, (_, index) => accepts(`made-up-${round}-${index}`, 'wrong')))
			state.time += minute
		}
		state.isAway = true
		expect(await accepts('acme', 'secret')).toBe(true)
	})

	test('becomes a tenant when it gets its first token', async () => {
		const { accepts, state, stored } = open({})
		expect(await accepts('acme', 'secret')).toBe(false)
		stored.set('acme', [token('secret')])
		state.time += 30 * second
		expect(await accepts('acme', 'secret')).toBe(true)
	})
})
