import { describe, expect, test } from 'vitest'
import type { ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import { remove } from '../../../../shared/storage/table/batch.ts'
import { newEpochFixture } from '../../../support/epochs.ts'

const hour = 60 * 60_000
const day = 24 * hour

/** A directory with histories and kept members, at half past three in the night. */
async function newFixture(feed: 'operations' | 'epochs') {
	const fixture = await newEpochFixture()
	const { open, createUser, pass, sweep, rows, table } = fixture
	const process = { feed, history: 'full' } as const
	const store = open(process)
	pass(3.5 * hour)
	const people = async () => {
		const users: ResourceId[] = []
		for (let index = 0; index < 40; index++) users.push((await createUser(store)).id)
		const members = users.map((value) => ({ value }))
		const { id } = await store.create(groupType, { attributes: { displayName: `of ${users[0]}` }, members })
		await store.delete(groupType, id)
		await store.delete(userType, users[0] ?? '')
		return users
	}
	await people()
	pass(hour)
	await sweep(process)
	pass(day - hour)
	const keys = async (prefix: string) => (await rows(prefix)).map(({ RowKey }) => RowKey)
	/** As version 0.1.0 removes entries. */
	const removeEntries = async (some: readonly string[]) => {
		for (const key of some) expect(await table.transaction([remove(key)])).toMatchObject({ kind: 'done' })
	}
	return { ...fixture, process, people, keys, removeEntries, sweepNow: () => sweep(process) }
}

describe('rows of the ledger whose entry another version has removed', () => {
	test('are removed when their time is over, and not before', async () => {
		const { pass, people, keys, removeEntries, sweepNow, ledger, process } = await newFixture('operations')
		const [erased = ''] = (await keys('h|0')).map((key) => key.split('|')[1])
		await ledger(process).erase(erased)
		const old = { histories: await keys('h|0'), kept: await keys('l|0') }
		expect(old.kept).toHaveLength(2)
		await removeEntries((await keys('c|')).slice(0, -1))
		await sweepNow()
		expect([await keys('h|0'), await keys('l|0')]).toEqual([old.histories, old.kept])
		pass(29 * day)
		await people()
		pass(hour)
		await sweepNow()
		pass(-hour)
		const all = { histories: (await keys('h|0')).length, kept: (await keys('l|0')).length }
		pass(2 * day)
		await sweepNow()
		const left = { histories: await keys('h|0'), kept: await keys('l|0') }
		expect(left.kept).toHaveLength(2)
		for (const key of old.kept) expect(left.kept).not.toContain(key)
		// The entry that the other version has left went with its rows. The row of the erasure stays.
		const stays = old.histories.filter((key) => left.histories.includes(key))
		expect(stays).toHaveLength(1)
		expect(stays[0]).toContain(erased)
		expect(left.histories.length).toBe(all.histories - old.histories.length + 1)
		expect(all.kept).toBe(4)
		expect(await keys('h|=')).not.toEqual([])
	})

	test('stay with an entry that stays for the readers of the feed', async () => {
		const { pass, keys, removeEntries, sweepNow } = await newFixture('operations')
		const entries = await keys('c|')
		const deletion = entries.at(-2) ?? ''
		await removeEntries(entries.filter((key) => key !== deletion))
		pass(40 * day)
		await sweepNow()
		expect(await keys('c|')).toEqual([deletion])
		const operation = deletion.slice('c|'.length)
		const kept = await keys('l|0')
		expect(kept.length).toBeGreaterThan(0)
		for (const key of kept) expect(key).toContain(`l|${operation}|`)
		const histories = [...(await keys('h|0')), ...(await keys('h|='))]
		expect(histories.length).toBeGreaterThan(1)
		for (const key of histories) expect(key.endsWith(operation)).toBe(true)
	})

	test('are found behind epochs that are gone', async () => {
		const { pass, people, keys, table, sweepNow } = await newFixture('epochs')
		const [history] = (await keys('h|0')).slice(-1)
		pass(31 * day)
		await people()
		pass(hour)
		await sweepNow()
		pass(-hour)
		const before = await keys('h|')
		expect(before).not.toContain(history)
		const stray = 'h|01a22f2628db7004800000000000006b|000000000001|01a22f2628db7004b00000000000006b'
		const properties = { k: 'update', rt: 'User', id: '01a22f2628db7004800000000000006b' }
		await table.transaction([{ kind: 'insert', key: stray, properties }])
		pass(day)
		await sweepNow()
		expect(await keys('h|')).toEqual(before)
	})

	test('are looked for in one hour of the day alone', async () => {
		const { pass, keys, removeEntries, sweepNow, meter } = await newFixture('operations')
		await removeEntries((await keys('c|')).slice(0, -1))
		pass(40 * day + hour)
		await sweepNow()
		expect((await keys('l|0')).length).toBe(2)
		const { requests } = await meter.measure(sweepNow)
		pass(-hour)
		await sweepNow()
		expect(await keys('l|0')).toEqual([])
		// Refusals; how far it has come; histories, the entry of which stays; and kept members.
		expect((await meter.measure(sweepNow)).requests).toBe(requests + 5)
	})
})
