import { expect, test } from 'vitest'
import type { AttributeValues, ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import {
	deletedAttributes,
	type LedgerEntry,
	ledgerEntryIn,
	mention,
	mentionsIn,
} from '../../../../shared/storage/ledger/entry.ts'
import { feedRowsAfter, isWithdrawn } from '../../../../shared/storage/ledger/feed-rows.ts'
import { openLedger } from '../../../../shared/storage/ledger/ledger.ts'
import { undo as undoPlan } from '../../../../shared/storage/ledger/undo.ts'
import { undoKinds } from '../../../../shared/storage/ledger/undo-window.ts'
import { keptMembersIn, keptPages } from '../../../../shared/storage/membership/kept-members.ts'
import { valuesBefore } from '../../../../shared/storage/rows/before-values.ts'
import { directoryOf } from '../../../../shared/storage/table-store.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { randomFrom, simulateTableService } from '../../../support/simulator/table-service.ts'

// Random requests change a directory. Then its ledger is undone entry by entry, from the state of today backwards. Behind
// each request, the state must be the one that was there.

const seeds = process.env.SEED === undefined ? [1, 2, 3, 4, 5, 6] : [Number(process.env.SEED)]
const requests = 120

/** Resources by their ids, and memberships as `<group> <user>`. */
type State = { readonly resources: Map<string, AttributeValues>; readonly memberships: Set<string> }

const plain = ({ resources, memberships }: State) => ({
	resources: Object.fromEntries([...resources].sort()),
	memberships: [...memberships].sort(),
})

async function stateOf({ store }: TestDirectory): Promise<State> {
	const state: State = { resources: new Map(), memberships: new Set() }
	for (const type of [userType, groupType]) {
		const { resources } = await store.query(type, { page: { startIndex: 1, count: 750 } })
		for (const { id, attributes } of resources) {
			state.resources.set(id, attributes)
			if (type !== groupType) continue
			const group = await store.get(groupType, id, { members: true })
			for (const { value } of group?.members ?? []) state.memberships.add(`${id} ${value}`)
		}
	}
	return state
}

const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const own = 'urn:acme:scim:1.0:User'

/** Makes one request at random. Some have no effect. */
async function change(
	directory: TestDirectory,
	{ state, begun }: { readonly state: State; readonly begun: readonly number[] },
	random: () => number,
): Promise<void> {
	const { store } = directory
	const { resources, memberships } = state
	const below = (limit: number) => Math.floor(random() * limit)
	const ids = [...resources.keys()] as ResourceId[] // sound: the ids of resources
	const users = ids.filter((id) => id[16] === '8')
	const groups = ids.filter((id) => id[16] === 'a')
	const pick = <T>(items: readonly T[]): T | undefined => items[below(items.length)]
	const some = (most: number) => users.filter(() => random() < most / users.length)
	const asMembers = (userIds: readonly ResourceId[]) => userIds.map((value) => ({ value }))
	const word = () => `w${below(1_000_000)}`
	const user = pick(users)
	const group = pick(groups)
	const kind = below(15)
	if (users.length < 60 || kind === 0) {
		const attributes = { userName: word(), ...(below(2) === 0 && { title: word(), name: { givenName: word() } }) }
		await store.create(userType, { attributes })
	} else if (kind === 1 || group === undefined) {
		const members = asMembers(some(below(2) === 0 ? 5 : 60))
		if (groups.length < 8) await store.create(groupType, { attributes: { displayName: word() }, members })
	} else if (kind <= 3 && user !== undefined) {
		const values =
			below(2) === 0
				? { title: word() }
				: { name: { givenName: word(), familyName: word() }, emails: [{ value: word() }] }
		await store.update(userType, user, { revise: ({ attributes }) => ({ attributes: { ...attributes, ...values } }) })
	} else if (kind === 4 && user !== undefined) {
		await store.update(userType, user, {
			revise: ({ attributes: { title: _, ...attributes } }) => ({ attributes }),
		})
	} else if (kind === 10 && user !== undefined) {
		// A replacement of the user.
		const values = { active: below(2) === 0, externalId: word(), [own]: { badge: word(), rooms: [word(), word()] } }
		const attributes = { userName: word(), ...values, [enterprise]: { department: word(), manager: { value: user } } }
		await store.update(userType, user, { revise: () => ({ attributes }) })
	} else if (kind === 11 && user !== undefined) {
		await store.update(userType, user, {
			revise: ({ attributes }) => ({ attributes: { ...attributes, active: false } }),
		})
	} else if (kind === 12 && user !== undefined) {
		const revised = (values: AttributeValues) => ({
			...values,
			[own]: { badge: word() },
			[enterprise]: { ...Object(values[enterprise]), department: word() },
		})
		await store.update(userType, user, { revise: ({ attributes }) => ({ attributes: revised(attributes) }) })
	} else if (kind === 13) {
		// A replacement of the group. Some of the members are there already, and some of those to remove are not.
		const wanted = some(40)
		const remove = users.filter((id) => !wanted.includes(id) && (memberships.has(`${group} ${id}`) || below(9) === 0))
		const membership = { add: asMembers(wanted), remove }
		await store.update(groupType, group, { revise: () => ({ attributes: { displayName: word() }, membership }) })
	} else if (kind === 14) await takeBack(directory, begun.at(-1 - below(20)) ?? 0)
	else if (kind === 5 && below(3) > 0) await store.delete(groupType, group)
	else if (kind === 6 && user !== undefined) await store.delete(userType, user)
	else if (kind === 7) {
		const membership = { add: asMembers(some(20)), remove: [] }
		await store.update(groupType, group, {
			revise: ({ attributes }) => ({ attributes: { ...attributes, displayName: word() }, membership }),
		})
	} else {
		const touched = some(below(3) === 0 ? 60 : 4)
		const isAdding = below(2) === 0
		await store.changeMembers(group, isAdding ? { add: asMembers(touched), remove: [] } : { add: [], remove: touched })
	}
}

/** Undoes the changes since a time, in milliseconds since 1970. Deleted resources come back with their ids. */
async function takeBack({ tables, tenant, ids, feed, store }: TestDirectory, since: number): Promise<void> {
	// By this clock, no deletion is too recent.
	const now = () => Date.now() + 120_000
	const ledger = openLedger({ tables, tenant, ids, feed, now, random: () => 1, history: 'full' })
	const request = { since, until: Date.now(), only: undoKinds, isForced: false }
	await undoPlan(store, await ledger.planUndo(request))
}

type Change = {
	readonly entry: LedgerEntry
	readonly memberships: readonly { readonly pair: string; readonly isJoining: boolean }[]
}

/** The entries of the ledger with the memberships that each one has really changed, in order. */
async function changesIn(directory: TestDirectory): Promise<readonly Change[]> {
	const { tables, tenant, ids, feed, table } = directory
	const opened = directoryOf({ tables, tenant, ids, feed, now: Date.now, random: () => 1, history: 'full' })
	const changes: Change[] = []
	const members = new Set<string>()
	for await (const rows of feedRowsAfter(opened, '', { isFinalOnly: false })) {
		for (const entry of rows.filter((row) => !isWithdrawn(row)).map(ledgerEntryIn)) {
			const mentions = [...mentionsIn(entry)]
			if (entry.lists !== undefined) {
				for await (const page of keptPages(table, entry.lists)) {
					for (const { added, removed } of page.map(keptMembersIn)) {
						mentions.push(...added.map(({ value }) => mention(value, 'joined', entry.id)))
						mentions.push(...removed.map(({ value }) => mention(value, 'left', entry.id)))
					}
				}
			}
			const pairs = mentions.map(({ resource, kind, other, otherType }) => ({
				pair: otherType === 'Group' ? `${other} ${resource}` : `${resource} ${other}`,
				isJoining: kind === 'joined',
			}))
			// No entry names a user who was a member already, or who was none.
			expect(pairs.filter(({ pair, isJoining }) => members.has(pair) === isJoining)).toEqual([])
			for (const { pair, isJoining } of pairs) isJoining ? members.add(pair) : members.delete(pair)
			changes.push({ entry, memberships: pairs })
		}
	}
	return changes
}

/** The state before a change, by the state after it. */
function undo({ resources, memberships }: State, { entry, memberships: changed }: Change): void {
	for (const { pair, isJoining } of changed) isJoining ? memberships.delete(pair) : memberships.add(pair)
	const deleted = deletedAttributes(entry)
	const now = resources.get(entry.id)
	if (entry.kind === 'create') resources.delete(entry.id)
	else if (deleted !== undefined) resources.set(entry.id, deleted)
	else if (entry.kind === 'update' && now !== undefined) resources.set(entry.id, valuesBefore(now, entry.before ?? {}))
}

/** How many resources came back with their ids, in all runs. */
let comeBack = 0

test.each(seeds)('the ledger, undone from today backwards, gives each earlier state: seed %i', async (seed) => {
	const random = randomFrom(seed)
	const directory = await newDirectory(simulateTableService({ seed }))
	const states: { readonly entries: number; readonly state: ReturnType<typeof plain> }[] = []
	const begun: number[] = []
	for (let request = 0; request < requests; request++) {
		begun.push(Date.now())
		await change(directory, { state: await stateOf(directory), begun }, random)
		states.push({ entries: (await changesIn(directory)).length, state: plain(await stateOf(directory)) })
	}
	const state = await stateOf(directory)
	const changes = await changesIn(directory)
	expect(changes.some(({ entry, memberships }) => entry.lists !== undefined && memberships.length > 32)).toBe(true)
	const created = changes.filter(({ entry }) => entry.kind === 'create').map(({ entry }) => entry.id)
	comeBack += created.length - new Set(created).size
	for (let left = changes.length; left >= 0; left--) {
		for (const known of states.filter(({ entries }) => entries === left)) expect(plain(state)).toEqual(known.state)
		const last = changes[left - 1]
		if (last !== undefined) undo(state, last)
	}
	expect(plain(state)).toEqual({ resources: {}, memberships: [] })
})

test('deleted resources came back in these runs', () => {
	expect(comeBack).toBeGreaterThan(seeds.length === 1 ? -1 : 0)
})
