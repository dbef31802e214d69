import { expect, test } from 'vitest'
import { idGenerator } from '../../../../shared/scim/id.ts'
import { userType } from '../../../../shared/scim/resource-type.ts'
import { feedStart } from '../../../../shared/storage/ledger/feed-start.ts'
import { openLedger } from '../../../../shared/storage/ledger/ledger.ts'
import { undoKinds } from '../../../../shared/storage/ledger/undo-window.ts'
import { noEpochKnown } from '../../../../shared/storage/rows/directory.ts'
import { epochEndRow, epochPart, epochPointerRow } from '../../../../shared/storage/rows/schema.ts'
import { directoryOf, openDirectory } from '../../../../shared/storage/table-store.ts'
import { entryKey } from '../../../../shared/storage/transaction/epochs.ts'
import { newDirectory } from '../../../support/directory.ts'
import { randomFrom, simulateTableService } from '../../../support/simulator/table-service.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const end = Date.parse('2026-06-30T00:00:00Z')

/** A month of epochs. About each minute, a row says when an epoch was over. */
async function monthOfEpochs() {
	const clock = { now: end - 30 * day }
	const service = simulateTableService({ now: () => clock.now })
	const { tables, tenant, ids, meter } = await newDirectory(service)
	const random = randomFrom(3)
	const ends: { readonly epoch: number; readonly time: number }[] = []
	let epoch = 0
	for (; clock.now < end; clock.now += minute + Math.floor(random() * 1000)) {
		// The nights are quiet.
		if (clock.now % day < 6 * hour) continue
		epoch += 1 + Math.floor(random() * 30)
		service.load(tenant.table, { partitionKey: tenant.name, rowKey: epochEndRow.key(epochPart(epoch)) }, {})
		ends.push({ epoch, time: clock.now })
	}
	const pointer = epochPointerRow.properties({ open: epoch + 5, lanes: 1, first: 1 })
	service.load(tenant.table, { partitionKey: tenant.name, rowKey: epochPointerRow.key() }, pointer)
	const options = { tables, tenant, ids, now: () => clock.now, random: () => 1, feed: 'epochs' } as const
	return { directory: directoryOf(options), ends, meter }
}

test('the beginning of a time is found in a month of epochs by few requests', async () => {
	const { directory, ends, meter } = await monthOfEpochs()
	const cost: Record<string, number> = {}
	for (const hours of [0, 2, 8, 24, 100, 400, 700]) {
		const since = end - hours * hour
		const { result, requests } = await meter.measure(() => feedStart(directory, since))
		const over = ends.findLast(({ time }) => time <= since - hour)
		expect(result).toBe(entryKey(over?.epoch ?? -1, '~'))
		cost[`${hours} h ago`] = requests
	}
	expect(cost).toEqual({
		...{ '0 h ago': 2, '2 h ago': 4, '8 h ago': 4, '24 h ago': 7 },
		...{ '100 h ago': 7, '400 h ago': 9, '700 h ago': 4 },
	})
	const { result, requests } = await meter.measure(() => feedStart(directory, end - 30 * day))
	expect({ result, requests }).toEqual({ result: expect.stringMatching(/^c\|/), requests: 4 })
})

test('a plan reads the entries of its time and later, and not those before', async () => {
	const clock = { now: end }
	const service = simulateTableService({ now: () => clock.now })
	const { tables, tenant, meter } = await newDirectory(service)
	let made = 0
	const ids = idGenerator(
		() => clock.now,
		(digits) => (made++).toString(16).padStart(digits, '0'),
	)
	const now = () => clock.now
	const epochs = noEpochKnown()
	const options = { tables, tenant, ids, now, elapsed: now, epochs, random: () => 1, feed: 'epochs' } as const
	const store = openDirectory({ ...options, history: 'full' })
	const { id } = await store.create(userType, { attributes: { userName: 'joy' } })
	const titled = (title: string) =>
		store.update(userType, id, { revise: ({ attributes }) => ({ attributes: { ...attributes, title } }) })
	for (let change = 0; change < 3000; change++) {
		clock.now += 10_000
		await titled(`title ${change}`)
		if (change % 10 === 0) await store.changes(await store.feedEnd(), 1)
	}
	const { planUndo } = openLedger({ ...options, history: 'full' })
	const plan = (since: number) =>
		meter.measure(() => planUndo({ since, until: clock.now, only: undoKinds, isForced: false }))
	const all = await plan(clock.now - 9 * hour)
	const last = await plan(clock.now - 5000)
	expect(last.result.revisions).toMatchObject([{ values: [{ was: 'title 2998', is: 'title 2999' }] }])
	expect(all.result.revisions).toEqual([])
	expect([all.requests, last.requests]).toEqual([8, 5])
})
