import { expect, test } from 'vitest'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import { userType } from '../../../../shared/scim/resource-type.ts'
import { newDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const users = 10
const searches = 4

test('several searches unpack one long user in each round of the event loop', async () => {
	const store = (await newDirectory(simulateTableService())).open((send) => send)
	for (let index = 0; index < users; index++) {
		await store.create(userType, { attributes: { userName: `user-${index}`, nickName: 'x'.repeat(40_000) } })
	}
	const filter = parseFilter('nickName co "y"')
	const search = () => store.query(userType, { filter, page: { startIndex: 1, count: 10 } })
	let left = searches
	const all = Promise.all(Array.from({ length: searches }, () => search().finally(() => left--)))
	let rounds = 0
	for (; left > 0; rounds++) await new Promise((resolve) => setImmediate(resolve))
	expect((await all).map(({ totalResults }) => totalResults)).toEqual([0, 0, 0, 0])
	expect(rounds).toBeGreaterThanOrEqual(users * searches)
})
