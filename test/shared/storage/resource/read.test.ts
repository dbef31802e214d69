import { describe, expect, test } from 'vitest'
import type { Member, ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { violationsIn } from '../../../support/audit.ts'
import { newDirectory } from '../../../support/directory.ts'
import { withFaults } from '../../../support/faults.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const asMembers = (ids: readonly ResourceId[]): readonly Member[] => ids.map((value) => ({ value }))

/** A group with half of the users, and what others may do to it. */
async function newWorld(size: number, shortPage = 0) {
	const directory = await newDirectory(simulateTableService({ shares: { shortPage } }))
	const { store } = directory
	const users: ResourceId[] = []
	for (let index = 0; index < 2 * size; index++) {
		users.push((await store.create(userType, { attributes: { userName: `user${index}` } })).id)
	}
	const [old, young] = [users.slice(0, size), users.slice(size)]
	const { id } = await store.create(groupType, { attributes: { displayName: 'old' }, members: asMembers(old) })
	const rename = () => store.update(groupType, id, { revise: () => ({ attributes: { displayName: 'renamed' } }) })
	const replaceMembers = () => store.changeMembers(id, { add: asMembers(young), remove: old })
	const replace = () =>
		store.update(groupType, id, {
			revise: () => ({ attributes: { displayName: 'young' }, membership: { add: asMembers(young), remove: old } }),
		})
	return { directory, id, old, young, rename, replaceMembers, replace }
}

type Seen = { readonly name: unknown; readonly version: unknown; readonly members: readonly ResourceId[] | undefined }

type Read = (store: ResourceStore, id: ResourceId) => Promise<Seen>

const valuesOf = (members: readonly Member[] | undefined) => members?.map(({ value }) => value)

const readings: readonly [string, Read][] = [
	[
		'in pieces',
		async (store, id) => {
			const { resource, members } = (await store.getGroup(id, { write: (page) => page })) ?? {}
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

const nothing: Seen = { name: undefined, version: undefined, members: undefined }

type World = Awaited<ReturnType<typeof newWorld>>

/** What is seen by a reader before whose `at`th request somebody else does something, and with how many requests. */
async function readAmid({ directory, id }: World, read: Read, at: number, work: () => Promise<unknown>) {
	let requests = 0
	const store = directory.open((send) => async (request) => {
		if (++requests === at) await work()
		return send(request)
	})
	return { seen: await read(store, id), requests }
}

describe.each(readings)('a group that is read %s', (_, read) => {
	test.each([
		['a few', 4],
		['many', 40],
	])('is as it was before or after a request that changes its name and %s members', async (_, size) => {
		const times = { before: 0, after: 0 }
		for (let at = 1; ; at++) {
			const world = await newWorld(size, 0.3)
			const { directory, id, replace, old, young } = world
			const versionNow = async () => (await directory.store.get(groupType, id))?.version
			const before: Seen = { name: 'old', version: await versionNow(), members: old }
			const { seen, requests } = await readAmid(world, read, at, replace)
			if (requests < at) break
			const after: Seen = { name: 'young', version: await versionNow(), members: young }
			expect([before, after]).toContainEqual(seen)
			times[seen.name === 'old' ? 'before' : 'after']++
			expect(await violationsIn(directory.table)).toEqual([])
		}
		expect(times.after).toBeGreaterThan(1)
	})

	test('is there as it was, or is not, where it is being deleted', async () => {
		const world = await newWorld(70)
		const { directory, id, old } = world
		const before: Seen = { name: 'old', version: (await directory.store.get(groupType, id))?.version, members: old }
		// Whoever deletes it dies when the first memberships have been removed.
		let writes = 0
		const dying = directory.open(
			withFaults(({ method }) => (method === 'POST' && ++writes > 2 ? 'unsent' : 'answered')),
		)
		const { seen } = await readAmid(world, read, 2, async () => {
			await dying.delete(groupType, id).catch(() => undefined)
		})
		expect([before, nothing]).toContainEqual(seen)
	})

	test('takes two requests, and two more where such a request comes in between', async () => {
		const world = await newWorld(4)
		const { directory, id, old, young, rename, replaceMembers, replace } = world
		const idle = () => Promise.resolve()
		const costs: number[] = []
		const cost = async (work: () => Promise<unknown>) =>
			void costs.push((await readAmid(world, read, 2, work)).requests)
		for (const work of [idle, replaceMembers, idle, rename, idle]) await cost(work)
		expect(costs.splice(0)).toEqual([2, 2, 2, 2, 2])
		await directory.store.changeMembers(id, { add: asMembers(old), remove: young })
		for (const work of [replace, idle, rename, idle]) await cost(work)
		expect(costs).toEqual([4, 2, 2, 2])
		expect(await violationsIn(directory.table)).toEqual([])
		expect((await read(directory.store, id)).name).toBe('renamed')
	})
})

test('the members of a group are not read where its version is known', async () => {
	const { directory, id } = await newWorld(4)
	const { store, meter } = directory
	const write = () => expect.unreachable()
	const { result, requests } = await meter.measure(() => store.getGroup(id, { write, isKnown: () => true }))
	expect(result).toEqual({ resource: await store.get(groupType, id), members: undefined })
	expect(requests).toBe(1)
})

test.each([
	['no id', 'x'],
	['a user', undefined],
])('%s is no group', async (_, id) => {
	const { directory, old } = await newWorld(1)
	expect(await directory.store.getGroup(id ?? old[0] ?? '', { write: (page) => page })).toBe(undefined)
})
