import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Filter } from '../../../../shared/scim/filter/ast.ts'
import { matches } from '../../../../shared/scim/filter/match.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import { urn } from '../../../../shared/scim/urn.ts'
import type { Page, QueryResult } from '../../../../shared/storage/query/page.ts'
import { viewOf } from '../../../../shared/storage/query/view.ts'
import { openDirectory } from '../../../../shared/storage/table-store.ts'
import { newDirectory } from '../../../support/directory.ts'
import { seedUsers } from '../../../support/seed.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

// An index, a prefix and the conditions of a scan find the same users as a comparison of every user with the filter.

/**
 * Texts with equal beginnings. Some have characters that a key cannot hold, some are composed in two ways, and some are
 * longer than the index keeps them.
 */
const short = fc
	.array(fc.constantFrom('a', 'A', 'e', 'é', 'e\u0301', 'É', '/', '|', '~', "'", ' ', '😀', 'Σ', 'σ'), {
		minLength: 1,
		maxLength: 5,
	})
	.map((parts) => parts.join(''))
const long = fc.integer({ min: 140, max: 260 }).map((length) => 'x'.repeat(length))
const text = fc.oneof({ arbitrary: short, weight: 3 }, long)

const attributes = fc.record({
	externalId: text,
	displayName: text,
	title: text,
	active: fc.boolean(),
	name: fc.record({ familyName: text, givenName: text }),
	emails: fc.array(fc.record({ value: text }), { maxLength: 3 }),
	[urn.enterpriseUser]: fc.record({ department: text, manager: fc.record({ value: text }) }),
})

const paths = [
	...['userName', 'externalId', 'displayName', 'title', 'emails.value', 'emails', 'name.familyName', 'name.givenName'],
	...[`${urn.enterpriseUser}:department`, `${urn.enterpriseUser}:manager.value`, 'department'],
]

const comparison = fc.record({
	path: fc.constantFrom(...paths),
	operator: fc.constantFrom('sw', 'sw', 'eq'),
	of: fc.nat(),
	length: fc.nat(300),
})

const textAt = (user: StoredResource | undefined, path: string): string => {
	const { emails = [], name, ...rest } = (user?.attributes ?? {}) as Record<string, never> // sound: made by the test
	const enterprise = rest[urn.enterpriseUser] as Record<string, string> | undefined
	const last = path.split(/[:.]/).at(-1) ?? ''
	const email = (emails as { value: string }[])[0]?.value
	return String(path.startsWith('emails') ? email : (rest[last] ?? name?.[last] ?? enterprise?.[last] ?? 'a'))
}

describe('a filter with sw or eq', () => {
	test('finds the users that match, and no others', async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(attributes, { minLength: 3, maxLength: 8 }),
				fc.array(fc.tuple(comparison, comparison), { minLength: 4, maxLength: 8 }),
				async (drafts, pairs) => {
					const { store, open } = await newDirectory(simulateTableService())
					// While a tenant's format changes, there are rows of both formats.
					const writers = [store, open((send) => send, Date.now, 2)]
					const users: StoredResource[] = []
					for (const [index, draft] of drafts.entries()) {
						const userName = `${draft.displayName}${index}`
						const user = await writers[index % 2]?.create(userType, { attributes: { ...draft, userName } })
						if (user !== undefined) users.push(user)
					}
					const written = ({ path, operator, of, length }: (typeof pairs)[number][0]) => {
						const value = textAt(users[of % users.length], path)
						return `${path} ${operator} ${JSON.stringify(operator === 'sw' ? value.slice(0, length) : value)}`
					}
					for (const [first, second] of pairs) {
						for (const filter of [written(first), `${written(first)} and ${written(second)}`].map((text) =>
							parseFilter(text),
						)) {
							const { resources } = await store.query(userType, { filter, page: { startIndex: 1, count: 100 } })
							expect(resources).toEqual(users.filter((user) => isFound(filter, user)))
						}
					}
				},
			),
			{ numRuns: 60 },
		)
	})

	test('takes one request if an index or a column has the attribute', async () => {
		const simulator = simulateTableService()
		const { store, table, ...directory } = await newDirectory(simulator)
		const users = await seedUsers({ table, ...directory }, 5000, simulator)
		const revise = ({ attributes }: StoredResource) => ({ attributes: { ...attributes, title: 'Boss', active: false } })
		for (const id of users.slice(3000, 3003)) await store.update(userType, id, { revise })
		const cost = async (filter: string) => {
			const query = { filter: parseFilter(filter), page: { startIndex: 1, count: 5 } }
			const { result, requests } = await directory.meter.measure(() => store.query(userType, query))
			return { found: result.totalResults, requests }
		}
		expect(await cost('userName sw "SEEDED-300"')).toEqual({ found: 11, requests: 1 })
		expect(await cost('title eq "boss"')).toEqual({ found: 3, requests: 1 })
		expect(await cost('active eq false and userName co "1"')).toEqual({ found: 1, requests: 1 })
		// The table service takes no more than fifteen comparisons.
		const again = Array.from({ length: 20 }, () => 'title eq "boss"').join(' and ')
		expect(await cost(again)).toEqual({ found: 3, requests: 1 })
		// Without an index or a column: five pages of users, and the count.
		expect(await cost('userName ew "300"')).toEqual({ found: 5, requests: 6 })
	})

	test('is refused before its candidates are read if they are too many', async () => {
		const { store, ...directory } = await newDirectory(simulateTableService())
		for (const displayName of ['a', 'b', 'c']) {
			await store.create(groupType, { attributes: { displayName, externalId: 'same' } })
		}
		const limited = openDirectory({ ...directory, now: Date.now, random: () => 1, scanLimit: 2 })
		const query = { filter: parseFilter('externalId eq "same" and members pr'), page: { startIndex: 1, count: 5 } }
		const refused = () => expect(limited.query(groupType, query)).rejects.toMatchObject({ scimType: 'tooMany' })
		expect(await directory.meter.measure(refused)).toMatchObject({ requests: 1 })
	})

	test('is walked by cursor if it has too many candidates, and a page reads no more than the limit', async () => {
		const simulator = simulateTableService()
		const directory = await newDirectory(simulator)
		const users = await seedUsers(directory, 3500, simulator)
		const limited = openDirectory({ ...directory, now: Date.now, random: () => 1, scanLimit: 1000 })
		const walk = async (written: string) => {
			const pages: QueryResult[] = []
			const filter = parseFilter(written)
			for (let next: string | undefined = ''; next !== undefined; ) {
				const page: Page = { after: next, count: 400 }
				const ask = (): Promise<QueryResult> => limited.query(userType, { filter, page })
				const { result, requests } = await directory.meter.measure(ask)
				// The first page begins as if there were few candidates, and counts the users.
				expect(requests).toBeLessThanOrEqual(next === '' ? 4 : 1)
				pages.push(result)
				next = result.next
			}
			return pages.map(({ resources }) => resources.map(({ id }) => id))
		}
		expect((await walk('userName sw "seeded-"')).flat()).toEqual(users)
		const inOrder = users.filter((_, index) => String(index).startsWith('1'))
		expect((await walk('userName sw "seeded-1"')).flat()).toEqual(inOrder)
		expect(await walk('title eq "nobody"')).toEqual([[]])
		// A walk has no conditions. With them, the table service could read any number of rows for one page.
		const begin = { filter: parseFilter('userName sw "seeded-"'), page: { after: '', count: 400 } }
		const { next: after = '' } = await limited.query(userType, begin)
		const found = await limited.query(userType, { filter: parseFilter('title eq "x"'), page: { after, count: 400 } })
		expect(found).toEqual({ resources: [], next: expect.any(String) })
	})
})

const isFound = (filter: Filter, user: StoredResource): boolean => matches(filter, viewOf(userType, user), userType)
