import { describe, expect, test } from 'vitest'
import type { Fault } from '../../../shared/fault.ts'
import { parseFilter } from '../../../shared/scim/filter/parse.ts'
import type { AttributeValues, StoredResource } from '../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../shared/scim/resource-type.ts'
import { foldKeys, sharedNamesAt } from '../../../shared/storage/fold-keys.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { connectTables, type Row, type Send, type Table } from '../../../shared/storage/table/tables.ts'
import { violationsIn } from '../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../support/directory.ts'
import { withFaults } from '../../support/faults.ts'
import { connectionString, simulateTableService, type TableService } from '../../support/simulator/table-service.ts'

// The conversion to format 2, on rows that a writer of format 1 has written.

type World = { readonly service: TableService; readonly directory: TestDirectory; readonly reports: string[] }

const page = { startIndex: 1, count: 100 } as const

const person = (userName: string): AttributeValues => ({
	userName,
	displayName: `${userName} ${userName}`,
	title: userName,
	emails: [{ value: `${userName}@example.gr` }, { value: `${userName.toLowerCase()}@example.com` }],
})

async function newWorld(): Promise<World> {
	const service = simulateTableService()
	return { service, directory: await newDirectory(service, { feed: 'operations' }), reports: [] }
}

/** Users and groups, some of which the formats fold in different ways. */
async function filled(world: World) {
	const { store } = world.directory
	const users: StoredResource[] = []
	for (const name of ['ΝΙΚΟΣ', 'alice', 'ΝΙΚΟΣΤΡΑΤΟΣ', 'Σταύρο', 'γιάννης', 'παπας.κωστας']) {
		users.push(await store.create(userType, { attributes: person(name) }))
	}
	const long = { ...person('ΜΑΡΙΟΣ'), nickName: Array.from({ length: 8000 }, (_, index) => index).join() }
	users.push(await store.create(userType, { attributes: long }))
	const members = users.slice(0, 2).map(({ id }) => ({ value: id }))
	const groups = [
		await store.create(groupType, { attributes: { displayName: 'ΟΜΑΔΑ Σ. ΠΑΠΑΣ' }, members }),
		await store.create(groupType, { attributes: { displayName: 'Staff' }, members }),
	]
	return { ...world, users, groups }
}

/** The table as the conversion sees it, in a process whose requests may meet something. */
const tableIn = ({ service, directory: { tenant } }: World, around: (send: Send) => Send): Table =>
	connectTables({ connectionString }, { intercept: () => around(service.send), pause: () => Promise.resolve() }).table(
		tenant.table,
		tenant.name,
	)

type Run = { readonly around?: (send: Send) => Send; readonly position?: string; readonly looks?: number }

/** Runs the conversion once, until it has looked at the clock so often. */
function convert(world: World, { around = (send) => send, position = '', looks = 1e9 }: Run = {}) {
	let time = 0
	return foldKeys({
		table: tableIn(world, around),
		pause: () => Promise.resolve(),
		position,
		now: () => time++,
		until: looks,
		report: ({ message }: Fault) => world.reports.push(message),
	})
}

const rowsIn = async ({ directory }: World): Promise<readonly Row[]> => {
	const rows: Row[] = []
	for await (const some of directory.table.pages({ from: '!', to: '~' })) rows.push(...some)
	return rows
}

/** The keys of index rows, and the search columns, that hold a final sigma. */
const finalSigmasIn = (rows: readonly Row[]): readonly string[] =>
	rows.flatMap(({ RowKey, ti }) => [RowKey, String(ti)].filter((text) => text.includes('{03c2')))

const idsOf = async (store: ResourceStore, type: ResourceType, filter: string) =>
	(await store.query(type, { filter: parseFilter(filter), page })).resources.map(({ id }) => id)

const newWriter = ({ directory }: World): ResourceStore => directory.open((send) => send, Date.now, 2)

const namesOf = async (store: ResourceStore): Promise<readonly (readonly [string, unknown])[]> =>
	(await store.query(userType, { page })).resources.map(({ id, attributes }) => [id, attributes.userName])

/** Each user is found by its name, in the spelling of the client and in others. */
async function expectFound(world: World): Promise<void> {
	const { store } = world.directory
	for (const [id, userName] of await namesOf(store)) {
		for (const name of [String(userName), String(userName).toUpperCase(), String(userName).toLowerCase()]) {
			for (const filter of [`userName eq "${name}"`, `emails eq "${name}@example.gr"`, `title eq "${name}"`]) {
				expect([filter, await idsOf(store, userType, filter)]).toEqual([filter, [id]])
			}
			expect(await idsOf(store, userType, `userName sw "${name}"`)).toContain(id)
		}
	}
}

test('all keys and columns are folded anew, and nothing else is written', async () => {
	const world = await filled(await newWorld())
	const before = await rowsIn(world)
	expect(finalSigmasIn(before).length).toBeGreaterThan(15)
	expect(await convert(world)).toBeUndefined()
	const after = await rowsIn(world)
	expect(finalSigmasIn(after)).toEqual([])
	expect(await violationsIn(world.directory.table)).toEqual([])
	await expectFound(world)
	expect(await idsOf(world.directory.store, groupType, 'displayName eq "ομαδα σ. παπασ"')).toEqual([
		world.groups[0]?.id,
	])
	const kept = new Map(before.map((row) => [row.RowKey, row]))
	const changed = after.filter((row) => kept.get(row.RowKey)?.['odata.etag'] !== row['odata.etag'])
	expect(changed.filter(({ RowKey }) => RowKey.startsWith('c|'))).toEqual([])
	const own = changed.filter(({ RowKey }) => /^[ug]\|/.test(RowKey))
	expect(own.map(({ RowKey }) => RowKey.slice(2)).toSorted()).toEqual(
		[0, 2, 4, 5, 6]
			.flatMap((index) => world.users[index]?.id ?? [])
			.concat(world.groups[0]?.id ?? [])
			.toSorted(),
	)
	for (const row of own) expect({ v: row.v, mv: row.mv, lm: row.lm }).toEqual(versionsIn(kept.get(row.RowKey)))
	// Again, it finds nothing to do.
	expect(await convert(world)).toBeUndefined()
	expect(await rowsIn(world)).toEqual(after)
})

const versionsIn = (row: Row | undefined) => ({ v: row?.v, mv: row?.mv, lm: row?.lm })

test('it goes on where time has ended, at any row', async () => {
	const world = await filled(await newWorld())
	let position: string | undefined = ''
	let runs = 0
	for (; position !== undefined; runs++) {
		position = await convert(world, { position, looks: 1 })
		expect(await violationsIn(world.directory.table)).toEqual([])
		await expectFound(world)
	}
	expect(runs).toBe(9)
	expect(finalSigmasIn(await rowsIn(world))).toEqual([])
})

test.each(['unsent', 'lost'] as const)(
	'a process that dies at any of its requests, %s, leaves whole rows',
	async (fate) => {
		for (let at = 1; ; at++) {
			const world = await filled(await newWorld())
			let requests = 0
			const dying = withFaults(() => {
				requests++
				return requests < at ? 'answered' : requests === at ? fate : 'unsent'
			})
			const ending = await convert(world, { around: dying }).catch(() => 'died')
			expect(await violationsIn(world.directory.table)).toEqual([])
			await expectFound(world)
			expect(await convert(world)).toBeUndefined()
			expect(finalSigmasIn(await rowsIn(world))).toEqual([])
			if (ending === undefined) break
		}
	},
)

type ClientRequest = (store: ResourceStore, world: Awaited<ReturnType<typeof filled>>) => Promise<unknown>

const change =
	(index: number, attributes: AttributeValues): ClientRequest =>
	(store, { users }) =>
		store.update(userType, users[index]?.id ?? '', {
			revise: (current) => ({ attributes: { ...current.attributes, ...attributes } }),
		})

const requests: Readonly<Record<string, ClientRequest>> = {
	'a deactivation': change(0, { active: false }),
	'another name': change(0, { ...person('ΘΩΜΑΣ') }),
	'another spelling of the name': change(0, { userName: 'Νικοσ' }),
	'the name of another user': (store, world) => change(0, { userName: 'ΓΙΆΝΝΗΣ' })(store, world).catch(() => undefined),
	'other addresses': change(0, { emails: [{ value: 'ΝΙΚΟΣ@example.gr' }, { value: 'ΑΛΛΟΣ@example.gr' }] }),
	'a deletion': (store, { users }) => store.delete(userType, users[0]?.id ?? ''),
	'a creation of the same name': (store) =>
		store.create(userType, { attributes: person('νικοσ') }).catch(() => undefined),
	'another member': (store, { users, groups }) =>
		store.changeMembers(groups[0]?.id ?? '', { add: [{ value: users[3]?.id as never }], remove: [] }),
	'another name of the group': (store, { groups }) =>
		store.update(groupType, groups[0]?.id ?? '', { revise: () => ({ attributes: { displayName: 'Ομαδα Σ. Παπασ' } }) }),
}

test.each(Object.keys(requests))('%s may come before any of its requests', async (name) => {
	for (let at = 1; ; at++) {
		const world = await filled(await newWorld())
		let count = 0
		let isDone = false
		const ending = await convert(world, {
			around: (send) => async (request) => {
				if (++count === at) {
					isDone = true
					await requests[name]?.(newWriter(world), world)
				}
				return send(request)
			},
		})
		if (!isDone) break
		expect(ending).toBeUndefined()
		expect(finalSigmasIn(await rowsIn(world))).toEqual([])
		expect(await violationsIn(world.directory.table)).toEqual([])
		const names = (await namesOf(world.directory.store)).map(([, userName]) => String(userName).toUpperCase())
		expect(new Set(names).size).toBe(names.length)
	}
})

test.each([
	'userName eq "νικοσ"',
	'userName eq "ΝΙΚΟΣ"',
	'emails eq "ΝΙΚΟΣ@example.gr"',
	'displayName eq "νικοσ νικοσ"',
	'displayName sw "νικοσ νικοσ"',
	'title eq "νικοσ"',
])('%s finds the user if all is converted between two of its requests', async (filter) => {
	for (let at = 1; ; at++) {
		const world = await filled(await newWorld())
		let count = 0
		let isDone = false
		const reader = world.directory.open((send) => async (request) => {
			if (++count === at) {
				isDone = true
				await convert(world)
			}
			return send(request)
		})
		expect(await idsOf(reader, userType, filter)).toEqual([world.users[0]?.id])
		if (!isDone) break
	}
})

test.each([1, 2])(
	'a writer of format %i gives no name twice if all is converted between two of its requests',
	async (format) => {
		for (let at = 1; ; at++) {
			const world = await filled(await newWorld())
			let count = 0
			let isDone = false
			const converting = (send: Send): Send => {
				return async (request) => {
					if (++count === at) {
						isDone = true
						await convert(world)
					}
					return send(request)
				}
			}
			const writer = world.directory.open(converting, Date.now, format)
			const ids = world.users.slice(0, 1).map(({ id }) => id)
			const taken = { status: 409, message: expect.stringContaining(ids.join()) }
			await expect(writer.create(userType, { attributes: person('ΝΙΚΟΣ') })).rejects.toMatchObject(taken)
			expect(await idsOf(world.directory.store, userType, 'userName eq "νικοσ"')).toEqual(ids)
			if (!isDone) break
		}
	},
)

test('every user is in the list by userName, if all is converted between two of its pages', async () => {
	const world = await filled(await newWorld())
	const { store } = world.directory
	const sort = { by: { name: 'userName' }, descending: false }
	const ids = new Set<string>()
	for (let after: string | undefined = ''; after !== undefined; ) {
		const next: Awaited<ReturnType<ResourceStore['query']>> = await store.query(userType, {
			sort,
			page: { after, count: 2 },
		})
		for (const { id } of next.resources) ids.add(id)
		if (after === '') await convert(world)
		after = next.next
	}
	expect([...ids].toSorted()).toEqual(world.users.map(({ id }) => id).toSorted())
})

describe('two users whose names have become one', () => {
	/** As version 0.1.0 lets them be created: it sees two names. */
	async function withTwo() {
		const world = await newWorld()
		const { store } = world.directory
		const first = await store.create(userType, { attributes: person('Νικος') })
		const second = await store.create(userType, { attributes: person('Μαρια') })
		await store.create(userType, { attributes: person('ΓΙΑΝΝΗΣ') })
		await twin(world, second)
		return { ...world, first, second }
	}

	/** Gives a user the name `νικοσ` without a look at other spellings. */
	async function twin(world: World, { id }: StoredResource): Promise<void> {
		const blind = world.directory.open((send) => async (request) => {
			const isLook = request.method === 'GET' && decodeURIComponent(request.path).includes("RowKey='x|un|")
			return isLook ? { status: 404, headers: { get: () => undefined }, text: notFound } : send(request)
		})
		await blind.update(userType, id, { revise: () => ({ attributes: person('νικοσ') }) })
	}
	const notFound = '{"odata.error":{"code":"ResourceNotFound","message":{"lang":"en-US","value":"no"}}}'

	test('are both kept and found, can be changed, and are reported until one of them is renamed', async () => {
		const world = await withTwo()
		const { directory, first, second, reports } = world
		const both = [first.id, second.id].toSorted()
		const expectBoth = async (filter = '') => {
			for (const name of ['νικοσ', 'νικος', 'ΝΙΚΟΣ']) {
				const ids = await idsOf(directory.store, userType, `userName eq "${name}"${filter}`)
				expect(ids.toSorted()).toEqual(both)
			}
		}
		await expectBoth()
		const position = await convert(world)
		expect(sharedNamesAt(position ?? '')).toEqual([[first.id, second.id]])
		const problem =
			'Users or groups with the name of another one: 1. Format 2 is completed when one of each two is renamed or deleted. rollcall tenant show has their ids.'
		expect(reports).toEqual([problem])
		await expectBoth()
		expect(await violationsIn(directory.table)).toEqual([])
		expect(await idsOf(directory.store, userType, 'userName eq "γιαννησ"')).toHaveLength(1)

		// A leaver is deactivated whatever happens to the name.
		const writer = newWriter(world)
		for (const id of both) {
			const revise = ({ attributes }: StoredResource) => ({ attributes: { ...attributes, active: false } })
			expect(await writer.update(userType, id, { revise })).toMatchObject({ attributes: { active: false } })
		}
		await expectBoth(' and active eq false')
		await expect(writer.create(userType, { attributes: person('ΝΙΚΟΣ') })).rejects.toMatchObject({ status: 409 })
		expect(await convert(world, { position: position ?? '' })).toBe(position)
		expect(reports).toEqual([problem, problem])
		// Without time, nothing is lost.
		expect(await convert(world, { position: position ?? '', looks: 0 })).toBe(position)
		expect(reports).toEqual([problem, problem, problem])

		await writer.update(userType, second.id, { revise: () => ({ attributes: person('Νικοσ2') }) })
		expect(await convert(world, { position: position ?? '' })).toBeUndefined()
		expect(await idsOf(directory.store, userType, 'userName eq "νικοσ"')).toEqual([first.id])
		expect(finalSigmasIn(await rowsIn(world))).toEqual([])
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test.each(['first', 'second'] as const)('are one user after the deletion of the %s', async (which) => {
		const world = await withTwo()
		const { directory } = world
		const position = (await convert(world)) ?? ''
		await newWriter(world).delete(userType, world[which].id)
		expect(await convert(world, { position })).toBeUndefined()
		const left = which === 'first' ? world.second : world.first
		expect(await idsOf(directory.store, userType, 'userName eq "ΝΙΚΟΣ"')).toEqual([left.id])
		expect(finalSigmasIn(await rowsIn(world))).toEqual([])
		expect(await violationsIn(directory.table)).toEqual([])
	})
})
