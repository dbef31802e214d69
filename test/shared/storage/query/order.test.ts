import { beforeAll, expect, test } from 'vitest'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import type { Query } from '../../../../shared/storage/query/page.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

// Clients hold positions in cursors, also those that an earlier release wrote. These texts must not change.

let directory: TestDirectory
/** The ids of five users, A to E in the order of their ids, and of the group G. */
const ids = new Map<string, ResourceId>()

beforeAll(async () => {
	directory = await newDirectory(simulateTableService())
	const { store } = directory
	const users = [
		['A', { userName: 'echo', displayName: 'x' }],
		['B', { userName: 'Delta', displayName: 'X' }],
		['C', { userName: 'charlie' }],
		['D', { userName: 'bravo', displayName: 'Y z' }],
		['E', { userName: 'alpha', displayName: 'w' }],
	] as const
	for (const [letter, attributes] of users) {
		ids.set(letter, (await store.create(userType, { attributes: { ...attributes, title: 'Boss' } })).id)
	}
	const members = [...ids.values()].map((value) => ({ value }))
	ids.set('G', (await store.create(groupType, { attributes: { displayName: 'G' }, members })).id)
})

const withIds = (text: string): string =>
	text.replace(/[A-G]$|\{G\}/g, (letter) => ids.get(letter.replace(/[{}]/g, '')) ?? letter)

const letterOf = (id: string): string | undefined => [...ids].find(([, each]) => each === id)?.[0]

const filterBy = (filter: string) => (): Pick<Query, 'filter'> => ({ filter: parseFilter(withIds(filter)) })
const sortBy =
	(name: string, descending = false) =>
	(): Pick<Query, 'sort'> => ({ sort: { by: { name }, descending } })

type Found = { readonly found: string; readonly totalResults?: number; readonly next?: string }

test.each<[string, string, () => Omit<Query, 'page'>, Found]>([
	['all users', '|B', () => ({}), { found: 'CD', totalResults: 5, next: '|D' }],
	['all users', '|D', () => ({}), { found: 'E', totalResults: 5 }],
	['a scan', '|B', filterBy('title eq "boss"'), { found: 'CD', totalResults: 5, next: '|D' }],
	['a walk over a scan', '>|B', filterBy('title eq "boss"'), { found: 'CD', next: '>|D' }],
	['a walk over a scan', '>|C', filterBy('title eq "boss"'), { found: 'DE' }],
	['an index', '|A', filterBy('displayName eq "x"'), { found: 'B', totalResults: 2 }],
	['a walk over an index', '>|A', filterBy('displayName eq "x"'), { found: 'B' }],
	['a prefix', '|A', filterBy('displayName sw "x"'), { found: 'B', totalResults: 2 }],
	['a walk for a prefix', '>|A', filterBy('displayName sw "x"'), { found: 'B' }],
	['the users of a group', '|B', filterBy('groups eq "{G}"'), { found: 'CD', totalResults: 5, next: '|D' }],
	['a walk over the users of a group', '>|B', filterBy('groups eq "{G}"'), { found: 'CD', next: '>|D' }],
	['users by userName', 'bravo|D', sortBy('userName'), { found: 'CB', totalResults: 5, next: 'delta|B' }],
	['users by displayName', 'w|E', sortBy('displayName'), { found: 'AB', totalResults: 5, next: 'x|B' }],
	['users by displayName', 'x|A', sortBy('displayName'), { found: 'BD', totalResults: 5, next: 'y!20z|D' }],
	['users by displayName', 'y!20z|D', sortBy('displayName'), { found: 'C', totalResults: 5 }],
	[
		'users by displayName, descending',
		'~|C',
		sortBy('displayName', true),
		{ found: 'DA', totalResults: 5, next: 'x|A' },
	],
])('the page of %s after position %s', async (_, position, query, expected) => {
	const page = { after: withIds(position), count: 2 }
	const { resources, next, ...total } = await directory.store.query(userType, { ...query(), page })
	expect({
		found: resources.map(({ id }) => letterOf(id)).join(''),
		...total,
		...(next !== undefined && { next: next.replace(/[^|]*$/, (id) => letterOf(id) ?? id) }),
	}).toEqual(expected)
})
