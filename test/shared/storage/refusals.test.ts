import { expect, test } from 'vitest'
import { type RefusalCount, refusalsSince, storeRefusals, subjectOf } from '../../../shared/storage/refusals.ts'
import { newDirectory } from '../../support/directory.ts'
import { simulateTableService } from '../../support/simulator/table-service.ts'

const hour = 3_600_000
const day = 24 * hour

test.each([
	[{ resourceId: '01a214972b2e700182471521e32e49d3', name: 'joy' }, '01a214972b2e700182471521e32e49d3'],
	[{ resourceId: 'no id | of ours' }, '=no!20id!20{007c!20of!20ours'],
	[{ name: 'Joy@Example.com' }, '=joy@example.com'],
	[{}, '='],
])('the subject of %j is %j', (refusal, subject) => {
	expect(subjectOf(refusal)).toBe(subject)
})

test('the sweep removes refusals that are as old as the oldest entry of the feed, once a night', async () => {
	const directory = await newDirectory(simulateTableService())
	const midnight = Math.ceil(Date.now() / day) * day - Date.now()
	const operation = directory.ids('Operation')
	const count: RefusalCount = {
		...{ operation, name: 'joy', method: 'POST', path: '/Users', status: 409, sentence: 'userName is taken' },
		...{ count: 3, first: Date.now(), last: Date.now() },
	}
	await storeRefusals(directory.table, [count, { ...count, name: 'ann' }])
	const left = async () => {
		const names: (string | undefined)[] = []
		for await (const page of refusalsSince(directory.table, 0)) names.push(...page.map(({ name }) => name))
		return names
	}
	await directory.sweep(midnight + 28 * day + 3 * hour)
	await directory.sweep(midnight + 31 * day + 4 * hour)
	expect(await left()).toEqual(['ann', 'joy'])
	await directory.sweep(midnight + 31 * day + 3 * hour)
	expect(await left()).toEqual([])
})

test('only refusals of the last hours are read if a reader asks for them', async () => {
	const { table, ids } = await newDirectory(simulateTableService())
	const refusal = { name: 'joy', method: 'POST', path: '/Users', status: 409, sentence: 'userName is taken' }
	const at = (last: number): RefusalCount => ({ ...refusal, operation: ids('Operation'), count: 1, first: last, last })
	const [then, now] = [at(Date.now() - 2 * hour), at(Date.now())]
	await storeRefusals(table, [then, now])
	for await (const page of refusalsSince(table, Date.now() - hour)) expect(page).toEqual([now])
})
