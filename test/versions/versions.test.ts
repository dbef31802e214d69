import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { addToken } from '../../shared/auth/file-source.ts'
import { connectTables, type Row, type Table, type Tables } from '../../shared/storage/table/tables.ts'
import { formatOf } from '../../shared/tenants/format.ts'
import { violationsIn } from '../support/audit.ts'
import { copyBuilt } from '../support/built.ts'
import { type PackedApp, type PackedAppOptions, startPackedApp, unpack } from '../support/packed-app.ts'
import { randomFrom } from '../support/simulator/table-service.ts'
import { changeTenantRow, removeFormat, tenantRow } from '../support/tenant-row.ts'

// Azure runs instances of two versions side by side at every deployment, and after a roll-back. Here the packed app of the
// version before and the packed app of this one serve one tenant on one storage account. Two versions before this one, no
// app may serve a tenant any more that this version has raised.

const oldest = '0.1.0'
const before = '0.2.0'
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
	await copyBuilt(join(folder, 'dist'))
	run('package.mjs')
	await unpack(join(folder, 'dist/rollcall.zip'), join(folder, 'this'))
	for (const version of [oldest, before]) await unpack(`test/versions/${version}.zip`, join(folder, version))
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
async function start(
	version: Version | typeof oldest,
	options: Pick<PackedAppOptions, 'ahead' | 'requests'> = {},
): Promise<PackedApp> {
	const { connectionString } = azurite
	const tokensFile = join(folder, 'tokens.json')
	const app = await startPackedApp({ folder: join(folder, version), connectionString, tokensFile, token, ...options })
	running.push(app)
	return app
}

/** A tenant as a version has made it: 0.1.0 without a format number, 0.2.0 in format 1, this version in format 2. */
async function newTenant(name: string, maker: Version | typeof oldest): Promise<Table> {
	const tokensFile = join(folder, 'tokens.json')
	await addToken(tokensFile, name, { value: token, created: new Date().toISOString() })
	const { connectionString } = azurite
	const { tenants } = await createServices({ tables: { connectionString }, tokens: { file: tokensFile } })
	const tenant = await tenants.createTenant({ name, mode: 'store', settings: {} })
	if (tenant === 'exists') throw new Error('it is new')
	if (maker === oldest) await removeFormat(tables, name)
	const since = Date.now()
	if (maker === before) await tenants.updateFormat(name, () => ({ number: 1, stage: 'complete', since, position: '' }))
	return tables.table(tenant.table, name)
}

/** Sweeps of this version, each of which comes late enough for the next stage of a tenant. */
function newRaiser(tenant: string) {
	let ahead = 0
	return {
		/** Sweeps once. Answers the stage of the tenant, and the errors that the sweep has logged. */
		async advance() {
			ahead += 11 * 60_000
			const app = await start('this', { ahead })
			const logs = await app.sweep()
			await app.kill()
			const { number, stage } = formatOf(await tenantRow(tables, tenant))
			return { format: `${number} ${stage}`, errors: logs.filter(({ level }) => level !== 'information') }
		},
	}
}

const patchOf = (...Operations: unknown[]) => ({
	body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations },
})
const membersOf = (ids: readonly string[]) => ids.map((value) => ({ value }))

/** What the feed is to tell of a user. */
type Told = { readonly operation: 'create' | 'update' | 'delete'; readonly attributes?: readonly string[] }

type User = { readonly userName: string; readonly title?: string }
type Group = { readonly displayName: string; readonly members: Set<string> }

/** What is in the directory and in its feed, by the answers of both versions. */
type Model = {
	readonly users: Map<string, User>
	readonly groups: Map<string, Group>
	/** The changes of each user, in order. */
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
	for (const { members } of model.groups.values()) members.delete(id)
	tell(model, id, { operation: 'delete' })
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
		removeUser(model, leavingId)
		return `Groups/${groupId}`
	},
}

async function addMembers({ model, ask, pick, some, groupIds, userIds }: Turn, most: number): Promise<string> {
	const id = pick(groupIds)
	const { members } = groupOf(model, id)
	const asked = some(userIds, most)
	const answer = await ask('PATCH', `Groups/${id}`, patchOf({ op: 'Add', path: 'members', value: membersOf(asked) }))
	expect([200, 204]).toContain(answer.status)
	for (const user of asked) members.add(user)
	return `Groups/${id}`
}

async function removeMembers({ model, ask, pick, some, groupIds }: Turn, most: number): Promise<string | undefined> {
	const id = pick(groupIds)
	const { members } = groupOf(model, id)
	if (members.size === 0) return undefined
	const removed = some([...members], most)
	const answer = await ask(
		'PATCH',
		`Groups/${id}`,
		patchOf({ op: 'Remove', path: 'members', value: membersOf(removed) }),
	)
	expect([200, 204]).toContain(answer.status)
	for (const user of removed) members.delete(user)
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

/** An answer without what is another in each answer. */
function comparable({ headers: { 'x-request-id': _, ...headers }, ...answer }: Awaited<ReturnType<PackedApp['ask']>>) {
	return { ...answer, headers }
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

type ToldChange = Told & {
	readonly id: string
	readonly resourceId: string
	readonly resourceType: string
	readonly addedMembers?: readonly string[]
	readonly removedMembers?: readonly string[]
	readonly leftGroups?: readonly string[]
}

/** Follows a feed through any instances. A page may be of another instance than the page before it. */
function newReader(tenant: string) {
	const told: ToldChange[] = []
	let cursor = ''
	return {
		told,
		/** Reads a page, and answers whether it had changes. */
		async read(app: PackedApp, count: number): Promise<boolean> {
			const { status, body } = await app.ask('GET', `${tenant}/Changes?count=${count}&cursor=${cursor}`)
			expect({ status, body }).toMatchObject({ status: 200 })
			told.push(...body.changes)
			cursor = body.nextCursor
			return body.changes.length > 0
		},
	}
}

/** The whole feed as an instance tells it, some changes at a time. */
async function feedOf(app: PackedApp, tenant: string, count: number): Promise<readonly ToldChange[]> {
	const reader = newReader(tenant)
	while (await reader.read(app, count));
	return reader.told
}

/** What a feed tells of each user, in order. */
function usersIn(changes: readonly ToldChange[]): Readonly<Record<string, readonly Told[]>> {
	const told: Record<string, Told[]> = {}
	for (const { resourceType, resourceId, operation, attributes = [] } of changes) {
		if (resourceType !== 'User') continue
		const known = told[resourceId] ?? []
		known.push({ operation, ...(attributes.length > 0 && { attributes }) })
		told[resourceId] = known
	}
	return told
}

/**
 * The members of the groups that a reader has who applies all changes. Of a group whose members it must read, and of a new
 * group, it reads them at the end.
 */
function membersIn(
	changes: readonly ToldChange[],
	{ groups }: Model,
): readonly (readonly [string, readonly string[]])[] {
	const read = new Map<string, Set<string>>()
	for (const { resourceType, resourceId, operation, ...change } of changes) {
		if (resourceType === 'User') {
			for (const group of change.leftGroups ?? []) read.get(group)?.delete(resourceId)
		} else if (operation === 'delete') read.delete(resourceId)
		else if (operation === 'create' || (change.attributes ?? []).includes('members')) {
			read.set(resourceId, new Set(groups.get(resourceId)?.members))
		} else {
			for (const user of change.addedMembers ?? []) read.get(resourceId)?.add(user)
			for (const user of change.removedMembers ?? []) read.get(resourceId)?.delete(user)
		}
	}
	return [...read].map(([id, members]) => [id, [...members].sort()] as const).sort()
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

/** What happens to a tenant before a turn, and which instances start anew: they are at work by another stage afterwards. */
type Step = { readonly advancesTo?: string; readonly restarts?: readonly Version[]; readonly rollsBack?: true }

/** A deployment beside requests: in each stage, instances work by the stage before, and only then by the stage itself. */
const deployment: ReadonlyMap<number, Step> = new Map<number, Step>([
	[40, { advancesTo: '2 announced', restarts: ['this'] }],
	[70, { restarts: [before] }],
	[100, { advancesTo: '2 written', restarts: [before] }],
	[130, { restarts: ['this'] }],
	[160, { advancesTo: '2 complete', restarts: versions }],
	[200, { rollsBack: true }],
])

describe(`the packed app of ${before} and the one of this version, on one storage account`, () => {
	test.each([1, 2])(
		'write in turns, read what the other has written, and agree in the end, while the tenant is raised and after a roll-back (seed %i)',
		async (seed) => {
			const tenant = `turns-${seed}`
			const table = await newTenant(tenant, before)
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
			const reader = newReader(tenant)
			const { advance } = newRaiser(tenant)
			const turnOf = (version: Version, parity?: number): Turn => {
				const mine = (ids: Iterable<string>) =>
					[...ids].filter((_, index) => parity === undefined || index % 2 === parity)
				return {
					...{ model, pick, some, userIds: mine(model.users.keys()), groupIds: mine(model.groups.keys()) },
					ask: (method, path, options) => apps[version].ask(method, `${tenant}/${path}`, options),
				}
			}
			/** Both versions answer the same of it. */
			const compare = async (path: string): Promise<void> => {
				const [one, other] = await Promise.all(
					versions.map(async (version) => comparable(await apps[version].ask('GET', `${tenant}/${path}`))),
				)
				expect(one).toEqual(other)
			}
			const take = async ({ advancesTo, restarts = [], rollsBack }: Step): Promise<void> => {
				if (advancesTo !== undefined) expect(await advance()).toEqual({ format: advancesTo, errors: [] })
				for (const version of restarts) {
					await apps[version].kill()
					apps[version] = await start(version)
				}
				if (rollsBack) {
					await apps.this.kill()
					apps.this = await start(before)
				}
			}

			for (let count = 0; count < 80; count++) await turns.createUser?.(turnOf(versions[count % 2] ?? 'this'))
			for (const version of [...versions, ...versions]) await turns.createGroup?.(turnOf(version))
			const names = Object.keys(turns)
			for (let round = 0; round < 250; round++) {
				await take(deployment.get(round) ?? {})
				const version = pick(versions)
				if (round % 5 > 0) {
					const path = await turns[pick(names)]?.(turnOf(version))
					if (path !== undefined) await compare(path)
				} else {
					// Both at once, of different resources.
					const both = ['patchUser', 'renameUser', 'addFew', 'removeFew', 'addMany', 'renameGroup']
					await Promise.all(versions.map((each, parity) => turns[pick(both)]?.(turnOf(each, parity))))
				}
				if (round % 3 === 0) await reader.read(apps[pick(versions)], 5)
				if (round % 60 === 59) {
					expect(await described(apps[version], tenant)).toEqual(expected(model))
					expect((await apps[version].sweep()).filter(({ level }) => level !== 'information')).toEqual([])
				}
			}
			for (const version of versions) expect(await described(apps[version], tenant)).toEqual(expected(model))
			expect(await audited(table)).toEqual([])
			expect(formatOf(await tenantRow(tables, tenant))).toMatchObject({ number: 2, stage: 'complete' })

			// The sweeps of the audit have closed the last epoch.
			const last = { [before]: await start(before), this: await start('this') }
			while (await reader.read(last[pick(versions)], 50));
			const feed = await feedOf(last.this, tenant, 100)
			expect(await feedOf(last[before], tenant, 7)).toEqual(feed)
			expect(reader.told).toEqual(feed)
			expect(usersIn(feed)).toEqual(Object.fromEntries(model.told))
			expect(membersIn(feed, model)).toEqual(expected(model).groups.map(([id, , members]) => [id, members]))
			for (const version of versions) expect(await described(last[version], tenant)).toEqual(expected(model))
		},
		300_000,
	)

	const makers: readonly (readonly [Version, string])[] = [
		[before, 'format 1'],
		['this', 'format 2'],
	]
	test.each(makers)(
		'finish a change of many members of a tenant by %s, in %s, when the instance of the other version was killed',
		async (maker) => {
			const tenant = maker === 'this' ? 'killed-in-2' : 'killed-in-1'
			const table = await newTenant(tenant, maker)
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
		},
		300_000,
	)

	test('know a name with a sigma by all its spellings in every stage, and format 2 folds the keys that 0.1.0 has written', async () => {
		const tenant = 'sigma'
		const table = await newTenant(tenant, oldest)
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
		const first = await start(oldest)
		const nikos = await create(first, 'ΝΙΚΟΣ')
		const nikostratos = await create(first, 'ΝΙΚΟΣΤΡΑΤΟΣ')
		const marios = [await create(first, 'ΜΑΡΙΟΣ'), await create(first, 'μαριοσ')].sort()
		const group = { displayName: 'ΟΜΑΔΑ ΤΗΣ ΕΛΛΑΔΟΣ' }
		const { id: groupId } = (await first.ask('POST', `${tenant}/Groups`, { body: group })).body
		await first.kill()

		/** What both versions answer in every stage of the change. */
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
		/** Each name is found by both apps, and neither gives it twice. */
		const expectUsers = async (apps: readonly PackedApp[], users: Readonly<Record<string, string>>) => {
			for (const app of apps) {
				await expectFolded(app, { marios })
				for (const [name, id] of Object.entries(users)) {
					expect(await found(app, `userName eq "${name}"`)).toEqual([id])
					expect(await app.ask('POST', `${tenant}/Users`, { body: person(name) })).toMatchObject({ status: 409 })
				}
			}
		}
		const { advance } = newRaiser(tenant)
		expect(await advance()).toEqual({ format: '1 complete', errors: [] })
		const unraised = await start(before)
		const pavlos = await create(unraised, 'ΠΑΥΛΟΣ')
		expect(await advance()).toEqual({ format: '2 announced', errors: [] })
		const announced = await start('this')
		const theodoros = await create(announced, 'ΘΕΟΔΩΡΟΣ')
		await expectUsers([unraised, announced], { παυλοσ: pavlos, θεοδωροσ: theodoros })
		await unraised.kill()
		expect(await advance()).toEqual({ format: '2 written', errors: [] })
		const app = await start(before)
		const thanos = await create(app, 'ΘΑΝΟΣ')
		await expectUsers([announced, app], { παυλοσ: pavlos, θεοδωροσ: theodoros, θανοσ: thanos })
		const shared = expect.stringMatching(/Users or groups with the name of another one: 1\./)
		expect(await advance()).toMatchObject({ format: '2 written', errors: [{ message: shared }] })
		await expectFolded(app, { marios })
		const renameTwin = patchOf({ op: 'replace', value: { userName: 'ΜΑΡΙΟΣ2' } })
		expect(await app.ask('PATCH', `${tenant}/Users/${marios[1]}`, renameTwin)).toMatchObject({ status: 200 })
		expect(await advance()).toEqual({ format: '2 complete', errors: [] })
		for (const each of [app, await start('this')]) await expectFolded(each, { marios: marios.slice(0, 1) })
		const keys: string[] = []
		for await (const rows of table.pages({ from: 'x|', to: 'z' })) keys.push(...rows.map(({ RowKey }) => RowKey))
		expect(keys.filter((key) => key.includes('{03c2'))).toEqual([])
		expect(await violationsIn(table)).toEqual([])
	}, 300_000)
})

const requests = [
	['GET', 'Users'],
	['GET', 'Users?filter=userName+eq+%22joy%22'],
	['POST', 'Users'],
	['POST', 'Groups'],
	['GET', 'Changes'],
	['GET', 'health'],
] as const
const bodyOf = (method: string) => (method === 'POST' ? { body: { userName: 'joy', displayName: 'Staff' } } : {})

test.each(['2 announced', '2 complete'] as const)(
	`the packed app of ${oldest}, which ignores formats, answers 503 for a tenant of format %s, and changes nothing`,
	async (format) => {
		const tenant = `two-behind-${format.replace(' ', '-')}`
		const isRaised = format === '2 announced'
		const table = await newTenant(tenant, isRaised ? before : 'this')
		if (isRaised) expect(await newRaiser(tenant).advance()).toEqual({ format, errors: [] })
		expect(await (await start('this')).ask('POST', `${tenant}/Users`, bodyOf('POST'))).toMatchObject({ status: 201 })
		const rowsIn = async () => {
			const all: Row[] = []
			for await (const rows of table.pages({ from: '!', to: '~' })) all.push(...rows)
			return all
		}
		const rows = await rowsIn()
		const app = await start(oldest)
		for (const [method, path] of requests) {
			expect(await app.ask(method, `${tenant}/${path}`, bodyOf(method))).toMatchObject({ status: 503 })
		}
		await app.sweep()
		expect(await rowsIn()).toEqual(rows)
	},
)

test(`a sweep of this version removes what ${oldest} leaves of the ledger after a roll-back`, async () => {
	const tenant = 'rolled-back'
	const table = await newTenant(tenant, before)
	const day = 24 * 60 * 60_000
	const sweepBy = async (version: Version | typeof oldest, ahead: number) => {
		const app = await start(version, { ahead })
		await app.sweep()
		await app.kill()
	}
	const keysIn = async (prefix: string) => {
		const keys: string[] = []
		for await (const rows of table.pages({ from: `${prefix}0`, to: `${prefix}~` })) {
			keys.push(...rows.map(({ RowKey }) => RowKey))
		}
		return keys
	}
	const app = await start(before)
	const create = async (path: string, body: object): Promise<string> =>
		(await app.ask('POST', `${tenant}/${path}`, { body })).body.id
	const users: string[] = []
	for (let index = 0; index < 60; index++) users.push(await create('Users', { userName: `user-${index}` }))
	const group = await create('Groups', { displayName: 'Staff', members: membersOf(users) })
	expect(await app.ask('DELETE', `${tenant}/Groups/${group}`)).toMatchObject({ status: 204 })
	expect(await app.ask('DELETE', `${tenant}/Users/${users[0]}`)).toMatchObject({ status: 204 })
	await app.kill()
	await sweepBy(before, 2 * 60_000)
	expect((await keysIn('h|')).length).toBeGreaterThan(180)
	const kept = await keysIn('l|')
	expect(kept.length).toBeGreaterThan(1)

	await sweepBy(oldest, 32 * day)
	const [newest = '', ...others] = await keysIn('c|')
	expect(others).toEqual([])
	expect(await keysIn('l|')).toEqual(kept)

	// The sweep looks for such rows between three and four in the night.
	const night = (27 * 60 + 10) * 60_000 - (Date.now() % day)
	await sweepBy('this', 33 * day + night)
	expect(await keysIn('l|')).toEqual([])
	const left = await keysIn('h|')
	expect(left.length).toBeGreaterThan(0)
	for (const key of left) expect(key.endsWith(newest.slice('c|'.length))).toBe(true)
}, 300_000)

// It is the last test, because the sweeps of all others would tell of its tenant.
test('both versions refuse a format that is too new', async () => {
	const tenant = 'too-new'
	await newTenant(tenant, 'this')
	await changeTenantRow(tables, tenant, { format: 99 })
	const detail = /^This tenant's data has format 99; this version of Rollcall reads formats up to \d+\. Deploy a /
	for (const version of versions) {
		const app = await start(version)
		for (const [method, path] of requests) {
			expect(await app.ask(method, `${tenant}/${path}`, bodyOf(method))).toMatchObject({
				...{ status: 503, headers: { 'retry-after': '60' } },
				body: { status: '503', detail: expect.stringMatching(detail) },
			})
		}
		const headers = { authorization: 'Bearer wrong-wrong' }
		expect(await app.ask('GET', `${tenant}/Users`, { headers })).toMatchObject({ status: 401 })
		expect((await app.sweep()).filter(({ level }) => level === 'error')).toEqual([
			expect.objectContaining({ message: expect.stringContaining("This tenant's data has format 99;") }),
		])
	}
})
