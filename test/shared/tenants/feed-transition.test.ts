import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../shared/scim/error.ts'
import { idGenerator } from '../../../shared/scim/id.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ChangeEntry } from '../../../shared/storage/feed-order.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { sweep } from '../../../shared/storage/sweep.ts'
import {
	connectTables,
	type Send,
	type TableRequest,
	type TableResponse,
} from '../../../shared/storage/table/tables.ts'
import { openDirectories } from '../../../shared/storage/table-store.ts'
import { advanceFormat } from '../../../shared/tenants/advance-format.ts'
import { type Formats, feedOf, formats, type TenantFormat } from '../../../shared/tenants/format.ts'
import { openTenants, type Tenant } from '../../../shared/tenants/tenants.ts'
import { violationsIn } from '../../support/audit.ts'
import { connectionString, randomFrom, simulateTableService } from '../../support/simulator/table-service.ts'

// A tenant goes from format 1 to format 2 while instances of two neighbouring releases change its directory and a reader
// follows its feed. The reader asks another instance each time.

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** A release that knows format 2, and this one, which raises tenants to it. */
const releases = {
	knowing: { newest: 2, target: 1, steps: [] },
	raising: formats,
} as const satisfies Record<string, Formats>

type Release = keyof typeof releases

type Change = { readonly operation: string; readonly id: string; readonly resourceType: string }

async function newWorld(seed: number) {
	const random = randomFrom(seed)
	const below = (limit: number): number => Math.floor(random() * limit)
	const clock = { time: Date.UTC(2026, 0, 1), areWrong: false }
	const { send } = simulateTableService({ seed, now: () => clock.time })
	const committed: Change[] = []
	let digits = 0
	const recording: Send = async (request) => {
		const response = await send(request)
		const change = changeIn(request, response)
		if (change !== undefined) committed.push(change)
		return response
	}

	/** One instance of the app, with its own memory of the tenant. Once there are epochs, its clock is hours off. */
	const open = (release: Release, around: (send: Send) => Send = (each) => each) => {
		const offset = below(8 * hour) - 4 * hour
		const now = () => clock.time + (clock.areWrong ? offset : 0)
		const tables = connectTables({ connectionString }, { intercept: () => around(recording), pause: async () => {} })
		const ids = idGenerator(now, (count) => (digits++).toString(16).padStart(count, '0'))
		const tenants = openTenants({ tables, ids, now: () => clock.time, randomBytes })
		const opening = { tables, ids, now, elapsed: () => clock.time, random }
		const directories = openDirectories(opening)
		const tenantNow = async (): Promise<Tenant> => {
			const tenant = await tenants.getTenant('acme')
			if (tenant === undefined) throw new Error('it is there')
			return tenant
		}
		return {
			...{ tables, tenants },
			/** Begins a request: the instance works by what it knows of the tenant. */
			async begin(): Promise<{ readonly store: ResourceStore; readonly feed: ReturnType<typeof feedOf> }> {
				const tenant = await tenantNow()
				const feed = feedOf(tenant.format)
				return { store: directories(tenant, { feed }), feed }
			},
			async sweep(): Promise<void> {
				const [tenant] = await tenants.listTenants()
				if (tenant === undefined) throw new Error('it is there')
				const until = Number.POSITIVE_INFINITY
				await sweep({ ...opening, tenant, feed: feedOf(tenant.format), until })
				const work = { tenants, tables, formats: releases[release], now: () => clock.time, until, report: () => {} }
				await advanceFormat(work, tenant)
			},
		}
	}
	const first = open('knowing')
	await first.tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	await first.tenants.updateFormat('acme', () => ({ number: 1, stage: 'complete', since: 0, position: '' }))
	return { below, clock, open, first, committed }
}

type World = Awaited<ReturnType<typeof newWorld>>
type Instance = ReturnType<World['open']>

const entryLine = /^\{"PartitionKey":[^\n]*"RowKey":"[cf]\|[^\n]*$/m

function changeIn({ body = '' }: TableRequest, { status, text }: TableResponse): Change | undefined {
	const line = entryLine.exec(body)?.[0]
	if (line === undefined || status !== 202 || /HTTP\/1\.1 [45]/.test(text)) return undefined
	const { RowKey, k, rt, id } = JSON.parse(line)
	return k === 'withdrawn' ? undefined : { operation: String(RowKey).split('|').at(-1) ?? '', id, resourceType: rt }
}

/** Follows the feed by asking any instance. */
function newReader() {
	const told: ChangeEntry[] = []
	let cursor = ''
	let isReading = false
	return {
		told,
		/** Answers how many changes are new. Does nothing while an earlier read is under way. */
		async read(instance: Instance): Promise<number> {
			if (isReading) return 0
			isReading = true
			try {
				const { store } = await instance.begin()
				const page = await store.changes(cursor, 5)
				told.push(...page.changes)
				cursor = page.nextCursor
				return page.changes.length
			} finally {
				isReading = false
			}
		},
	}
}

type Scene = {
	readonly world: World
	readonly users: ResourceId[]
	readonly groupId: ResourceId
	readonly name: () => string
}

/** One change by a request of an instance. */
async function changeBy({ store }: { store: ResourceStore }, { world, users, groupId, name }: Scene): Promise<void> {
	const id = users[world.below(users.length)]
	const kind = world.below(5)
	if (id === undefined || kind === 0) {
		users.push((await store.create(userType, { attributes: { userName: name() } })).id)
		return
	}
	if (kind < 3) {
		const title = name()
		await store.update(userType, id, { revise: ({ attributes }) => ({ attributes: { ...attributes, title } }) })
		return
	}
	await store.changeMembers(groupId, kind === 3 ? { add: [{ value: id }], remove: [] } : { add: [], remove: [id] })
}

/** Requests of instances, reads of the feed and sweeps, for three hours. `releasesAt` says what runs at a time. */
async function runTransition(seed: number, releasesAt: (minutes: number) => readonly Release[]) {
	const world = await newWorld(seed)
	const { below, clock, open, first, committed } = world
	let names = 0
	const name = () => `name${names++}`
	const { store } = await first.begin()
	const { id: groupId } = await store.create(groupType, { attributes: { displayName: 'group' } })
	const scene: Scene = { world, users: [], groupId, name }
	const reader = newReader()
	const begun = clock.time
	const stages = new Set<TenantFormat['stage']>()
	let running: readonly Release[] = []
	let instances: readonly Instance[] = []
	let isInStall = false

	/** Some requests stand still before their change, while others go on. */
	const stalling =
		(instance: () => Instance) =>
		(send: Send): Send => {
			return async (request) => {
				const [entry = ''] = entryLine.exec(request.body ?? '') ?? []
				// Without epochs, no id tells the order of changes of members if one of them stands still.
				const isSteady = entry === '' || /"RowKey":"c\|.*"k":"members"/.test(entry)
				if (isSteady || isInStall || below(8) > 0) return send(request)
				isInStall = true
				const { feed } = await instance().begin()
				for (let others = below(3); others > 0; others--) await act()
				// Before epochs, and only then, readers rely on how long a request may stand still.
				clock.time += feed === 'epochs' && clock.areWrong ? below(100 * minute) : below(10 * second)
				for (let others = below(3); others > 0; others--) await act()
				isInStall = false
				return send(request)
			}
		}
	const start = (release: Release): Instance => {
		const instance: Instance = open(
			release,
			stalling(() => instance),
		)
		return instance
	}
	const any = (): Instance => {
		const instance = instances[below(instances.length)]
		if (instance === undefined) throw new Error('no instance runs')
		return instance
	}
	const act = async (): Promise<void> => {
		clock.time += 5 * second
		try {
			if (below(3) === 0) await reader.read(any())
			else await changeBy(await any().begin(), scene)
		} catch (error) {
			if (!(error instanceof ScimError) || error.status === 400) throw error
		}
	}

	while (clock.time < begun + 180 * minute) {
		const wanted = releasesAt((clock.time - begun) / minute)
		if (wanted.join() !== running.join()) {
			running = wanted
			instances = wanted.map(start)
		}
		await act()
		clock.time += below(minute)
		if (below(10) === 0) {
			await any().sweep()
			const [tenant] = await first.tenants.listTenants()
			if (tenant === undefined) continue
			stages.add(tenant.format.stage)
			const pointer = await first.tables.table(tenant.table, tenant.name).get('e|!')
			clock.areWrong = Number(pointer?.n ?? 0) > 0
		}
	}
	const last = open(running[0] ?? 'knowing')
	for (let empty = 0; empty < 3; ) {
		clock.time += 2 * minute
		empty = (await reader.read(last)) === 0 ? empty + 1 : 0
	}
	const { store: end } = await last.begin()
	const group = await end.get(groupType, groupId, { members: true })
	const [tenant] = await first.tenants.listTenants()
	if (tenant === undefined) throw new Error('it is there')
	return {
		stages: [...stages],
		wrong: wrongWith(reader.told, committed),
		members: [membersIn(reader.told, groupId), (group?.members ?? []).map(({ value }) => value).toSorted()],
		violations: await violationsIn(first.tables.table(tenant.table, tenant.name)),
	}
}

/** Changes of users that were not told once, and users whose changes were told in another order. */
function wrongWith(told: readonly ChangeEntry[], committed: readonly Change[]): readonly string[] {
	const orderOf = (changes: readonly Change[], id: string) =>
		changes.filter((change) => change.id === id).map(({ operation }) => operation)
	const ids = new Set(committed.filter(({ resourceType }) => resourceType === 'User').map(({ id }) => id))
	return [...ids].flatMap((id) => {
		const [expected, actual] = [orderOf(committed, id), orderOf(told, id)]
		return expected.join() === actual.join() ? [] : [`${expected.join()} was told as ${actual.join()}`]
	})
}

function membersIn(told: readonly ChangeEntry[], groupId: string): readonly string[] {
	const members = new Set<string>()
	for (const mark of told.filter(({ id }) => id === groupId).flatMap(({ changed }) => changed)) {
		if (mark.startsWith('+')) members.add(mark.slice(1))
		else members.delete(mark.slice(1))
	}
	return [...members].sort()
}

const seeds =
	process.env.SEED === undefined ? Array.from({ length: 40 }, (_, index) => index + 1) : [Number(process.env.SEED)]

const both: readonly Release[] = ['knowing', 'raising', 'knowing', 'raising']
const rolledBack: readonly Release[] = ['knowing', 'knowing', 'knowing']

describe('while a tenant is raised to format 2, a reader that follows its feed misses nothing', () => {
	test.each<[string, (minutes: number, seed: number) => readonly Release[]]>([
		['if two releases run side by side', () => both],
		['if the newer release takes the place of the older one', (minutes) => (minutes < 20 ? rolledBack : both)],
		['if the newer release is rolled back', (minutes, seed) => (minutes < 10 + 2 * seed ? both : rolledBack)],
		[
			'if the newer release is rolled back and deployed again',
			(minutes, seed) => (minutes < 5 + seed || minutes > 60 + seed ? both : rolledBack),
		],
	])('%s', async (_, releasesAt) => {
		const stages = new Set<string>()
		for (const seed of seeds) {
			const { members, ...run } = await runTransition(seed, (minutes) => releasesAt(minutes, seed))
			expect({ seed, ...run }).toMatchObject({ seed, wrong: [], violations: [] })
			expect({ seed, members: members[0] }).toEqual({ seed, members: members[1] })
			for (const stage of run.stages) stages.add(stage)
		}
		if (process.env.SEED === undefined) expect([...stages].sort()).toEqual(['announced', 'complete', 'written'])
	})
})
