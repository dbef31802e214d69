import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { addToken } from '../../shared/auth/file-source.ts'
import { foldKeys } from '../../shared/storage/fold-keys.ts'
import { connectTables, type Table, type Tables } from '../../shared/storage/table/tables.ts'
import { advanceFormat } from '../../shared/tenants/advance-format.ts'
import type { FormatStage } from '../../shared/tenants/format.ts'
import { violationsIn } from '../support/audit.ts'
import { type PackedApp, type PackedAppOptions, startPackedApp, unpack } from '../support/packed-app.ts'
import { randomFrom } from '../support/simulator/table-service.ts'
import { changeTenantRow, removeFormat, tenantRow } from '../support/tenant-row.ts'

// Azure runs instances of two versions side by side at every deployment, and after a roll-back. Here the packed app of the
// version before and the packed app of this one serve one tenant on one storage account.

const before = '0.1.0'
const versions = [before, 'this'] as const
type Version = (typeof versions)[number]

const token = 'a-token-for-this-test-alone'
let folder: string
let azurite: Awaited<ReturnType<typeof startAzurite>>
let tables: Tables

function run(script: string): void {
	const { status, stderr } = spawnSync(process.execPath, [script, join(folder, 'dist')], { encoding: 'utf8' })
	if (status !== 0) throw new Error(stderr)
}

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-versions-'))
	run('build.mjs')
	run('package.mjs')
	await unpack(join(folder, 'dist/rollcall.zip'), join(folder, 'this'))
	await unpack(`test/versions/${before}.zip`, join(folder, before))
	azurite = await startAzurite({ memory: true })
	tables = connectTables(azurite)
}, 300_000)
afterAll(async () => {
	await azurite.close()
	await rm(folder, { recursive: true })
})

const running: PackedApp[] = []
afterEach(async () => {
	for (const app of running.splice(0)) await app.kill()
})

/** An instance of a version. */
async function start(version: Version, options: Pick<PackedAppOptions, 'ahead' | 'requests'> = {}): Promise<PackedApp> {
	const { connectionString } = azurite
	const tokensFile = join(folder, 'tokens.json')
	const app = await startPackedApp({ folder: join(folder, version), connectionString, tokensFile, token, ...options })
	running.push(app)
	return app
}

/** A tenant as the version before makes it: without a format number. */
async function newTenant(name: string): Promise<Table> {
	const tokensFile = join(folder, 'tokens.json')
	await addToken(tokensFile, name, { value: token, created: new Date().toISOString() })
	const { connectionString } = azurite
	const { tenants } = await createServices({ tables: { connectionString }, tokens: { file: tokensFile } })
	const tenant = await tenants.createTenant({ name, mode: 'store', settings: {} })
	if (tenant === 'exists') throw new Error('it is new')
	await removeFormat(tables, name)
	return tables.table(tenant.table, name)
}

const patchOf = (...Operations: unknown[]) => ({
	body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations },
})
const membersOf = (ids: readonly string[]) => ids.map((value) => ({ value }))

/** What the feed is to tell of a resource. */
type Told = {
	readonly operation: 'create' | 'update' | 'delete'
	readonly attributes?: readonly string[]
	readonly addedMembers?: readonly string[]
	readonly removedMembers?: readonly string[]
	readonly leftGroups?: readonly string[]
}

type User = { readonly userName: string; readonly title?: string }
type Group = { readonly displayName: string; readonly members: Set<string> }

/** What is in the directory and in its feed, by the answers of both versions. */
type Model = {
	readonly users: Map<string, User>
	readonly groups: Map<string, Group>
	/** The changes of each resource, in order. */
	readonly told: Map<string, Told[]>
	/** How many names are given. */
	count: number
}

const newModel = (): Model => ({ users: new Map(), groups: new Map(), told: new Map(), count: 0 })

function tell({ told }: Model, id: string, change: Told): void {
	told.set(id, [...(told.get(id) ?? []), change])
}

function removeUser(model: Model, id: string): void {
	model.users.delete(id)
	const left = [...model.groups].filter(([, { members }]) => members.delete(id)).map(([groupId]) => groupId)
	tell(model, id, { operation: 'delete', ...(left.length > 0 && { leftGroups: left.sort() }) })
}

type Turn = {
	readonly model: Model
	/** Asks the instance whose turn it is, below the tenant. */
	readonly ask: PackedApp['ask']
	readonly pick: <T>(items: readonly T[]) => T
	/** Up to so many of the items, at least one. */
	readonly some: <T>(items: readonly T[], most: number) => readonly T[]
	/** The ids that a turn at the same time has taken are not there for this one. */
	readonly userIds: readonly string[]
	readonly groupIds: readonly string[]
}

/** Each answers the path of what it has changed, for the other version to look at; nothing if there was nothing to do. */
const turns: Readonly<Record<string, (turn: Turn) => Promise<string | undefined>>> = {
	async createUser({ model, ask }) {
		const userName = `User-${model.count++}`
		const { status, body } = await ask('POST', 'Users', { body: { userName, active: true } })
		expect(status).toBe(201)
		model.users.set(body.id, { userName })
		tell(model, body.id, { operation: 'create' })
		return `Users/${body.id}`
	},

	async patchUser({ model, ask, pick, userIds }) {
		const id = pick(userIds)
		const title = `title-${model.count++}`
		const { headers } = await ask('GET', `Users/${id}`)
		const answer = await ask('PATCH', `Users/${id}`, {
			...patchOf({ op: 'Replace', path: 'title', value: title }),
			headers: { 'if-match': headers.etag ?? '' },
		})
		expect(answer.status).toBe(200)
		model.users.set(id, { ...userOf(model, id), title })
		tell(model, id, { operation: 'update', attributes: ['title'] })
		return `Users/${id}`
	},

	async renameUser({ model, ask, pick, userIds }) {
		const id = pick(userIds)
		const userName = `User-${model.count++}`
		const { title } = userOf(model, id)
		// Version 0.1.0 clears `active` if a PUT leaves it out.
		const body = { userName, active: true, ...(title !== undefined && { title }) }
		expect(await ask('PUT', `Users/${id}`, { body })).toMatchObject({ status: 200 })
		model.users.set(id, { ...userOf(model, id), userName })
		tell(model, id, { operation: 'update', attributes: ['userName'] })
		return `Users/${id}`
	},

	async takeAnothersName({ model, ask, pick, userIds }) {
		const id = pick(userIds)
		const { userName } = userOf(model, pick(userIds.filter((other) => other !== id)))
		const answer = await ask(
			'PATCH',
			`Users/${id}`,
			patchOf({ op: 'replace', value: { userName: userName.toLowerCase() } }),
		)
		expect(answer).toMatchObject({ status: 409, body: { scimType: 'uniqueness' } })
		return `Users/${id}`
	},

	async deleteUser({ model, ask, pick, userIds }) {
		if (userIds.length < 70) return undefined
		const id = pick(userIds)
		expect(await ask('DELETE', `Users/${id}`)).toMatchObject({ status: 204 })
		removeUser(model, id)
		return `Users/${id}`
	},

	async createGroup({ model, ask, some, userIds }) {
		if (model.groups.size > 8) return undefined
		const displayName = `Group-${model.count++}`
		const members = some(userIds, 5)
		const { status, body } = await ask('POST', 'Groups', { body: { displayName, members: membersOf(members) } })
		expect(status).toBe(201)
		model.groups.set(body.id, { displayName, members: new Set(members) })
		tell(model, body.id, { operation: 'create' })
		return `Groups/${body.id}`
	},

	async renameGroup({ model, ask, pick, groupIds }) {
		const id = pick(groupIds)
		const displayName = `Group-${model.count++}`
		const answer = await ask(
			'PATCH',
			`Groups/${id}`,
			patchOf({ op: 'replace', path: 'displayName', value: displayName }),
		)
		expect([200, 204]).toContain(answer.status)
		model.groups.set(id, { ...groupOf(model, id), displayName })
		tell(model, id, { operation: 'update', attributes: ['displayName'] })
		return `Groups/${id}`
	},

	addFew: (turn) => addMembers(turn, 4),
	addMany: (turn) => addMembers(turn, 60),
	removeFew: (turn) => removeMembers(turn, 4),
	removeMany: (turn) => removeMembers(turn, 60),

	async deleteGroup({ model, ask, pick, groupIds }) {
		if (groupIds.length < 4) return undefined
		const id = pick(groupIds)
		expect(await ask('DELETE', `Groups/${id}`)).toMatchObject({ status: 204 })
		model.groups.delete(id)
		tell(model, id, { operation: 'delete' })
		return `Groups/${id}`
	},

	async bulk({ model, ask, pick, groupIds }) {
		const groupId = pick(groupIds)
		const [kept, leaving] = [`User-${model.count++}`, `User-${model.count++}`]
		const add = patchOf({ op: 'add', path: 'members', value: [{ value: 'bulkId:kept' }] }).body
		const { status, body } = await ask('POST', 'Bulk', {
			body: {
				schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
				Operations: [
					{ method: 'POST', path: '/Users', bulkId: 'kept', data: { userName: kept, active: true } },
					{ method: 'POST', path: '/Users', bulkId: 'leaving', data: { userName: leaving, active: true } },
					{ method: 'PATCH', path: `/Groups/${groupId}`, data: add },
					{ method: 'DELETE', path: '/Users/bulkId:leaving' },
				],
			},
		})
		expect(status).toBe(200)
		const results: { status: string; location: string }[] = body.Operations
		expect(results.map((result) => result.status[0])).toEqual(['2', '2', '2', '2'])
		const [keptId = '', leavingId = ''] = results.map(({ location }) => location.split('/').at(-1))
		model.users.set(keptId, { userName: kept })
		tell(model, keptId, { operation: 'create' })
		tell(model, leavingId, { operation: 'create' })
		groupOf(model, groupId).members.add(keptId)
		tell(model, groupId, { operation: 'update', addedMembers: [keptId] })
		removeUser(model, leavingId)
		return `Groups/${groupId}`
	},
}

/** The most members that a change may add, or remove, and still be told one by one. */
const listed = { add: 32, remove: 48 } as const

async function addMembers({ model, ask, pick, some, groupIds, userIds }: Turn, most: number): Promise<string> {
	const id = pick(groupIds)
	const { members } = groupOf(model, id)
	const asked = some(userIds, most)
	const added = asked.filter((user) => !members.has(user)).sort()
	const answer = await ask('PATCH', `Groups/${id}`, patchOf({ op: 'Add', path: 'members', value: membersOf(asked) }))
	expect([200, 204]).toContain(answer.status)
	for (const user of added) members.add(user)
	if (added.length > 0 && asked.length > listed.add) tell(model, id, { operation: 'update', attributes: ['members'] })
	else if (added.length > 0) tell(model, id, { operation: 'update', addedMembers: added })
	return `Groups/${id}`
}

async function removeMembers({ model, ask, pick, some, groupIds }: Turn, most: number): Promise<string | undefined> {
	const id = pick(groupIds)
	const { members } = groupOf(model, id)
	if (members.size === 0) return undefined
	const removed = [...some([...members], most)].sort()
	const answer = await ask(
		'PATCH',
		`Groups/${id}`,
		patchOf({ op: 'Remove', path: 'members', value: membersOf(removed) }),
	)
	expect([200, 204]).toContain(answer.status)
	for (const user of removed) members.delete(user)
	const isListed = removed.length <= listed.remove
	tell(model, id, { operation: 'update', ...(isListed ? { removedMembers: removed } : { attributes: ['members'] }) })
	return `Groups/${id}`
}

function userOf(model: Model, id: string): User {
	const user = model.users.get(id)
	if (user === undefined) throw new Error(`there is no user ${id}`)
	return user
}

function groupOf(model: Model, id: string): Group {
	const group = model.groups.get(id)
	if (group === undefined) throw new Error(`there is no group ${id}`)
	return group
}

/** An answer without what version 0.1.0 leaves out: a header, and the members of a group that has none. */
function comparable({ headers, body, ...answer }: Awaited<ReturnType<PackedApp['ask']>>) {
	const { 'x-content-type-options': _, 'x-request-id': __, ...others } = headers
	const { members, ...resource } = body
	return { ...answer, headers: others, body: members?.length > 0 ? body : resource }
}

/** What an instance answers about all of a tenant, in the words of the model. */
async function described(app: PackedApp, tenant: string) {
	const list = async (path: string) => (await app.ask('GET', `${tenant}/${path}&count=1000`)).body.Resources
	const users: { id: string; userName: string; title?: string }[] = await list('Users?attributes=userName,title')
	const groups: { id: string; displayName: string; members?: { value: string }[] }[] = await list(
		'Groups?attributes=displayName,members',
	)
	return {
		users: users.map(({ id, userName, title }) => [id, userName, title]).sort(),
		groups: groups
			.map(({ id, displayName, members = [] }) => [id, displayName, members.map(({ value }) => value).sort()])
			.sort(),
	}
}

const expected = ({ users, groups }: Model) => ({
	users: [...users].map(([id, { userName, title }]) => [id, userName, title]).sort(),
	groups: [...groups].map(([id, { displayName, members }]) => [id, displayName, [...members].sort()]).sort(),
})

/** Version 0.1.0 tells no name of a resource that was deleted. */
const withoutNames = ({ userName, displayName, externalId, ...change }: Readonly<Record<string, unknown>>) => change

/** The whole feed as an instance tells it, some changes at a time. */
async function feedOf(app: PackedApp, tenant: string, count: number) {
	const changes: (Told & { readonly id: string; readonly resourceId: string })[] = []
	for (let cursor = ''; ; ) {
		const { status, body } = await app.ask('GET', `${tenant}/Changes?count=${count}&cursor=${cursor}`)
		expect(status).toBe(200)
		if (body.changes.length === 0) return changes
		changes.push(...body.changes)
		cursor = body.nextCursor
	}
}

const sorted = (ids: readonly string[] | undefined) => ids && [...ids].sort()

/** What a feed tells of each resource, in order. */
function toldIn(changes: Awaited<ReturnType<typeof feedOf>>): ReadonlyMap<string, readonly Told[]> {
	const told = new Map<string, Told[]>()
	for (const { resourceId, operation, attributes = [], addedMembers, removedMembers, leftGroups } of changes) {
		const entry = {
			operation,
			...(attributes.length > 0 && { attributes }),
			...(addedMembers && { addedMembers: sorted(addedMembers) }),
			...(removedMembers && { removedMembers: sorted(removedMembers) }),
			...(leftGroups && leftGroups.length > 0 && { leftGroups: sorted(leftGroups) }),
		} as Told // sound: sorted answers a list for a list
		told.set(resourceId, [...(told.get(resourceId) ?? []), entry])
	}
	return told
}

/** What is unfinished in a directory: `gp` a prepared change of many members, `gm` a committed one. */
async function jobsIn(table: Table): Promise<ReadonlySet<string>> {
	const jobs = new Set<string>()
	for await (const rows of table.pages({ from: 'j|', to: 'j}' })) {
		for (const { RowKey } of rows) jobs.add(RowKey.split('|')[1] ?? '')
	}
	return jobs
}

/** Sweeps by both versions when all unfinished work is old enough, and answers what an audit finds. */
async function audited(table: Table): Promise<readonly string[]> {
	for (const version of versions) {
		const logs = await (await start(version, { ahead: 20 * 60_000 })).sweep()
		expect(logs.filter(({ level }) => level !== 'information')).toEqual([])
	}
	return violationsIn(table)
}

describe(`the packed app of ${before} and the one of this version, on one storage account`, () => {
	test.each([1, 2])(
		'write in turns, read what the other has written, and agree in the end (seed %i)',
		async (seed) => {
			const tenant = `turns-${seed}`
			const table = await newTenant(tenant)
			const random = randomFrom(seed)
			const pick = <T>(items: readonly T[]): T => {
				const item = items[Math.floor(random() * items.length)]
				if (item === undefined) throw new Error('there is nothing to pick from')
				return item
			}
			const some = <T>(items: readonly T[], most: number): readonly T[] => {
				const shuffled = items.map((item) => ({ item, at: random() })).sort((a, b) => a.at - b.at)
				return shuffled.slice(0, 1 + Math.floor(random() * most)).map(({ item }) => item)
			}
			const apps = { [before]: await start(before), this: await start('this') }
			const model = newModel()
			const turnOf = (version: Version, parity?: number): Turn => {
				const mine = (ids: Iterable<string>) =>
					[...ids].filter((_, index) => parity === undefined || index % 2 === parity)
				return {
					...{ model, pick, some, userIds: mine(model.users.keys()), groupIds: mine(model.groups.keys()) },
					ask: (method, path, options) => apps[version].ask(method, `${tenant}/${path}`, options),
				}
			}
			/** Both versions answer the same of it, except for what version 0.1.0 does not say. */
			const compare = async (path: string): Promise<void> => {
				const [one, other] = await Promise.all(
					versions.map(async (version) => comparable(await apps[version].ask('GET', `${tenant}/${path}`))),
				)
				expect(one).toEqual(other)
			}

			for (let count = 0; count < 80; count++) await turns.createUser?.(turnOf(versions[count % 2] ?? 'this'))
			for (const version of [...versions, ...versions]) await turns.createGroup?.(turnOf(version))
			const names = Object.keys(turns)
			for (let round = 0; round < 250; round++) {
				const version = pick(versions)
				if (round % 5 > 0) {
					const path = await turns[pick(names)]?.(turnOf(version))
					if (path !== undefined) await compare(path)
				} else {
					// Both at once, of different resources.
					const both = ['patchUser', 'renameUser', 'addFew', 'removeFew', 'addMany', 'renameGroup']
					await Promise.all(versions.map((each, parity) => turns[pick(both)]?.(turnOf(each, parity))))
				}
				if (round % 60 === 59) {
					expect(await described(apps[version], tenant)).toEqual(expected(model))
					expect((await apps[version].sweep()).filter(({ level }) => level !== 'information')).toEqual([])
				}
			}
			for (const version of versions) expect(await described(apps[version], tenant)).toEqual(expected(model))
			expect(await audited(table)).toEqual([])
			expect((await tenantRow(tables, tenant)).format).toBe(1)

			const ahead = 25 * 60_000
			const later = { [before]: await start(before, { ahead }), this: await start('this', { ahead }) }
			const feed = await feedOf(later[before], tenant, 7)
			expect((await feedOf(later.this, tenant, 100)).map(withoutNames)).toEqual(feed)
			const ids = feed.map(({ id }) => id)
			expect(ids).toEqual([...new Set(ids)].sort())
			expect(Object.fromEntries(toldIn(feed))).toEqual(Object.fromEntries(model.told))
			for (const version of versions) expect(await described(later[version], tenant)).toEqual(expected(model))
		},
		120_000,
	)

	test('finish a change of many members when the instance of the other version was killed', async () => {
		const tenant = 'killed'
		const table = await newTenant(tenant)
		const survivors = { [before]: await start(before), this: await start('this') }
		const create = async (path: string, body: object): Promise<string> =>
			(await survivors.this.ask('POST', `${tenant}/${path}`, { body })).body.id
		const users: string[] = []
		for (let index = 0; index < 80; index++) users.push(await create('Users', { userName: `user-${index}` }))
		const group = await create('Groups', { displayName: 'Staff' })
		const memberCount = async (version: Version): Promise<number> =>
			((await survivors[version].ask('GET', `${tenant}/Groups/${group}`)).body.members ?? []).length
		const left = new Set<string>()
		for (let requests = 2; requests <= 24; requests++) {
			const [version, other] = requests % 4 < 2 ? versions : ([...versions].reverse() as [Version, Version])
			const isAdded = (await memberCount(other)) === 0
			const change = patchOf({ op: isAdded ? 'add' : 'remove', path: 'members', value: membersOf(users) })
			const victim = await start(version, { requests })
			await victim.ask('PATCH', `${tenant}/Groups/${group}`, change).catch(() => undefined)
			await victim.kill()
			const jobs = await jobsIn(table)
			for (const job of jobs) left.add(job)
			// All of it has happened, or nothing. The other version reads it first, and changes the group after that.
			const count = await memberCount(other)
			expect(jobs.has('gm') ? [isAdded ? users.length : 0] : [0, users.length]).toContain(count)
			expect(await memberCount(version)).toBe(count)
			const rename = patchOf({ op: 'replace', path: 'displayName', value: `Staff-${requests}` })
			expect([200, 204]).toContain((await survivors[other].ask('PATCH', `${tenant}/Groups/${group}`, rename)).status)
			for (const each of [other, version]) expect(await memberCount(each)).toBe(count)
			expect(await jobsIn(table)).not.toContain('gm')
		}
		// Prepared changes were left, and committed ones.
		expect([...left]).toEqual(expect.arrayContaining(['gp', 'gm']))
		expect(await audited(table)).toEqual([])
		expect(await memberCount(before)).toBe(await memberCount('this'))
	}, 300_000)

	test('know a name with a sigma by all its spellings, as far as this version goes, and format 2 folds the keys', async () => {
		const tenant = 'sigma'
		const table = await newTenant(tenant)
		const apps = { [before]: await start(before), this: await start('this') }
		const person = (userName: string) => ({
			...{ userName, displayName: userName, title: userName, active: true },
			emails: [{ value: `${userName}@example.gr` }],
		})
		const create = async (app: PackedApp, userName: string): Promise<string> =>
			(await app.ask('POST', `${tenant}/Users`, { body: person(userName) })).body.id
		const found = async (app: PackedApp, filter: string, path = 'Users'): Promise<readonly string[]> => {
			const { body } = await app.ask('GET', `${tenant}/${path}?filter=${encodeURIComponent(filter)}`)
			return body.Resources.map(({ id }: { id: string }) => id).sort()
		}
		const nikos = await create(apps[before], 'ΝΙΚΟΣ')
		const nikostratos = await create(apps[before], 'ΝΙΚΟΣΤΡΑΤΟΣ')
		const marios = [await create(apps[before], 'ΜΑΡΙΟΣ'), await create(apps[before], 'μαριοσ')].sort()
		const group = { displayName: 'ΟΜΑΔΑ ΤΗΣ ΕΛΛΑΔΟΣ' }
		const { id: groupId } = (await apps[before].ask('POST', `${tenant}/Groups`, { body: group })).body

		/** What this version answers in every stage of the change. */
		const expectFolded = async (app: PackedApp, users: { readonly marios: readonly string[] }) => {
			for (const name of ['ΝΙΚΟΣ', 'νικοσ', 'νικος']) {
				expect(await found(app, `displayName sw "${name}"`)).toEqual([nikos, nikostratos].sort())
				for (const path of ['userName', 'displayName', 'title']) {
					expect(await found(app, `${path} eq "${name}"`)).toEqual([nikos])
				}
				expect(await found(app, `emails.value eq "${name}@example.gr"`)).toEqual([nikos])
				const taken = { status: 409, body: { scimType: 'uniqueness', detail: expect.stringContaining(nikos) } }
				expect(await app.ask('POST', `${tenant}/Users`, { body: person(name) })).toMatchObject(taken)
				const put = await app.ask('PUT', `${tenant}/Users/${nikostratos}`, { body: person(name) })
				expect(put).toMatchObject(taken)
			}
			expect(await found(app, 'userName eq "Μαριος"')).toEqual(users.marios)
			expect(await found(app, 'displayName eq "ομαδα τησ ελλαδοσ"', 'Groups')).toEqual([groupId])
			const sameGroup = { body: { displayName: 'Ομαδα της Ελλαδος' } }
			expect(await app.ask('POST', `${tenant}/Groups`, sameGroup)).toMatchObject({ status: 409 })
		}
		await expectFolded(apps.this, { marios })

		// Version 0.1.0 finds, changes and deletes what this version writes.
		const pavlos = await create(apps.this, 'ΠΑΥΛΟΣ')
		expect(await found(apps[before], 'userName eq "παυλος"')).toEqual([pavlos])
		const rename = patchOf({ op: 'replace', value: { userName: 'ΠΕΤΡΟΣ' } })
		expect(await apps[before].ask('PATCH', `${tenant}/Users/${pavlos}`, rename)).toMatchObject({ status: 200 })
		expect(await found(apps.this, 'userName eq "πετροσ"')).toEqual([pavlos])
		expect(await apps[before].ask('DELETE', `${tenant}/Users/${pavlos}`)).toMatchObject({ status: 204 })
		expect(await found(apps.this, 'userName eq "πετροσ"')).toEqual([])
		const petros = await create(apps.this, 'πετροσ')
		expect(await audited(table)).toEqual([])

		// The next version raises the tenant to format 2, beside instances of this version.
		await apps[before].kill()
		const { connectionString } = azurite
		const tokens = { file: join(folder, 'tokens.json') }
		const reports: string[] = []
		let later = 20 * 60_000
		const advance = async (): Promise<FormatStage> => {
			later += 11 * 60_000
			const now = () => Date.now() + later
			const { tenants } = await createServices({ tables: { connectionString }, tokens }, { now })
			const present = await tenants.getTenant(tenant)
			if (present === undefined) throw new Error('it is there')
			const steps = [{ to: 2, convert: foldKeys }]
			const work = { tenants, tables, formats: { newest: 2, target: 2, steps }, now, until: Number.POSITIVE_INFINITY }
			await advanceFormat({ ...work, report: ({ message }) => reports.push(message) }, present)
			return (await tenants.getTenant(tenant))?.format.stage ?? 'unknown'
		}
		expect(await advance()).toBe('announced')
		const announced = await start('this')
		const theodoros = await create(announced, 'ΘΕΟΔΩΡΟΣ')
		expect(await advance()).toBe('written')
		const app = await start('this')
		const thanos = await create(app, 'ΘΑΝΟΣ')
		for (const each of [announced, app]) {
			await expectFolded(each, { marios })
			expect(await found(each, 'userName eq "θεοδωροσ"')).toEqual([theodoros])
			expect(await found(each, 'userName eq "θανοσ"')).toEqual([thanos])
			for (const name of ['θεοδωροσ', 'θανοσ']) {
				expect(await each.ask('POST', `${tenant}/Users`, { body: person(name) })).toMatchObject({ status: 409 })
			}
		}
		expect(await advance()).toBe('written')
		expect(reports).toEqual([expect.stringMatching(/^Users or groups with the name of another one: 1\./)])
		await expectFolded(app, { marios })
		const renameTwin = patchOf({ op: 'replace', value: { userName: 'ΜΑΡΙΟΣ2' } })
		expect(await app.ask('PATCH', `${tenant}/Users/${marios[1]}`, renameTwin)).toMatchObject({ status: 200 })
		expect(await advance()).toBe('complete')
		await expectFolded(app, { marios: marios.slice(0, 1) })
		expect(await found(app, 'userName eq "Πετροσ"')).toEqual([petros])
		const keys: string[] = []
		for await (const rows of table.pages({ from: 'x|', to: 'z' })) keys.push(...rows.map(({ RowKey }) => RowKey))
		expect(keys.filter((key) => key.includes('{03c2'))).toEqual([])
		expect(await violationsIn(table)).toEqual([])
	}, 300_000)

	test('differ about a format that is too new: this version refuses it, 0.1.0 ignores the number', async () => {
		const tenant = 'too-new'
		await newTenant(tenant)
		await changeTenantRow(tables, tenant, { format: 99 })
		const [older, app] = [await start(before), await start('this')]
		const detail = /^This tenant's data has format 99; this version of Rollcall reads formats up to \d+\. Deploy a /
		for (const asked of ['GET Users', 'POST Users', 'GET Changes', 'GET health']) {
			const [method = '', path = ''] = asked.split(' ')
			const body = method === 'POST' ? { body: { userName: 'joy' } } : {}
			expect(await app.ask(method, `${tenant}/${path}`, body)).toMatchObject({
				...{ status: 503, headers: { 'retry-after': '60' } },
				body: { status: '503', detail: expect.stringMatching(detail) },
			})
		}
		expect(await app.ask('GET', `${tenant}/Users`, { headers: { authorization: 'Bearer wrong-wrong' } })).toMatchObject(
			{
				status: 401,
			},
		)
		expect((await app.sweep()).filter(({ level }) => level === 'error')).toEqual([
			expect.objectContaining({ message: expect.stringContaining("This tenant's data has format 99;") }),
		])
		expect(await older.ask('GET', `${tenant}/Users`)).toMatchObject({ status: 200 })
	})
})
