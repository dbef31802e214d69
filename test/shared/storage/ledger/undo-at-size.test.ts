import { expect, test } from 'vitest'
import { userType } from '../../../../shared/scim/resource-type.ts'
import { undo } from '../../../../shared/storage/ledger/undo.ts'
import { undoKinds } from '../../../../shared/storage/ledger/undo-window.ts'
import { newDirectory } from '../../../support/directory.ts'
import { randomFrom, simulateTableService } from '../../../support/simulator/table-service.ts'
import { damage, differences, exported, populate, set, sizedDirectory } from '../../../support/undo-at-size.ts'

// `npm run bench -- undo` does the same with 10,000 people and 100,000 memberships.

const minute = 60_000

test('all people and memberships that random requests took away come back, and a leaver of another credential stays one', async () => {
	const { tables, tenant, feed } = await newDirectory(simulateTableService())
	const directory = sizedDirectory(tables, { tenant, feed })
	const store = directory.as('prod')
	const population = await populate(store, { people: 400, groups: 5 })
	directory.clock.ahead += 2 * minute
	const since = directory.now()
	const leavers = population.users.slice(0, 10)
	for (const id of leavers) await directory.as('hr').update(userType, id, set({ active: false }))
	const before = await exported(store)
	const done = await damage(store, population, { random: randomFrom(7), spared: new Set(leavers) })
	expect(done.memberships).toBe(2000)
	directory.clock.ahead += 2 * minute
	const request = { since, until: directory.now(), credential: 'prod', only: undoKinds, isForced: false }
	const plan = await directory.ledger.planUndo(request)
	expect(plan.left).toEqual([])
	expect(await undo(store, plan)).toMatchObject({ restored: done.deleted + done.groups, left: [] })
	expect(differences(before, await exported(store))).toEqual([])
	for (const id of leavers) expect((await store.get(userType, id))?.attributes.active).toBe(false)
	const again = await directory.ledger.planUndo({ ...request, until: directory.now() })
	expect(again).toEqual({ revisions: [], restorations: [], memberships: [], left: [], activated: 0 })
})
