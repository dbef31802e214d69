import { idGenerator } from '../../shared/scim/id.ts'
import { userType } from '../../shared/scim/resource-type.ts'
import type { ChangeEntry } from '../../shared/storage/feed-order.ts'
import { type Ledger, openLedger } from '../../shared/storage/ledger/ledger.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { type SweepOptions, type SweepReport, sweep } from '../../shared/storage/sweep.ts'
import { connectTables, type Row, type Send } from '../../shared/storage/table/tables.ts'
import { type DirectoryOptions, openDirectory } from '../../shared/storage/table-store.ts'
import { createMeter } from './meter.ts'
import { connectionString, simulateTableService } from './simulator/table-service.ts'

type ProcessOptions = {
	readonly around?: (send: Send) => Send
	/** Milliseconds by which the clock of the process is ahead. */
	readonly ahead?: number
	/** The clock of the process in place of that, in milliseconds since 1970. */
	readonly now?: () => number
	readonly feed?: DirectoryOptions['feed']
	readonly hold?: DirectoryOptions['hold']
	readonly history?: DirectoryOptions['history']
}

/** A directory whose feed has epochs. The test moves the time. Each process has a clock of its own. */
export async function newEpochFixture() {
	let time = Date.UTC(2026, 0, 1)
	let digits = 0
	let users = 0
	const { send } = simulateTableService({ now: () => time })
	const tenant = { name: 'acme', table: 'changes' }
	const meter = createMeter()
	const optionsOf = (process: ProcessOptions = {}) => {
		const { around = (each) => each, ahead = 0, now = () => time + ahead, feed = 'epochs', hold, history } = process
		const tables = connectTables(
			{ connectionString },
			{ intercept: () => meter.intercept(around(send)), pause: async () => {} },
		)
		const ids = idGenerator(now, (count) => (digits++).toString(16).padStart(count, '0'))
		const optional = { ...(hold && { hold }), ...(history && { history }) }
		return { tables, tenant, ids, now, elapsed: () => time, random: () => 1, feed, ...optional } as const
	}
	const options = optionsOf()
	await options.tables.createTable(tenant.table)
	const table = options.tables.table(tenant.table, tenant.name)
	return {
		meter,
		table,
		pass(milliseconds: number): void {
			time += milliseconds
		},
		open: (process?: ProcessOptions): ResourceStore => openDirectory(optionsOf(process)),
		sweep: ({
			keepFeedFor,
			guard,
			...process
		}: ProcessOptions & Pick<SweepOptions, 'keepFeedFor' | 'guard'> = {}): Promise<SweepReport> =>
			sweep({ ...optionsOf(process), ...(keepFeedFor && { keepFeedFor }), ...(guard && { guard }) }),
		ledger: (process?: ProcessOptions): Ledger => openLedger(optionsOf(process)),
		createUser: (store: ResourceStore) => store.create(userType, { attributes: { userName: `user${users++}` } }),
		async rows(prefix: string): Promise<readonly Row[]> {
			const rows: Row[] = []
			for await (const page of table.pages({ from: prefix, to: `${prefix}~` })) rows.push(...page)
			return rows
		},
	}
}

/** Reads the feed to its end. A second passes before each request, so that the reader may close an epoch each time. */
export async function readToEnd(
	store: ResourceStore,
	{ pass }: Pick<Awaited<ReturnType<typeof newEpochFixture>>, 'pass'>,
	from = '',
): Promise<{ readonly changes: readonly ChangeEntry[]; readonly cursor: string }> {
	const changes: ChangeEntry[] = []
	for (let cursor = from; ; ) {
		pass(1000)
		const page = await store.changes(cursor, 100)
		changes.push(...page.changes)
		cursor = page.nextCursor
		if (page.changes.length === 0) return { changes, cursor }
	}
}
