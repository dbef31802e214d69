import { describe, expect, test } from 'vitest'
import type { Member, ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { violationsIn } from '../../../support/audit.ts'
import { newDirectory } from '../../../support/directory.ts'
import { withFaults } from '../../../support/faults.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const asMembers = (ids: readonly ResourceId[]): readonly Member[] => ids.map((value) => ({ value }))

/** A group whose members are half of the users, and the changes that other processes make to it. */
async function newFixture(size: number, shortPage = 0) {
	const directory = await newDirectory(simulateTableService({ shares: { shortPage } }))
	const { store } = directory
	const users: ResourceId[] = []
	for (let index = 0; index < 2 * size; index++) {
		users.push((await store.create(userType, { attributes: { userName: `user${index}` } })).id)
	}
	const [oldMembers, newMembers] = [users.slice(0, size), users.slice(size)]
	const { id } = await store.create(groupType, { attributes: { displayName: 'old' }, members: asMembers(oldMembers) })
	const rename = () => store.update(groupType, id, { revise: () => ({ attributes: { displayName: 'renamed' } }) })
	const replaceMembers = () => store.changeMembers(id, { add: asMembers(newMembers), remove: oldMembers })
	const replace = () =>
		store.update(groupType, id, {
			revise: () => ({
				attributes: { displayName: 'new' },
				membership: { add: asMembers(newMembers), remove: oldMembers },
			}),
		})
	return { directory, id, oldMembers, newMembers, rename, replaceMembers, replace }
}

type Reading = {
	readonly name: unknown
	readonly version: unknown
	readonly members: readonly ResourceId[] | undefined
}

type Read = (store: ResourceStore, id: ResourceId) => Promise<Reading>

const valuesOf = (members: readonly Member[] | undefined) => members?.map(({ value }) => value)

const reads: readonly [string, Read][] = [
	[
		'page by page',
		async (store, id) => {
			const { resource, members } = (await store.getGroup(id, { write: async (page) => page })) ?? {}
			return {
				name: resource?.attributes.displayName,
				version: resource?.version,
				members: valuesOf(members?.flat()),
			}
		},
	],
	[
		'at once',
		async (store, id) => {
			const { attributes, version, members } = (await store.get(groupType, id, { members: true })) ?? {}
			return { name: attributes?.displayName, version, members: valuesOf(members) }
		},
	],
]

const nothing: Reading = { name: undefined, version: undefined, members: undefined }

type Fixture = Awaited<ReturnType<typeof newFixture>>

/** Reads a group, with a change by another process before the `at`th request of the reader. */
async function readAmid({ directory, id }: Fixture, read: Read, at: number, change: () => Promise<unknown>) {
	let requests = 0
	const store = directory.open((send) => async (request) => {
		if (++requests === at) await change()
		return send(request)
	})
	return { reading: await read(store, id), requests }
}

describe.each(reads)('a group that is read %s', (_, read) => {
	test.each([
		['a few', 4],
		['many', 40],
	])('is as before or as after a request that changes its name and %s members', async (_, size) => {
		const times = { before: 0, after: 0 }
		for (let at = 1; ; at++) {
			const fixture = await newFixture(size, 0.3)
			const { directory, id, replace, oldMembers, newMembers } = fixture
			const currentVersion = async () => (await directory.store.get(groupType, id))?.version
			const before: Reading = { name: 'old', version: await currentVersion(), members: oldMembers }
			const { reading, requests } = await readAmid(fixture, read, at, replace)
			if (requests < at) break
			const after: Reading = { name: 'new', version: await currentVersion(), members: newMembers }
			expect([before, after]).toContainEqual(reading)
			times[reading.name === 'old' ? 'before' : 'after']++
			expect(await violationsIn(directory.table)).toEqual([])
		}
		expect(times.after).toBeGreaterThan(1)
	})

	test('is unchanged or absent while another process deletes it', async () => {
		const fixture = await newFixture(70)
		const { directory, id, oldMembers } = fixture
		const version = (await directory.store.get(groupType, id))?.version
		const before: Reading = { name: 'old', version, members: oldMembers }
		// The process that deletes the group dies after it has removed the first memberships.
		let writes = 0
		const dying = directory.open(
			withFaults(({ method }) => (method === 'POST' && ++writes > 2 ? 'unsent' : 'answered')),
		)
		const { reading } = await readAmid(fixture, read, 2, async () => {
			await dying.delete(groupType, id).catch(() => undefined)
		})
		expect([before, nothing]).toContainEqual(reading)
	})

	test('takes two requests, and two more if its name and members change together in between', async () => {
		const fixture = await newFixture(4)
		const { directory, id, oldMembers, newMembers, rename, replaceMembers, replace } = fixture
		const idle = () => Promise.resolve()
		const costs: number[] = []
		const cost = async (change: () => Promise<unknown>) =>
			void costs.push((await readAmid(fixture, read, 2, change)).requests)
		for (const change of [idle, replaceMembers, idle, rename, idle]) await cost(change)
		expect(costs.splice(0)).toEqual([2, 2, 2, 2, 2])
		await directory.store.changeMembers(id, { add: asMembers(oldMembers), remove: newMembers })
		for (const change of [replace, idle, rename, idle]) await cost(change)
		expect(costs).toEqual([4, 2, 2, 2])
		expect(await violationsIn(directory.table)).toEqual([])
		expect((await read(directory.store, id)).name).toBe('renamed')
	})
})

test('reading a group leaves out the members if the reader knows the version', async () => {
	const { directory, id } = await newFixture(4)
	const { store, meter } = directory
	const write = () => expect.unreachable()
	const { result, requests } = await meter.measure(() => store.getGroup(id, { write, skipMembersIf: () => true }))
	expect(result).toEqual({ resource: await store.get(groupType, id), members: undefined })
	expect(requests).toBe(1)
})

test.each([
	['a string that is no id', 'x'],
	['the id of a user', undefined],
])('reading a group finds nothing by %s', async (_, id) => {
	const { directory, oldMembers } = await newFixture(1)
	expect(await directory.store.getGroup(id ?? oldMembers[0] ?? '', { write: async (page) => page })).toBe(undefined)
})
