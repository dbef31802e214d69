import { describe, expect, test } from 'vitest'
import { openClientLimits } from '../../../functions/oauth/limits.ts'
import { openOAuth } from '../../../functions/oauth/oauth.ts'
import type { OAuthSources } from '../../../functions/oauth/sources.ts'
import { signingKeyOf } from '../../../shared/auth/access-token.ts'
import type { Tenant } from '../../../shared/tenants/tenants.ts'
import { fakeClock } from '../../support/fake-clock.ts'
import { secretClient, secretOf } from '../../support/oauth-host.ts'

const tenant = { name: 'acme', table: 't1', cursorKey: 'a-key' } as Tenant // sound: nothing else is read
const clients = [secretClient('entra', [secretOf('right')]), secretClient('okta', [secretOf('right')])]

async function open() {
	const clock = fakeClock()
	const key = await signingKeyOf(tenant, { id: 'k1', value: 'v', created: 0 })
	const sources: OAuthSources = {
		clientsOf: async () => clients,
		signingKeys: { get: async () => [key], getAgain: async () => [key], requireCurrent: () => {} },
		findKey: async () => undefined,
	}
	const oauth = openOAuth({
		sources,
		limits: openClientLimits({ now: clock.now, timer: clock.timer }),
		now: clock.now,
		noteRefusal: () => {},
		noteUse: () => {},
		lifetimeOf: () => 7200,
	})
	const ask = (secret: string, client = 'entra') =>
		oauth.issue({ name: 'acme', tenant }, { client, proof: { secret }, scope: '', isBasic: false }).then(
			() => 'token',
			(error: { code: string; status: number }) => `${error.status} ${error.code}`,
		)
	return { clock, ask }
}

describe('the failures of a client', () => {
	test('are answered at once ten times a minute, then later, and always alike', async () => {
		const { clock, ask } = await open()
		const answers = Array.from({ length: 12 }, () => ask('wrong'))
		expect(await clock.advanceUntil(Promise.all(answers.slice(0, 10)))).toBe(0)
		expect(await clock.advanceUntil(Promise.all(answers))).toBe(1000)
		expect(new Set(await Promise.all(answers))).toEqual(new Set(['401 invalid_client']))
		const other = ask('wrong', 'okta')
		expect(await clock.advanceUntil(other)).toBe(0)
	})

	test('delay no right secret: 100 tokens a second beside 1,000 wrong secrets a second', async () => {
		const { clock, ask } = await open()
		const outcomes = new Map<string, number>()
		const wrong: Promise<string>[] = []
		for (let second = 0; second < 5; second++) {
			for (let tick = 0; tick < 100; tick++) {
				for (let count = 0; count < 10; count++) wrong.push(ask(`wrong-${count}`))
				const right = ask('right')
				const started = clock.now()
				const answer = await right
				expect(clock.now() - started).toBe(0)
				outcomes.set(answer, (outcomes.get(answer) ?? 0) + 1)
				clock.pass(10)
			}
			await clock.advance(0)
		}
		expect(outcomes).toEqual(new Map([['token', 500]]))
		await clock.advance(2000)
		expect(new Set(await Promise.all(wrong))).toEqual(new Set(['401 invalid_client']))
	}, 60_000)

	test('are slowed for unknown clients together', async () => {
		const { clock, ask } = await open()
		for (let count = 0; count < 10; count++) await ask('wrong', `made-up-${count}`)
		const answer = ask('wrong', 'made-up-again')
		expect(await clock.advanceUntil(answer)).toBe(1000)
	})
})

test('a client gets 100 tokens a second, and then a 429 that is no failure', async () => {
	const { clock, ask } = await open()
	const answers = await Promise.all(Array.from({ length: 101 }, () => ask('right')))
	expect(answers.filter((answer) => answer === 'token')).toHaveLength(100)
	expect(answers.at(-1)).toBe('429 temporarily_unavailable')
	clock.pass(1000)
	expect(await ask('right')).toBe('token')
})
