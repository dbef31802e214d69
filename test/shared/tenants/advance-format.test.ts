import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { insert, merge, type Operation, remove } from '../../../shared/storage/table/batch.ts'
import { connectTables, etagOf, type Row, type Send, type Table } from '../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../shared/storage/table-store.ts'
import { advanceFormat } from '../../../shared/tenants/advance-format.ts'
import {
	type FormatStep,
	type Formats,
	feedOf,
	type TenantFormat,
	writtenFormat,
} from '../../../shared/tenants/format.ts'
import { openTenants } from '../../../shared/tenants/tenants.ts'
import { violationsIn } from '../../support/audit.ts'
import { withFaults } from '../../support/faults.ts'
import { sequenceOfIds } from '../../support/sequence.ts'
import {
	connectionString,
	randomFrom,
	simulateTableService,
	type TableService,
} from '../../support/simulator/table-service.ts'
import { removeFormat, tenantRow } from '../../support/tenant-row.ts'

// Two changes of format that only these tests make: from format 2 on each user has a row `q|<id>`, and from format 3 on
// that row has the property `w`.

const extraOf = (userKey: string): string => userKey.replace(/^u/, 'q')
const userOf = (extraKey: string): string => extraKey.replace(/^q/, 'u')

/** A directory whose writers write the given format. */
function writing(table: Table, format: number): Table {
	const besides = async ({ kind, key }: Operation): Promise<readonly Operation[]> => {
		if (format === 1 || !key.startsWith('u|')) return []
		if (kind === 'insert') return [insert(extraOf(key), format === 2 ? {} : { w: true })]
		const isThere = kind === 'delete' && (await table.get(extraOf(key))) !== undefined
		return isThere ? [remove(extraOf(key))] : []
	}
	return {
		...table,
		async transaction(operations) {
			const more: Operation[] = []
			for (const operation of operations) more.push(...(await besides(operation)))
			return table.transaction([...operations, ...more])
		},
	}
}

/** Converts row after row; one that changes meanwhile is read and tried again. */
const conversion =
	(prefixes: readonly string[], convertRow: (table: Table, row: Row) => Promise<readonly Operation[]>) =>
	async ({ table, position, now, until }: Parameters<FormatStep['convert']>[0]): Promise<string | undefined> => {
		for (const prefix of prefixes) {
			// A key of a prefix that comes later says that the earlier ones are done.
			if (position !== '' && prefixes.indexOf(prefix) < prefixes.indexOf(position.slice(0, 2))) continue
			const from = position.startsWith(prefix) ? `${position}!` : prefix
			let reached = position.startsWith(prefix) ? position : prefix
			for await (const rows of table.pages({ from, to: `${prefix}~` })) {
				for (const { RowKey } of rows) {
					if (now() >= until) return reached
					await convertUntilDone(table, RowKey, convertRow)
					reached = RowKey
				}
			}
		}
		return undefined
	}

async function convertUntilDone(
	table: Table,
	key: string,
	convertRow: (table: Table, row: Row) => Promise<readonly Operation[]>,
): Promise<void> {
	for (;;) {
		const row = await table.get(key)
		const operations = row === undefined ? [] : await convertRow(table, row)
		if (operations.length === 0) return
		const outcome = await table.transaction(operations)
		if (outcome.kind === 'done') return
		if (outcome.kind === 'unknown') throw outcome.cause
	}
}

const toFormat2: FormatStep = {
	to: 2,
	// A writer of format 1 that deletes a user leaves the extra row, so the extra rows are looked through as well.
	convert: conversion(['u|', 'q|'], async (table, row) => {
		if (row.RowKey.startsWith('u|')) {
			const extra = extraOf(row.RowKey)
			return (await table.get(extra)) === undefined ? [insert(extra, {}), merge(row.RowKey, {}, etagOf(row))] : []
		}
		return (await table.get(userOf(row.RowKey))) === undefined ? [remove(row.RowKey, etagOf(row))] : []
	}),
}

const toFormat3: FormatStep = {
	to: 3,
	convert: conversion(['q|'], async (_, row) => (row.w === true ? [] : [merge(row.RowKey, { w: true }, etagOf(row))])),
}

const newFormats: Formats = { newest: 3, target: 3, steps: [toFormat2, toFormat3] }

const minute = 60_000

type World = { readonly service: TableService; readonly clock: { time: number } }

async function newWorld(options: Parameters<typeof simulateTableService>[0] = {}) {
	const world: World = { service: simulateTableService(options), clock: { time: Date.UTC(2026, 0, 1) } }
	const app = openApp(world)
	const created = await app.tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	if (created === 'exists') throw new Error('it is new')
	await app.tenants.updateFormat('acme', () => ({ number: 1, stage: 'complete', since: 0, position: '' }))
	return { ...world, table: app.tables.table(created.table, 'acme') }
}

type Sweep = {
	/** How many looks at the clock a sweep has time for. */
	readonly time?: number
	readonly formats?: Formats
	/** How much later it is for this sweep. */
	readonly ahead?: number
}

/** One instance of the app, with its own memory of the tenant. */
function openApp({ service, clock }: World, around: (send: Send) => Send = (send) => send) {
	const now = () => clock.time
	const tables = connectTables(
		{ connectionString },
		{ intercept: () => around(service.send), pause: () => Promise.resolve() },
	)
	const ids = sequenceOfIds()
	const tenants = openTenants({ tables, ids, now, randomBytes })
	return {
		...{ tables, tenants },
		/** Begins a request: what it writes is in the format that the instance knows now. */
		async begin(): Promise<ResourceStore> {
			const tenant = await tenants.getTenant('acme')
			if (tenant === undefined) throw new Error('it is there')
			const format = writtenFormat(tenant.format)
			const written = { ...tables, table: (name: string, key: string) => writing(tables.table(name, key), format) }
			return openDirectory({
				tables: written,
				tenant,
				ids: uniqueIds,
				now,
				random: () => 1,
				feed: feedOf(tenant.format),
			})
		},
		async sweep({ time = 1e6, formats = newFormats, ahead = 0 }: Sweep = {}): Promise<TenantFormat | undefined> {
			const [tenant] = await tenants.listTenants()
			if (tenant === undefined) throw new Error('it is there')
			let passed = 0
			const later = () => clock.time + ahead + passed++
			return advanceFormat(
				{ tenants, tables, formats, now: later, until: clock.time + ahead + time, report: () => {} },
				tenant,
			)
		},
	}
}

const uniqueIds = sequenceOfIds()
let users = 0
const create = (store: ResourceStore) => store.create(userType, { attributes: { userName: `user-${users++}` } })

/** What is wrong with a directory all of whose rows are to have a format. */
async function auditOf(table: Table, format: number): Promise<readonly string[]> {
	const violations = [...(await violationsIn(table, 'q|'))]
	const rows = new Map<string, Row>()
	for await (const page of table.pages({ from: 'q', to: 'v' })) for (const row of page) rows.set(row.RowKey, row)
	for (const key of rows.keys()) {
		if (key.startsWith('u|') && format > 1) {
			const extra = rows.get(extraOf(key))
			if (extra === undefined) violations.push(`${key} without ${extraOf(key)}`)
			else if (format === 3 && extra.w !== true) violations.push(`${extra.RowKey} without w`)
		}
		if (key.startsWith('q|') && !rows.has(userOf(key))) violations.push(`${key} without ${userOf(key)}`)
	}
	return violations
}

/** A process that is killed after so many requests to the table service. */
const killedAfter = (requests: number) => {
	let left = requests
	return withFaults(() => (left-- > 0 ? 'answered' : 'unsent'))
}

describe('a change of format', () => {
	test('numbers a tenant that was made before there were numbers, in one write', async () => {
		const world = await newWorld()
		const { tables, sweep } = openApp(world)
		await removeFormat(tables, 'acme')
		const before = await tenantRow(tables, 'acme')
		const ofThisVersion: Formats = { newest: 1, target: 1, steps: [] }
		expect(await sweep({ formats: ofThisVersion })).toMatchObject({ number: 1, stage: 'complete' })
		const { Timestamp, 'odata.etag': etag, ...after } = await tenantRow(tables, 'acme')
		expect(after).toMatchObject({ format: 1, table: before.table, cursorKey: before.cursorKey })
		expect(await sweep({ formats: ofThisVersion })).toBeUndefined()
		expect((await tenantRow(tables, 'acme'))['odata.etag']).toBe(etag)
		// Instances without numbers may still serve: the first change waits for them.
		expect(await sweep()).toBeUndefined()
		world.clock.time += 10 * minute
		expect(await sweep()).toMatchObject({ number: 2, stage: 'announced' })
	})

	test('goes through its stages while instances write that know the stage before', async () => {
		const world = await newWorld()
		const { table, clock } = world
		const [sweeper, other, straggler] = [openApp(world), openApp(world), openApp(world)]
		for (let count = 0; count < 20; count++) await create(await straggler.begin())
		const format = async () => (await openApp(world).tenants.getTenant('acme'))?.format
		for (const number of [2, 3]) {
			await straggler.begin()
			expect(await sweeper.sweep()).toMatchObject({ number, stage: 'announced' })
			// The straggler does not know the new number for a minute, and writes the format before.
			await create(await straggler.begin())
			await create(await other.begin())
			expect(await auditOf(table, number - 1)).toEqual([])
			clock.time += 10 * minute - 1000
			expect(await sweeper.sweep()).toBeUndefined()
			const late = await straggler.begin()
			clock.time += 2000
			expect(await sweeper.sweep()).toMatchObject({ number, stage: 'written' })
			const [first] = [await create(await openApp(world).begin()), await create(await straggler.begin())]
			await late.delete(userType, first.id)
			await create(late)
			expect(await auditOf(table, number)).not.toEqual([])
			expect(await sweeper.sweep()).toBeUndefined()
			clock.time += 10 * minute
			// One sweep has no time for all rows, and one is killed.
			expect(await sweeper.sweep({ time: 5 })).toMatchObject({
				stage: 'written',
				position: expect.stringMatching(/^.\|/),
			})
			const reached = await format()
			await expect(openApp(world, killedAfter(15)).sweep()).rejects.toThrow()
			expect(await format()).toEqual(reached)
			await create(await other.begin())
			expect(await sweeper.sweep()).toMatchObject({ number, stage: 'complete', position: '' })
			expect(await auditOf(table, number)).toEqual([])
			clock.time += 11 * minute
		}
		expect(await sweeper.sweep()).toBeUndefined()
	})

	test('would miss a row without the wait: an instance that knows the stage before still writes', async () => {
		const world = await newWorld()
		const [sweeper, straggler] = [openApp(world), openApp(world)]
		await create(await straggler.begin())
		// Its clock is ahead, so the sweep waits for nothing.
		for (const [round, stage] of ['announced', 'written', 'complete'].entries()) {
			expect(
				await sweeper.sweep({ ahead: (round + 1) * 11 * minute, formats: { ...newFormats, target: 2 } }),
			).toMatchObject({
				...{ number: 2, stage },
			})
		}
		const { id } = await create(await straggler.begin())
		expect(await auditOf(world.table, 2)).toEqual([`u|${id} without q|${id}`])
	})

	test('is made once by two sweeps at once', async () => {
		const world = await newWorld({ isInterleaved: true })
		for (let count = 0; count < 10; count++) await create(await openApp(world).begin())
		for (const stage of ['announced', 'written', 'complete']) {
			world.clock.time += 10 * minute
			const reached = await Promise.all([openApp(world).sweep(), openApp(world).sweep()])
			expect(reached).toContainEqual(expect.objectContaining({ number: 2, stage }))
			expect((await openApp(world).tenants.getTenant('acme'))?.format).toMatchObject({ number: 2, stage })
		}
		expect(await auditOf(world.table, 2)).toEqual([])
	})

	test('that another process has taken further is not taken back', async () => {
		const world = await newWorld()
		const sweep = (formats: Formats) => {
			world.clock.time += 11 * minute
			return openApp(world).sweep({ formats })
		}
		await sweep(newFormats)
		await sweep(newFormats)
		const overtaken = async () => {
			await sweep(newFormats)
			await sweep(newFormats)
			return 'u|0'
		}
		expect(await sweep({ ...newFormats, steps: [{ to: 2, convert: overtaken }] })).toBeUndefined()
		expect((await openApp(world).tenants.getTenant('acme'))?.format).toMatchObject({ number: 3, stage: 'announced' })
	})

	test('whose step fails stays where it is, and goes on when the step works', async () => {
		const world = await newWorld()
		await create(await openApp(world).begin())
		const failing: Formats = {
			...newFormats,
			steps: [{ to: 2, convert: () => Promise.reject(new TypeError('a fault of the step')) }],
		}
		const sweep = (formats: Formats) => {
			world.clock.time += 10 * minute
			return openApp(world).sweep({ formats })
		}
		await sweep(failing)
		await sweep(failing)
		await expect(sweep(failing)).rejects.toThrow('a fault of the step')
		expect((await openApp(world).tenants.getTenant('acme'))?.format).toMatchObject({ number: 2, stage: 'written' })
		expect(await sweep(newFormats)).toMatchObject({ number: 2, stage: 'complete' })
		expect(await auditOf(world.table, 2)).toEqual([])
	})

	test('is left alone by a version that has no step for it, or does not know it', async () => {
		const world = await newWorld()
		const before: Formats = { newest: 2, target: 1, steps: [] }
		const older: Formats = { newest: 1, target: 1, steps: [] }
		const sweep = (formats: Formats) => {
			world.clock.time += 10 * minute
			return openApp(world).sweep({ formats })
		}
		for (const stage of ['announced', 'written', 'complete']) {
			expect([await sweep(before), await sweep(older)]).toEqual([undefined, undefined])
			expect(await sweep({ ...newFormats, target: 2 })).toMatchObject({ number: 2, stage })
		}
	})

	test('that was done but not answered is known to be done', async () => {
		const world = await newWorld()
		world.clock.time += 10 * minute
		let isLost = false
		const losing = withFaults(({ path }) => {
			const isFirst = path === '$batch' && !isLost
			isLost ||= isFirst
			return isFirst ? 'lost' : 'answered'
		})
		expect(await openApp(world, losing).sweep()).toMatchObject({ number: 2, stage: 'announced' })
		expect(isLost).toBe(true)
	})

	test('does nothing for a tenant that is removed meanwhile', async () => {
		const world = await newWorld()
		world.clock.time += 10 * minute
		const { tenants } = openApp(world)
		let isRemoved = false
		const app = openApp(world, (send) => async (request) => {
			if (!isRemoved && request.path.startsWith('tenants(PartitionKey')) {
				isRemoved = true
				await tenants.deleteTenant('acme')
			}
			return send(request)
		})
		expect(await app.sweep()).toBeUndefined()
		expect(isRemoved).toBe(true)
		expect(await tenants.getTenant('acme')).toBeUndefined()
	})

	test.each(Array.from({ length: 12 }, (_, index) => index + 1))(
		'ends with every row converted, whatever happens meanwhile (seed %i)',
		async (seed) => {
			const random = randomFrom(seed)
			const upTo = (limit: number) => Math.floor(random() * limit)
			const world = await newWorld({ seed, isInterleaved: true, shares: { lost: 0.02, busy: 0.01 } })
			const { clock, table } = world
			const apps = [openApp(world), openApp(world), openApp(world)]
			const anApp = () => apps[upTo(apps.length)] ?? openApp(world)
			const known: string[] = []
			let requests: { readonly begun: number; readonly store: ResourceStore }[] = []
			const finish = async (store: ResourceStore) => {
				if (known.length < 5 || random() < 0.6) known.push((await create(store)).id)
				else await store.delete(userType, known.splice(upTo(known.length), 1)[0] ?? '')
			}
			const sweeps = [
				() => anApp().sweep(),
				() => anApp().sweep({ time: upTo(30) }),
				() => openApp(world, killedAfter(upTo(60))).sweep(),
				async () => void (await Promise.all([anApp().sweep(), openApp(world).sweep()])),
			]
			let format: TenantFormat | undefined
			for (let step = 0; step < 5000; step++) {
				for (let count = upTo(3); count > 0; count--) requests.push({ begun: clock.time, store: await anApp().begin() })
				clock.time += upTo(random() < 0.5 ? 10_000 : 2 * minute)
				// A request lasts three minutes at most.
				const isDue = requests.map(({ begun }) => clock.time - begun > minute || random() < 0.25)
				for (const { store } of requests.filter((_, index) => isDue[index])) await finish(store)
				requests = requests.filter((_, index) => !isDue[index])
				// A sweep that is killed rejects.
				if (random() < 0.7) await sweeps[upTo(sweeps.length)]?.().catch(() => undefined)
				format = (await openApp(world).tenants.getTenant('acme'))?.format
				if (format?.stage === 'complete') expect(await auditOf(table, format.number)).toEqual([])
				if (format?.stage === 'complete' && format.number === 3) break
			}
			expect(format).toMatchObject({ number: 3, stage: 'complete' })
			for (const { store } of requests) await finish(store)
			expect(await auditOf(table, 3)).toEqual([])
			const { totalResults } = await (await openApp(world).begin()).query(userType, {
				page: { startIndex: 1, count: 0 },
			})
			expect(totalResults).toBe(known.length)
		},
	)
})

test('a request ends within the three minutes that a stage waits for it', () => {
	const { functionTimeout } = JSON.parse(readFileSync('host.json', 'utf8'))
	expect(functionTimeout <= '00:03:00').toBe(true)
})
