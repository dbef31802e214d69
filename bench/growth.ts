import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { createServices } from '../functions/services.ts'
import { addToken } from '../shared/auth/file-source.ts'
import { parseFilter } from '../shared/scim/filter/parse.ts'
import type { ResourceId } from '../shared/scim/resource.ts'
import { groupType, userType } from '../shared/scim/resource-type.ts'
import type { QueryResult } from '../shared/storage/query/page.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { chart, type Point } from './chart.ts'
import { type Child, startChild } from './child.ts'
import { verdictLines, verdictsOn } from './growth-targets.ts'
import { printTable } from './measure.ts'
import { benchUser } from './user.ts'

/**
 * Shows whether operations get slower as the directory grows. Prints and draws the cost of each operation at each size, and
 * says which targets are met. The exit code is 1 if a target is missed.
 */
export async function growth(): Promise<void> {
	const onAzurite = await measureAzurite([1000, 10_000], [0, 1000, 10_000])
	const { points: onSimulator, peakMegabytes } = await measureSimulator(
		[1000, 10_000, 50_000, 200_000],
		[0, 1000, 10_000, 100_000, 1_000_000],
	)
	const points = [...onAzurite, ...onSimulator]
	await writeFile('docs/growth.svg', chart(points))
	console.log('\ndrawn: docs/growth.svg\n')
	const verdicts = verdictsOn(points, peakMegabytes)
	for (const line of verdictLines(verdicts)) console.log(line)
	if (!verdicts.every(({ isMet }) => isMet)) process.exitCode = 1
}

const ready = z.object({ connectionString: z.string() }).parse

async function measureAzurite(users: readonly number[], members: readonly number[]): Promise<readonly Point[]> {
	console.log('Azurite, which scans every row of a table for each query\n')
	const child = await startChild('./azurite.js', { args: [], read: ready })
	try {
		const world = await open(child.ready.connectionString)
		const fillUsers = async (count: number) => {
			for (let done = 0; done < count; done += 16) {
				await Promise.all(
					Array.from({ length: Math.min(16, count - done) }, (_, index) =>
						world.store.create(userType, { attributes: benchUser(`filled-${world.created++}-${index}`) }),
					),
				)
			}
		}
		const fillGroup = async (id: ResourceId, count: number) => {
			let after = ''
			for (let left = count; left > 0; ) {
				const { resources, next = '' } = await world.store.query(userType, {
					page: { after, count: Math.min(left, 1000) },
				})
				await world.store.changeMembers(id, { add: resources.map((user) => ({ value: user.id })), remove: [] })
				left -= resources.length
				after = next
			}
		}
		return await measureAll('Azurite', world, { users, members, fillUsers, fillGroup })
	} finally {
		child.stop()
	}
}

async function measureSimulator(users: readonly number[], members: readonly number[]) {
	console.log('\nThe simulator of the table service\n')
	const execArgv = ['--max-old-space-size=12000']
	const child = await startChild('./simulator.js', { args: [], read: ready, execArgv })
	try {
		const world = await open(child.ready.connectionString)
		const tenant = { name: world.tenant.name, table: world.tenant.table }
		const fillUsers = (count: number) => child.ask({ tenant, users: count })
		const fillGroup = (id: ResourceId, count: number) => child.ask({ tenant, group: { id, members: count } })
		const points = await measureAll('simulator', world, { users, members, fillUsers, fillGroup })
		return { points, peakMegabytes: await measureMemory(child, child.ready.connectionString) }
	} finally {
		child.stop()
	}
}

type World = {
	readonly store: ResourceStore
	readonly tenant: Tenant
	/** Requests to the table service so far, and the milliseconds during which at least one was in progress. */
	readonly spent: { requests: number; milliseconds: number }
	created: number
}

async function open(connectionString: string): Promise<World> {
	const spent = { requests: 0, milliseconds: 0 }
	let underWay = 0
	let started = 0
	const services = await createServices(
		{ tables: { connectionString }, tokens: { file: 'unused' } },
		{
			// What no request waits for is no part of the measurement.
			later: () => () => {},
			intercept: (send) => async (request) => {
				spent.requests++
				if (underWay++ === 0) started = performance.now()
				try {
					return await send(request)
				} finally {
					if (--underWay === 0) spent.milliseconds += performance.now() - started
				}
			},
		},
	)
	const tenant = await services.tenants.createTenant({ name: 'growth', mode: 'store', settings: {} })
	if (tenant === 'exists') throw new Error('the tenant exists')
	return { store: services.open(tenant), tenant, spent, created: 0 }
}

type GrowthPlan = {
	readonly users: readonly number[]
	readonly members: readonly number[]
	readonly fillUsers: (count: number) => Promise<unknown>
	readonly fillGroup: (id: ResourceId, count: number) => Promise<unknown>
}

type GrowthStep<T> = readonly [name: string, work: (index: number, target: T) => Promise<unknown>]

/** Enough changes to show rare events. */
const memberChanges = 200

async function measureAll(service: string, world: World, plan: GrowthPlan): Promise<readonly Point[]> {
	const { store } = world
	const points: Point[] = []
	const own: ResourceId[] = []
	const createOwn = async () =>
		own.push((await store.create(userType, { attributes: benchUser(`own-${world.created++}`) })).id)
	let size = 0
	for (const users of plan.users) {
		await plan.fillUsers(users - size)
		size = users
		const page = (startIndex: number) => store.query(userType, { page: { startIndex, count: 100 } })
		const works: readonly GrowthStep<undefined>[] = [
			['create a user', createOwn],
			['match by userName', (index) => find(store, `own-${world.created - 1 - index}@EXAMPLE.com`)],
			['change a user', (index) => rename(store, own.at(-1 - index), `Title ${index}`)],
			['page at the beginning', () => page(1)],
			['page in the middle', () => page(Math.floor(users / 2))],
			['page at the end', () => page(users - 100)],
		]
		const place = { service, by: 'users', size: users } as const
		points.push(...(await measureWorks(works, world, { sizes: [{ place, target: undefined }], times: 100 })))
	}
	console.log(await walk(world))
	// The groups are filled with the oldest users. The newest users are added and removed.
	for (let index = 0; index < memberChanges; index++) await createOwn()
	const groups: { readonly id: ResourceId; readonly size: number }[] = []
	for (const members of plan.members) {
		const { id } = await store.create(groupType, { attributes: { displayName: `Group of ${members}` } })
		await plan.fillGroup(id, members)
		groups.push({ id, size: members })
	}
	const change = (id: ResourceId, add: readonly ResourceId[], remove: readonly ResourceId[]) =>
		store.changeMembers(id, { add: add.map((value) => ({ value })), remove })
	const works: readonly GrowthStep<ResourceId>[] = [
		['add a member', (index, id) => change(id, at(own, index), [])],
		['is it a member?', (index, id) => isMember(store, id, at(own, index)[0])],
		['remove a member', (index, id) => change(id, [], at(own, index))],
		['read the group without members', (_, id) => store.get(groupType, id)],
	]
	const sizes = groups.map(({ id, size }) => ({ place: { service, by: 'members', size } as const, target: id }))
	points.push(...(await measureWorks(works, world, { sizes, times: memberChanges })))
	report(points)
	return points
}

/**
 * Reads all users by cursor while other users are created and deleted, and describes the result. Throws if a user was missed
 * or seen twice.
 */
async function walk({ store }: World): Promise<string> {
	const passing: ResourceId[] = []
	const come = async (name: string) => passing.push((await store.create(userType, { attributes: benchUser(name) })).id)
	for (let index = 0; index < 200; index++) await come(`passing-${index}`)
	const { totalResults = Number.NaN } = await store.query(userType, { page: { startIndex: 1, count: 0 } })
	const staying = totalResults - passing.length
	const passed = new Set(passing)
	const seenIds = new Set<string>()
	let twice = 0
	let pages = 0
	const started = performance.now()
	for (let next: string | undefined = ''; next !== undefined; ) {
		const found: QueryResult = await store.query(userType, { page: { after: next, count: 1000 } })
		for (const { id } of found.resources) {
			if (seenIds.size === seenIds.add(id).size) twice++
		}
		next = found.next
		const [gone] = passing.splice(0, 1)
		if (gone !== undefined) await store.delete(userType, gone)
		if (pages++ < 100) passed.add(passing[(await come(`late-${pages}`)) - 1] ?? ('' as ResourceId)) // sound: it was just added
	}
	const seconds = ((performance.now() - started) / 1000).toFixed(1)
	const stayed = [...seenIds].filter((id) => !passed.has(id as ResourceId)).length // sound: only ids were seen
	if (twice > 0 || stayed !== staying)
		throw new Error(`of ${staying} users ${stayed} were seen, ${twice} of them twice`)
	return `a walk by cursor during other changes: all ${staying.toLocaleString('en')} users once, ${pages} pages in ${seconds} s\n`
}

const find = (store: ResourceStore, userName: string) =>
	store.query(userType, { filter: parseFilter(`userName eq "${userName}"`), page: { startIndex: 1, count: 100 } })

const rename = (store: ResourceStore, id: ResourceId | undefined, title: string) =>
	store.update(userType, id ?? '', { revise: ({ attributes }) => ({ attributes: { ...attributes, title } }) })

const isMember = (store: ResourceStore, groupId: string, userId = '') =>
	store.query(groupType, {
		filter: parseFilter(`id eq "${groupId}" and members[value eq "${userId}"]`),
		page: { startIndex: 1, count: 1 },
	})

/** One of our own users, counted from the newest, as a list. None of them was in a group before. */
const at = (ids: readonly ResourceId[], index: number): readonly ResourceId[] => ids.slice(-1 - index).slice(0, 1)

type Size<T> = { readonly place: Pick<Point, 'service' | 'by' | 'size'>; readonly target: T }

type Sample = { readonly requests: number; readonly total: number; readonly raw: number }

/** Measures each step at all sizes in turn, so that other load on the machine affects all sizes alike. */
async function measureWorks<T>(
	works: readonly GrowthStep<T>[],
	{ spent }: World,
	{ sizes, times }: { readonly sizes: readonly Size<T>[]; readonly times: number },
): Promise<readonly Point[]> {
	const points: Point[] = []
	for (const [operation, work] of works) {
		const samples = sizes.map((): Sample[] => [])
		for (let index = 0; index < times; index++) {
			for (const [size, { target }] of sizes.entries()) {
				const before = { ...spent }
				const started = performance.now()
				await work(index, target)
				const total = performance.now() - started
				const requests = spent.requests - before.requests
				samples[size]?.push({ requests, total, raw: spent.milliseconds - before.milliseconds })
			}
		}
		for (const [size, { place }] of sizes.entries())
			points.push({ ...place, operation, ...shares(samples[size] ?? []) })
	}
	return points
}

function shares(samples: readonly Sample[]): Pick<Point, 'requests' | 'p50' | 'p95' | 'ratio'> {
	const share = (part: number, valueIn: (sample: Sample) => number) =>
		samples.map(valueIn).sort((a, b) => a - b)[Math.floor(samples.length * part)] ?? Number.NaN
	return {
		requests: share(0.5, ({ requests }) => requests),
		p50: share(0.5, ({ total }) => total),
		p95: share(0.95, ({ total }) => total),
		ratio: share(0.5, ({ total, raw }) => total / raw),
	}
}

function report(points: readonly Point[]): void {
	const rows = points.map(({ operation, by, size, requests, p50, p95, ratio }) => [
		operation,
		`${size.toLocaleString('en')} ${by}`,
		String(requests),
		p50.toFixed(2),
		p95.toFixed(2),
		ratio.toFixed(2),
	])
	printTable(['operation', 'at', 'requests', 'p50 ms', 'p95', 'to raw'], rows)
}

const largeGroup = 100_000

/** The peak memory of the host in megabytes while it returns a large group. Prints the memory before that, too. */
async function measureMemory(simulator: Child<unknown>, connectionString: string): Promise<number> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-growth-'))
	const file = join(folder, 'tokens.json')
	const token = 'a-token-for-the-bench-alone'
	await addToken(file, 'large', { value: token, created: new Date().toISOString() })
	const host = await startChild('./host.js', { args: [connectionString, file], read: z.object({ url: z.url() }).parse })
	const peak = async () => z.object({ peakMegabytes: z.number() }).parse(await host.ask()).peakMegabytes
	try {
		const services = await createServices({ tables: { connectionString }, tokens: { file } })
		const tenant = await services.tenants.createTenant({ name: 'large', mode: 'store', settings: {} })
		if (tenant === 'exists') throw new Error('the tenant exists')
		const { id } = await services.open(tenant).create(groupType, { attributes: { displayName: 'Everybody' } })
		await simulator.ask({ tenant: { name: tenant.name, table: tenant.table }, group: { id, members: largeGroup } })
		const ask = (query: string) =>
			fetch(`${host.ready.url}/scim/large/Groups/${id}${query}`, { headers: { authorization: `Bearer ${token}` } })
		await (await ask('?excludedAttributes=members')).text()
		const idle = await peak()
		const started = performance.now()
		const text = await (await ask('')).text()
		const seconds = (performance.now() - started) / 1000
		const most = await peak()
		console.log(
			`\nGET of a group of ${largeGroup.toLocaleString('en')}: ${(text.length / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s, host at most ${most.toFixed(0)} MB (${idle.toFixed(0)} MB before)`,
		)
		return most
	} finally {
		host.stop()
		await rm(folder, { recursive: true })
	}
}
