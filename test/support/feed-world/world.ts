import { idGenerator } from '../../../shared/scim/id.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import type { Send, TableRequest, TableResponse } from '../../../shared/storage/table/tables.ts'
import { connectTables } from '../../../shared/storage/table/tables.ts'
import { type DirectoryOptions, openDirectory } from '../../../shared/storage/table-store.ts'
import { connectionString, randomFrom, simulateTableService } from '../simulator/table-service.ts'

// Processes change one directory, follow its feed and trim it, one storage request at a time. A seed decides which process
// goes on, for how long the others stand still, and what happens to each request. A process may stand still for hours, and
// the clocks of processes are hours apart.

/** A change that the service has done, in the order in which it did them. */
export type CommittedChange = {
	/** The process and the number of its job, such as `a0`. */
	readonly job: string
	readonly operation: string
	readonly kind: string
	readonly resourceType: string
	readonly id: string
}

export type FeedProcess = {
	readonly name: string
	readonly options: DirectoryOptions
	readonly store: ResourceStore
	readonly below: (limit: number) => number
}

/** What a process does. */
export type Behaviour = (process: FeedProcess) => Promise<unknown>

export type FeedWorld = {
	/** Starts a process with a clock of its own. Its requests wait until the world serves them. */
	begin(name: string, around?: (send: Send) => Send): FeedProcess
	/** The same process each time, whose requests are served at once. */
	readonly observer: FeedProcess
	/** From now on, the changes of a process belong to this job. */
	setJob(name: string, job: string): void
	/** Serves requests until the work is done, and afterwards those that are late. */
	run(work: readonly Promise<void>[]): Promise<void>
	readonly committed: readonly CommittedChange[]
	readonly users: readonly ResourceId[]
	readonly groupId: ResourceId
	/** The operations by which the world itself was made, and the cursor behind them. */
	readonly own: ReadonlySet<string>
	readonly cursor: string
}

export type FeedWorldOptions = {
	readonly seed: number
	/** Of several operations of a transaction that fail, the service names any one. */
	readonly isAnyNamed?: boolean
	/** How many lanes epochs have. */
	readonly lanes?: number
}

type HeldRequest = {
	readonly from: string
	readonly job: string
	readonly request: TableRequest
	readonly answer: (response: TableResponse) => void
	readonly lose: (error: Error) => void
}

const hour = 3_600_000
const tenant = { name: 'acme', table: 'changes' }

/** A directory with two users, `r` and `s`, and a group. */
export async function newFeedWorld({ seed, isAnyNamed = false, lanes = 1 }: FeedWorldOptions): Promise<FeedWorld> {
	const random = randomFrom(seed)
	const below = (limit: number): number => Math.floor(random() * limit)
	let time = Date.UTC(2026, 0, 1)
	let digits = 0
	const service = simulateTableService({ seed, now: () => time, isAnyNamed })
	const held: HeldRequest[] = []
	const late: HeldRequest[] = []
	const jobs = new Map<string, string>()
	const committed: CommittedChange[] = []

	const open = (name: string, send: Send, now: () => number): FeedProcess => {
		const tables = connectTables({ connectionString }, { intercept: () => send, pause: async () => {} })
		const ids = idGenerator(now, (count) => (digits++).toString(16).padStart(count, '0'))
		const options = { tables, tenant, ids, now, elapsed: () => time, random, feed: 'epochs' } as const
		return { name, options, store: openDirectory(options), below }
	}

	const deliver = async ({ job, request }: HeldRequest): Promise<TableResponse> => {
		const response = await service.send(request)
		const change = changeIn(request, response)
		if (change !== undefined) committed.push({ ...change, job })
		return response
	}

	/** A clock that goes on with each look, so that a reader may close an epoch each time. */
	const observer = open('observer', service.send, () => {
		time += 5000
		return time
	})
	const content = await fill(observer, lanes)

	/** Serves one request. Answers whether it met a fault. */
	const serve = async (next: HeldRequest, fate: Fate): Promise<void> => {
		if (fate === 'late' || fate === 'twice') late.push(next, ...(fate === 'twice' ? [next] : []))
		if (fate === 'late' || fate === 'twice' || fate === 'unsent') return next.lose(new Error('the operation timed out'))
		const response = await deliver(next)
		if (fate === 'again' && isDone(response)) late.push(next)
		if (fate === 'lost') next.lose(new Error('read ECONNRESET'))
		else next.answer(response)
	}

	return {
		...content,
		observer,
		committed,
		begin(name, around = (send) => send) {
			const offset = (below(2) === 0 ? -1 : 1) * below(5 * hour)
			const hold: Send = (request) =>
				new Promise((answer, lose) => held.push({ from: name, job: jobs.get(name) ?? name, request, answer, lose }))
			return open(name, around(hold), () => time + offset)
		},
		setJob: (name, job) => void jobs.set(name, job),
		async run(work) {
			let isOver = false
			const all = Promise.all(work).finally(() => {
				isOver = true
			})
			const weights = chosenWeights(random)
			let faults = below(10)
			for (await settle(); !isOver; await settle()) {
				time += below(50) === 0 ? below(3 * hour) : below(2000)
				if (below(20) === 0) weights.choose()
				const [arriving] = below(12) === 0 ? late.splice(below(late.length), 1) : []
				if (arriving !== undefined) await deliver(arriving)
				const [next] = held.splice(weights.pick(held.map(({ from }) => from)), 1)
				if (next === undefined) throw new Error('every process waits for something else than the service')
				const fate = faults > 0 && below(6) === 0 ? (fates[below(fates.length)] ?? 'answered') : 'answered'
				if (fate !== 'answered') faults--
				await serve(next, fate)
			}
			await all
			for (const arriving of late.splice(0)) await deliver(arriving)
		},
	}
}

/**
 * `lost`: the answer is lost. `unsent`: the request is. `late`: the request is done after later ones. `twice`: that
 * happens two times. `again`: the request is done and answered, and a second copy of it is late.
 */
type Fate = 'answered' | 'lost' | 'unsent' | 'late' | 'twice' | 'again'

const fates: readonly Fate[] = ['lost', 'late', 'twice', 'again', 'unsent']

/** Lets all processes run until they wait for the service. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Some processes hardly ever go on. Which ones they are changes now and then. */
function chosenWeights(random: () => number) {
	const weights = new Map<string, number>()
	const weightOf = (name: string): number => {
		const weight = weights.get(name) ?? random() ** 3 + 0.02
		weights.set(name, weight)
		return weight
	}
	return {
		choose: () => weights.clear(),
		/** The place of one of the names. */
		pick(names: readonly string[]): number {
			let left = random() * names.reduce((sum, name) => sum + weightOf(name), 0)
			const place = names.findIndex((name) => {
				left -= weightOf(name)
				return left <= 0
			})
			return Math.max(place, 0)
		},
	}
}

const isDone = ({ status, text }: TableResponse): boolean => status === 202 && !/HTTP\/1\.1 [45]/.test(text)

/** The entry of the feed that a transaction has written. */
function changeIn({ body = '' }: TableRequest, response: TableResponse): Omit<CommittedChange, 'job'> | undefined {
	const line = /^\{"PartitionKey":[^\n]*"RowKey":"f\|[^\n]*$/m.exec(body)?.[0]
	if (line === undefined || !isDone(response)) return undefined
	const { RowKey, k, rt, id } = JSON.parse(line)
	if (k === 'withdrawn') return undefined
	return { operation: String(RowKey).split('|')[2] ?? '', kind: k, resourceType: rt, id }
}

async function fill({ options, store }: FeedProcess, lanes: number) {
	await options.tables.createTable(tenant.table)
	const { transaction } = options.tables.table(tenant.table, tenant.name)
	const keys = Array.from({ length: lanes }, (_, lane) => `e|000000000001|${lane}`)
	await transaction([
		{ kind: 'insert', key: 'e|!', properties: { n: 1, lanes, first: 0 } },
		...keys.map((key) => ({ kind: 'insert', key, properties: {} }) as const),
	])
	const users: ResourceId[] = []
	for (const userName of ['r', 's']) users.push((await store.create(userType, { attributes: { userName } })).id)
	const { id: groupId } = await store.create(groupType, { attributes: { displayName: 'group' } })
	const { changes, nextCursor } = await store.changes('', 100)
	return { users, groupId, own: new Set(changes.map(({ operation }) => operation)), cursor: nextCursor }
}
