import { createHash, randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { idGenerator } from '../../shared/scim/id.ts'
import type { AttributeValues, ResourceId, StoredResource } from '../../shared/scim/resource.ts'
import { groupType, userType } from '../../shared/scim/resource-type.ts'
import { type Ledger, openLedger } from '../../shared/storage/ledger/ledger.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { noEpochKnown } from '../../shared/storage/rows/directory.ts'
import { chunked, inParallel } from '../../shared/storage/table/parallel.ts'
import type { Tables } from '../../shared/storage/table/tables.ts'
import { type DirectoryOptions, openDirectory } from '../../shared/storage/table-store.ts'

// A directory of any size, random requests that take people and memberships away, and what is there before and after.

export type SizedDirectory = {
	/** How far the clock of the directory is ahead of the machine's, in milliseconds. */
	readonly clock: { ahead: number }
	readonly now: () => number
	/** The directory as a credential with this label changes it. */
	as(label: string): ResourceStore
	readonly ledger: Ledger
}

export function sizedDirectory(
	tables: Tables,
	{ tenant, feed = 'epochs' }: Pick<DirectoryOptions, 'tenant'> & Partial<Pick<DirectoryOptions, 'feed'>>,
): SizedDirectory {
	const clock = { ahead: 0 }
	const now = () => Date.now() + clock.ahead
	const ids = idGenerator(now, (digits) => randomBytes(16).toString('hex').slice(0, digits))
	const shared = {
		tables,
		tenant,
		feed,
		ids,
		now,
		random: Math.random,
		history: 'full',
		epochs: noEpochKnown(),
	} as const
	return {
		clock,
		now,
		as: (label) => openDirectory({ ...shared, actor: { credential: { id: `id-of-${label}`, label } } }),
		ledger: openLedger(shared),
	}
}

export type Population = { readonly users: readonly ResourceId[]; readonly groups: readonly ResourceId[] }

/** Creates people, and groups with all of them as members. */
export async function populate(store: ResourceStore, size: { people: number; groups: number }): Promise<Population> {
	const numbers = Array.from({ length: size.people }, (_, index) => index)
	const users = await inParallel(numbers, async (index) => {
		const name = { givenName: `Given ${index}`, familyName: 'Family' }
		const attributes = { userName: `user${index}`, title: 'boss', name, ...(index % 2 === 0 && { active: true }) }
		return (await store.create(userType, { attributes })).id
	})
	const members = users.map((value) => ({ value }))
	const groups: ResourceId[] = []
	for (let index = 0; index < size.groups; index++) {
		groups.push((await store.create(groupType, { attributes: { displayName: `group ${index}` }, members })).id)
	}
	return { users, groups }
}

/** How many of each thing random requests have done. */
export type Damage = { requests: number; deleted: number; deactivated: number; memberships: number; groups: number }

/**
 * Deletes or deactivates all people, and takes all memberships away, by random requests. Requests remove few members or many,
 * delete groups, or rename groups and remove members together.
 *
 * @param spared people whom only a deletion meets
 */
export async function damage(
	store: ResourceStore,
	{ users, groups }: Population,
	{ random, spared }: { readonly random: () => number; readonly spared: ReadonlySet<string> },
): Promise<Damage> {
	const done: Damage = { requests: 0, deleted: 0, deactivated: 0, memberships: 0, groups: 0 }
	const below = (limit: number) => Math.floor(random() * limit)
	const left = users.filter((id) => !spared.has(id) || below(2) === 0)
	const members = new Map(groups.map((id) => [id, new Set(users)]))
	const leave = (group: ResourceId, some: Iterable<ResourceId>): void => {
		const current = members.get(group)
		for (const id of some) if (current?.delete(id) === true) done.memberships++
		if (current?.size === 0) members.delete(group)
	}
	const changePerson = async (id: ResourceId): Promise<void> => {
		if (spared.has(id) || below(2) === 0) {
			await store.delete(userType, id)
			done.deleted++
			for (const group of [...members.keys()]) leave(group, [id])
		} else {
			const title = below(3) === 0 ? { title: 'chief' } : {}
			await store.update(userType, id, set({ active: false, ...title }))
			done.deactivated++
		}
	}
	const changeGroup = async (group: ResourceId, current: ReadonlySet<ResourceId>): Promise<void> => {
		const kind = below(100)
		const start = below(current.size)
		const few = [...current].slice(start, start + 1 + below(kind < 90 ? 40 : 2000))
		if (kind === 99 && done.groups < groups.length / 3) {
			await store.delete(groupType, group)
			done.groups++
			return leave(group, [...current])
		}
		if (kind >= 97) {
			const membership = { add: [], remove: few }
			const displayName = `group ${below(1_000_000)} renamed`
			await store.update(groupType, group, { revise: () => ({ attributes: { displayName }, membership }) })
		} else await store.changeMembers(group, { add: [], remove: few })
		leave(group, few)
	}
	while (left.length > 0 || members.size > 0) {
		done.requests++
		const person = below(4) > 0 || members.size === 0 ? left.splice(below(left.length), 1)[0] : undefined
		const [group, current] = [...members][below(members.size)] ?? []
		if (person !== undefined) await changePerson(person)
		else if (group !== undefined && current !== undefined) await changeGroup(group, current)
	}
	return done
}

export const set = (values: AttributeValues) => ({
	revise: ({ attributes }: StoredResource) => ({ attributes: { ...attributes, ...values } }),
})

/** All resources by their ids: the attributes, and a digest of the members. Versions and times are left out. */
export type DirectoryExport = ReadonlyMap<string, string>

export async function exported(store: ResourceStore): Promise<DirectoryExport> {
	const found = new Map<string, string>()
	for (const type of [userType, groupType]) {
		let after = ''
		do {
			const { resources, next = '' } = await store.query(type, { page: { after, count: 900 } })
			for (const { id, attributes } of resources) {
				const members = type === groupType ? await membersOf(store, id) : ''
				found.set(id, JSON.stringify([sorted(attributes), members]))
			}
			after = next
		} while (after !== '')
	}
	return found
}

async function membersOf(store: ResourceStore, id: string): Promise<string> {
	const { members = [] } = (await store.get(groupType, id, { members: true })) ?? {}
	const digest = createHash('sha256')
	for (const some of chunked(members, 1000)) digest.update(JSON.stringify(some))
	return `${members.length} members ${digest.digest('hex')}`
}

const sorted = (attributes: AttributeValues) => Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))

/** The ids of resources that are not the same in two exports. */
export const differences = (one: DirectoryExport, other: DirectoryExport): readonly string[] =>
	[...new Set([...one.keys(), ...other.keys()])].filter((id) => !isDeepStrictEqual(one.get(id), other.get(id)))
