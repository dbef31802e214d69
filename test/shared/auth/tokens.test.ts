import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
	isStoredDigest,
	newest,
	storedDigestOf,
	type TenantTokenSource,
	type Token,
	tokenVerifier,
} from '../../../shared/auth/tokens.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const start = Date.UTC(2026, 0, 1)

/** A token that was created `hours` after the beginning of 2026. */
const token = (value: string, hours = 0, dates: Pick<Token, 'notBefore' | 'expires'> = {}): Token => ({
	value,
	id: `id of ${value}`,
	scope: 'scim',
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
	const authenticate = async (tenant: string, value: string) => {
		const credential = await verify(tenant, value)
		// Lets work in the background end, unless the test holds the source.
		await turn()
		return credential
	}
	const accepts = async (tenant: string, value: string) => (await authenticate(tenant, value)) !== undefined
	return { state, stored, asked, authenticate, accepts }
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

	test('is answered as the credential that it is, without its value', async () => {
		const labelled = { ...token('two', 1), label: 'HR application' }
		const { authenticate } = open({ acme: [token('one'), labelled] })
		expect(await authenticate('acme', 'one')).toEqual({ id: 'id of one', scope: 'scim' })
		expect(await authenticate('acme', 'two')).toEqual({ id: 'id of two', label: 'HR application', scope: 'scim' })
		expect(await authenticate('acme', 'three')).toBeUndefined()
	})

	test('is valid from its first to its last millisecond, without another read', async () => {
		const from = start + 48 * hour + 900
		const { accepts, state, asked } = open({
			acme: [token('secret', 0, { notBefore: from, expires: from + 900 })],
		})
		const seen: boolean[] = []
		for (const time of [from - 900, from - 1, from, from + 899, from + 900]) {
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

	test('that may only read takes the place of no other token', async () => {
		const usual = [1, 2, 3, 4].map((hours) => token(`usual-${hours}`, hours))
		const reads = [5, 6, 7, 8, 9].map((hours) => ({ ...token(`read-${hours}`, hours), scope: 'scim.read' as const }))
		const { accepts } = open({ acme: [...reads, ...usual] })
		const accepted = []
		for (const { value } of [...usual, ...reads]) if (await accepts('acme', value)) accepted.push(value)
		expect(accepted).toEqual([...usual, ...reads.slice(1)].map(({ value }) => value))
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

describe('a token that is stored as a digest', () => {
	// From: printf secret | openssl dgst -sha256 -binary | basenc --base64url
	const digest = 'sha256:K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols'

	test('is accepted, and its digest is not', async () => {
		expect(storedDigestOf('secret')).toBe(digest)
		const { accepts } = open({ acme: [token(digest), token('plain', 1)] })
		const values = ['secret', 'plain', digest, digest.slice('sha256:'.length), 'sha256:secret', '']
		const accepted = []
		for (const value of values) if (await accepts('acme', value)) accepted.push(value)
		expect(accepted).toEqual(['secret', 'plain'])
	})

	test('is refused if it looks like a digest itself, even if its own digest is stored', async () => {
		const { accepts } = open({ acme: [token(storedDigestOf(digest)), token(digest)] })
		expect(await accepts('acme', digest)).toBe(false)
	})

	test('has the dates of any other token', async () => {
		const { accepts, state } = open({ acme: [token(digest, 0, { expires: start + 49 * hour })] })
		expect(await accepts('acme', 'secret')).toBe(true)
		state.time = start + 49 * hour
		expect(await accepts('acme', 'secret')).toBe(false)
	})

	test.each([
		'sha256:',
		'sha256:secret',
		`${digest}=`,
		digest.slice(0, -1),
		`${digest}A`,
		digest.replace('-', '+'),
		digest.replace('sha256', 'SHA256'),
		` ${digest}`,
		`sha256:${'A'.repeat(43)}`,
	])('is no token at all if it is stored as %j', async (stored) => {
		const { accepts } = open({ acme: [token(stored)], globex: [] })
		expect(await accepts('acme', 'secret')).toBe(false)
		for (const tenant of ['acme', 'globex']) {
			for (const value of [`sha256:${'A'.repeat(43)}`, digest]) expect(await accepts(tenant, value)).toBe(false)
			if (isStoredDigest(stored)) expect(await accepts(tenant, stored)).toBe(false)
		}
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

	test('are read again for an unknown token, so that a new one works within two seconds', async () => {
		const { accepts, state, stored, asked } = open()
		await accepts('acme', 'wrong')
		stored.set('acme', [token('secret'), token('next', 1)])
		state.time += 2 * second - 1
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

	test('are read at most once in two seconds, whatever is sent', async () => {
		for (const isAway of [false, true]) {
			for (const tenants of [{ acme: [token('secret')] }, { acme: [] }, {}]) {
				const { accepts, state, asked } = open(tenants)
				state.isAway = isAway
				for (let round = 0; round < 200; round++) {
					const sent = ['secret', `wrong-${round}`, '', 'sha256:x', `wrong-${round % 3}`]
					await Promise.allSettled(sent.map((value) => accepts('acme', value)))
					state.time += 100
				}
				expect(asked.length).toBeLessThanOrEqual(10)
			}
		}
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
	test('an unknown token is a 503 and not a refusal, and the source is asked every two seconds', async () => {
		const { accepts, state, asked } = open()
		state.isAway = true
		await expect(accepts('acme', 'secret')).rejects.toMatchObject(unavailable(2))
		state.time += 1500
		await expect(accepts('acme', 'wrong')).rejects.toMatchObject(unavailable(1))
		expect(asked).toHaveLength(1)
		state.isAway = false
		state.time += 500
		expect(await accepts('acme', 'wrong')).toBe(false)
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(2)
	})

	test('a known token is accepted for a day, and the source is asked every two seconds', async () => {
		const { accepts, state, asked } = open()
		await accepts('acme', 'secret')
		state.isAway = true
		state.time += 5 * minute
		expect(await accepts('acme', 'secret')).toBe(true)
		state.time += 2 * second - 1
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(2)
		state.time += 1
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(3)

		state.time = start + 72 * hour - 1
		expect(await accepts('acme', 'secret')).toBe(true)
		state.time += 2 * second
		await expect(accepts('acme', 'secret')).rejects.toMatchObject(unavailable(2))
	})

	test('an unknown token is always a 503, because it may be new', async () => {
		const { accepts, state, stored, asked } = open()
		await accepts('acme', 'secret')
		stored.set('acme', [token('secret'), token('next', 1)])
		state.isAway = true
		state.time += 2 * second
		await expect(accepts('acme', 'next')).rejects.toMatchObject(unavailable(2))
		state.time += second
		await expect(accepts('acme', 'next')).rejects.toMatchObject(unavailable(1))
		expect(await accepts('acme', 'secret')).toBe(true)
		expect(asked).toHaveLength(2)
		state.isAway = false
		state.time += second
		expect(await accepts('acme', 'next')).toBe(true)
	})

	test('a token still expires at its time', async () => {
		const { accepts, state } = open({ acme: [token('secret', 0, { expires: start + 49 * hour })] })
		await accepts('acme', 'secret')
		state.isAway = true
		state.time = start + 49 * hour - 1
		expect(await accepts('acme', 'secret')).toBe(true)
		state.time += 2 * second
		await expect(accepts('acme', 'secret')).rejects.toMatchObject(unavailable(2))
	})
})

describe('a name without a tenant', () => {
	test('is looked up and answered in the same way as a wrong token', async () => {
		const { accepts, state, asked } = open()
		const probe = async () => [await accepts('acme', 'wrong'), await accepts('nobody', 'wrong')]
		expect(await probe()).toEqual([false, false])
		expect(asked).toEqual(['acme', 'nobody'])
		state.time += 2 * second - 1
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
		state.time += 2 * second
		await Promise.all(tenants.map((name) => accepts(name, 'wrong')))
		state.time += minute
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
		state.time += 2 * second
		expect(await accepts('acme', 'secret')).toBe(true)
	})
})
