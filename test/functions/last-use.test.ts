import { describe, expect, test } from 'vitest'
import { openLastUses } from '../../functions/last-use.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { fakeClock } from '../support/fake-clock.ts'

const tenantIn = (table: string) => ({ table }) as Tenant
const [acme, globex] = [tenantIn('t1'), tenantIn('t2')]
const credential = { id: 'one', scope: 'scim' } as const
const hour = 3_600_000

function open() {
	const clock = fakeClock()
	const state = { isAway: false }
	const stored: (readonly [table: string, id: string, time: number])[] = []
	const uses = openLastUses({
		async store({ tenant, id, time }) {
			if (state.isAway) throw new Error('the store is away')
			stored.push([tenant.table, id, time])
		},
		now: clock.now,
		later: clock.timer,
	})
	return { clock, state, stored, uses }
}

describe('the last use of a credential', () => {
	test('is stored soon, beside the request, once an hour', async () => {
		const { clock, stored, uses } = open()
		const start = clock.now()
		for (let minute = 0; minute < 120; minute++) {
			uses.note(acme, credential)
			await clock.advance(60_000)
		}
		uses.note(acme, credential)
		await clock.advance(60_000)
		expect(stored).toEqual([0, hour, 2 * hour].map((time) => ['t1', 'one', start + time]))
	})

	test('is kept apart for each tenant and each credential, and stored together', async () => {
		const { clock, stored, uses } = open()
		for (const tenant of [acme, globex])
			for (const id of ['one', 'two']) for (const _ of [1, 2]) uses.note(tenant, { id, scope: 'scim' })
		expect([stored.length, clock.pending()]).toEqual([0, 1])
		await clock.advance(2000)
		expect(stored.map(([table, id]) => `${table} ${id}`)).toEqual(['t1 one', 't1 two', 't2 one', 't2 two'])
	})

	test('is stored by a later use if the store was away', async () => {
		const { clock, state, stored, uses } = open()
		state.isAway = true
		uses.note(acme, credential)
		await clock.advance(2000)
		state.isAway = false
		uses.note(acme, credential)
		await uses.flush()
		expect(stored).toEqual([['t1', 'one', clock.now()]])
	})
})
