import { describe, expect, test } from 'vitest'
import { ownRecordOf } from '../../../cli/entra/own-record.ts'
import { builtInTypes, userType } from '../../../shared/scim/resource-type.ts'
import { openLedger } from '../../../shared/storage/ledger/ledger.ts'
import { openLookup } from '../../../shared/storage/lookup.ts'
import { type RefusalCount, storeRefusals } from '../../../shared/storage/refusals.ts'
import { newDirectory } from '../../support/directory.ts'
import { simulateTableService } from '../../support/simulator/table-service.ts'

const minute = 60_000

async function open() {
	const directory = await newDirectory(simulateTableService())
	const { tables, tenant, ids, feed, table, store } = directory
	const options = { tables, tenant, ids, feed, now: Date.now, random: () => 1 }
	const records = {
		ledger: openLedger({ ...options, history: 'full' }),
		lookup: openLookup({ ...options, types: builtInTypes }),
	}
	const refuse = (refusal: Partial<RefusalCount>, at: number) =>
		storeRefusals(table, [
			{
				...{ operation: ids('Operation'), method: 'POST', path: '/Users', status: 409, scimType: 'uniqueness' },
				...{ sentence: 'userName "joy" is already taken', count: 1, first: at, last: at, ...refusal },
			},
		])
	const { id } = await store.create(userType, { attributes: { userName: 'joy' } })
	return { records, refuse, id, meter: directory.meter }
}

const refused = {
	kind: 'refused',
	sentence: 'refused POST /Users 409 uniqueness: userName "joy" is already taken',
}

describe("what Rollcall has recorded about a request that failed in Entra's log", () => {
	test.each([
		['a userName, in another letter case', { name: 'Joy@Contoso.com' }, ['an-object-id', 'joy@contoso.com']],
		['an externalId', { name: 'an-object-id' }, ['an-object-id', 'joy@contoso.com']],
	])('is the refusal about %s', async (_, refusal, names) => {
		const { records, refuse } = await open()
		const at = Date.now() - 60 * minute
		await refuse({ ...refusal, sentence: 'an older one' }, at - 60 * minute)
		await refuse(refusal, at - 2 * minute)
		expect(await ownRecordOf(records, { at, names })).toEqual(refused)
	})

	test('is the refusal about the id in the path, also if the same was refused from then on', async () => {
		const { records, refuse, id } = await open()
		const at = Date.now() - 60 * minute
		await refuse({ resourceId: id, first: at - 40 * minute, last: at + 40 * minute }, at)
		expect(await ownRecordOf(records, { at, names: [id] })).toEqual(refused)
	})

	test('is the change, if there was one and no refusal', async () => {
		const { records, refuse, id } = await open()
		await refuse({ resourceId: id }, Date.now() - 60 * minute)
		expect(await ownRecordOf(records, { at: Date.now(), names: ['', id] })).toEqual({
			kind: 'done',
			sentence: expect.stringMatching(/^done at 20\S+Z: created$/),
		})
	})

	test('is nothing, if no write arrived at that time', async () => {
		const { records, refuse, id } = await open()
		const at = Date.now() - 60 * minute
		await refuse({ name: 'joy@contoso.com' }, at - 11 * minute)
		expect(await ownRecordOf(records, { at, names: [id, 'joy@contoso.com'] })).toEqual({
			kind: 'none',
			sentence: expect.stringMatching(/^no record of a write at that time: no request arrived, /),
		})
	})

	test('takes a request to storage for each name, five at most, and those of a page of history', async () => {
		const { records, refuse, id, meter } = await open()
		const at = Date.now()
		await refuse({ name: 'a' }, at)
		const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
		expect((await meter.measure(() => ownRecordOf(records, { at, names }))).requests).toBe(5)
		expect((await meter.measure(() => ownRecordOf(records, { at, names: [id] }))).requests).toBe(9)
	})
})
