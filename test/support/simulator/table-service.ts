import type { Properties } from '../../../shared/storage/table/batch.ts'
import type { Send, TableRequest, TableResponse } from '../../../shared/storage/table/tables.ts'
import { type BatchOperation, type Keys, readBatch, target } from './batch.ts'
import { checkKey, checkSize, type Entity, readEntity, ServiceRefusal } from './entity.ts'
import { type OrderedMap, orderedMap } from './ordered-map.ts'

type StoredEntity = { readonly entity: Entity; readonly etag: string; readonly time: string }

/** One table: its partitions by key. */
type TableRows = Map<string, OrderedMap<StoredEntity>>

/** The faults that a request may meet, each with its share of all requests, from 0 to 1. */
export type Shares = {
	/** The request is refused as too busy, and not done. */
	readonly busy: number
	/** The request never arrives. */
	readonly unsent: number
	/** The request is done, and its answer is lost. */
	readonly lost: number
	/** The answer is lost, and the request is done after later ones: a commit after the client has given up. */
	readonly late: number
	/** A page ends early or is empty, although more pages follow. */
	readonly shortPage: number
}

export type SimulatorOptions = {
	/** With the same seed, the same requests meet the same faults. */
	readonly seed?: number
	readonly shares?: Partial<Shares>
	/** Requests under way overtake each other. */
	readonly isInterleaved?: boolean
	/** The clock of the service, in milliseconds since 1970; the machine's if left out. */
	readonly now?: () => number
	/** Of several operations of a transaction that fail, any one is named. Otherwise the first one is. */
	readonly isAnyNamed?: boolean
}

/** A table service inside this process. It enforces the limits of the real service; Azurite lacks most of them. */
export type TableService = {
	readonly send: Send
	/** Does the late requests that are still to be done. */
	finishLate(): void
	/** The number of entities in a table. */
	size(table: string): number
	/** Stores an entity without a request and without checks. A test can load millions of entities quickly. */
	load(table: string, keys: Keys, properties: Properties): void
}

/** For `connectTables`. Its requests go to `send` and not to this address. */
export const connectionString =
	'DefaultEndpointsProtocol=http;AccountName=simulator;AccountKey=c2ltdWxhdG9y;TableEndpoint=http://127.0.0.1:1/simulator'

const maxPage = 1000
/** https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities */
const maxComparisons = 15
const sparedAfter = 150

/** Simulates what our client uses of the table service, and refuses any other request. */
export function simulateTableService(options: SimulatorOptions = {}): TableService {
	const { seed = 1, shares = {}, isInterleaved = false, now = Date.now, isAnyNamed = false } = options
	const random = randomFrom(seed)
	const tables = new Map<string, TableRows>()
	const late: (() => void)[] = []
	let version = 0

	/** How many more requests are spared. A fault spares the requests after it, so that a client that retries succeeds. */
	let spared = 0

	const happens = (fault: keyof Shares): boolean => {
		const share = shares[fault] ?? 0
		if (share === 0 || random() >= share) return false
		if (fault === 'shortPage') return true
		if (spared > 0) return false
		spared = sparedAfter
		return true
	}

	/** Lets other requests run for a random number of turns of the event loop. */
	const yieldTurns = async (): Promise<void> => {
		for (let turns = Math.floor(random() * 4); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
	}

	const rowsOf = (table: string): TableRows => {
		const rows = tables.get(table)
		if (rows === undefined) throw new ServiceRefusal(404, 'TableNotFound')
		return rows
	}

	const partitionOf = (table: string, partitionKey: string): OrderedMap<StoredEntity> => {
		const rows = rowsOf(table)
		const partition = rows.get(partitionKey) ?? orderedMap()
		rows.set(partitionKey, partition)
		return partition
	}

	const stored = (entity: Entity): StoredEntity => ({
		entity,
		etag: `W/"datetime'${(++version).toString(16).padStart(12, '0')}'"`,
		time: new Date(now()).toISOString(),
	})

	function respond(request: TableRequest): TableResponse {
		const { method, path, headers, body = '' } = request
		if (method === 'POST' && path === '$batch') return batch(body, headers['Content-Type'] ?? '')
		if (method === 'POST' && path === 'Tables') return createTable(JSON.parse(body).TableName)
		const [resource = '', query = ''] = path.split('?')
		if (method === 'DELETE') return deleteTable(/^Tables\('(\w+)'\)$/.exec(resource)?.[1] ?? '')
		const { table, keys } = target(resource)
		const isAnnotated = headers.Accept?.includes('minimalmetadata') ?? false
		return keys === undefined ? list(table, new URLSearchParams(query), isAnnotated) : get(table, keys)
	}

	function createTable(name: string): TableResponse {
		if (!/^[A-Za-z][A-Za-z0-9]{2,62}$/.test(name)) throw new ServiceRefusal(400, 'InvalidResourceName')
		if (tables.has(name)) throw new ServiceRefusal(409, 'TableAlreadyExists')
		tables.set(name, new Map())
		return answer(204)
	}

	function deleteTable(name: string): TableResponse {
		if (!tables.delete(name)) throw new ServiceRefusal(404, 'ResourceNotFound')
		return answer(204)
	}

	function get(table: string, { partitionKey, rowKey }: Keys): TableResponse {
		const found = rowsOf(table).get(partitionKey)?.get(rowKey)
		if (found === undefined) throw new ServiceRefusal(404, 'ResourceNotFound')
		return answer(200, JSON.stringify(answeredEntity({ partitionKey, rowKey }, found)), { etag: found.etag })
	}

	function list(table: string, query: URLSearchParams, isAnnotated: boolean): TableResponse {
		const rows = rowsOf(table)
		const range = rangeOf(query.get('$filter'))
		const select = query.get('$select')?.split(',')
		const top = Number(query.get('$top') ?? maxPage)
		if (!(top >= 1 && top <= maxPage)) throw new ServiceRefusal(400, 'InvalidInput')
		const size = happens('shortPage') ? Math.floor(random() * Math.min(top, 5)) : top
		const start = { partition: query.get('NextPartitionKey') ?? '', row: query.get('NextRowKey') ?? '' }
		const value: unknown[] = []
		for (const partitionKey of range === undefined ? [...rows.keys()].sort() : [range.partitionKey]) {
			if (partitionKey < start.partition) continue
			const partition = rows.get(partitionKey)
			const from = partitionKey === start.partition && start.row > (range?.from ?? '') ? start.row : (range?.from ?? '')
			for (const rowKey of partition?.keysFrom(from) ?? []) {
				if (range !== undefined && rowKey >= range.to) break
				if (value.length >= size) return page(value, { partitionKey, rowKey })
				const found = partition?.get(rowKey)
				if (found === undefined || !(range?.where ?? []).every((each) => holds(found.entity, each))) continue
				value.push({
					...(isAnnotated && { 'odata.etag': found.etag }),
					...answeredEntity({ partitionKey, rowKey }, found, select),
				})
			}
		}
		return page(value)
	}

	function batch(body: string, contentType: string): TableResponse {
		let index = 0
		try {
			const operations = readBatch(body, contentType)
			const writes: (() => void)[] = []
			const rowKeys = new Set<string>()
			const partitions = new Set<string>()
			const failing = isAnyNamed ? failingOf(operations) : []
			if (failing.length > 1) index = failing[Math.floor(random() * failing.length)] ?? 0
			for (const operation of operations.slice(index)) {
				const { keys, write } = prepare(operation)
				if (rowKeys.size === rowKeys.add(keys.rowKey).size) throw new ServiceRefusal(400, 'InvalidDuplicateRow')
				if (partitions.add(`${operation.table}/${keys.partitionKey}`).size > 1)
					throw new ServiceRefusal(400, 'CommandsInBatchActOnDifferentPartitions')
				writes.push(write)
				index++
			}
			for (const write of writes) write()
			return answer(202, operations.map(() => changed('HTTP/1.1 204 No Content\r\n\r\n')).join(''))
		} catch (error) {
			if (!(error instanceof ServiceRefusal)) throw error
			if (error.status === 413) return refusal(error)
			const { status, text } = refusal(error, index)
			return answer(202, changed(`HTTP/1.1 ${status} Refused\r\n\r\n${text}`))
		}
	}

	/** Checks one operation against the stored entities. `write` does it, once all operations are checked. */
	function prepare({ method, table, keys, ifMatch, json }: BatchOperation): { keys: Keys; write: () => void } {
		if (method === 'POST') {
			const { partitionKey, rowKey, entity } = readEntity(json)
			const partition = partitionOf(table, partitionKey)
			if (partition.get(rowKey) !== undefined) throw new ServiceRefusal(409, 'EntityAlreadyExists')
			return { keys: { partitionKey, rowKey }, write: () => partition.set(rowKey, stored(entity)) }
		}
		if (keys === undefined) throw new ServiceRefusal(400, 'InvalidInput')
		const { partitionKey, rowKey } = keys
		checkKey(rowKey)
		const partition = partitionOf(table, partitionKey)
		const before = partition.get(rowKey)
		if (ifMatch !== undefined && before === undefined) throw new ServiceRefusal(404, 'ResourceNotFound')
		if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== before?.etag)
			throw new ServiceRefusal(412, 'UpdateConditionNotSatisfied')
		if (method === 'DELETE') {
			if (ifMatch === undefined) throw new ServiceRefusal(400, 'MissingRequiredHeader')
			return { keys, write: () => partition.delete(rowKey) }
		}
		const { entity } = readEntity(json)
		const next = method === 'MERGE' && before !== undefined ? merged(before.entity, entity) : entity
		checkSize({ partitionKey, rowKey, entity: next })
		return { keys, write: () => partition.set(rowKey, stored(next)) }
	}

	/** The operations that fail by themselves. */
	const failingOf = (operations: readonly BatchOperation[]): readonly number[] =>
		operations.flatMap((operation, place) => {
			try {
				prepare(operation)
				return []
			} catch (error) {
				if (!(error instanceof ServiceRefusal)) throw error
				return [place]
			}
		})

	function serve(request: TableRequest): TableResponse {
		const { headers, ...response } = answerTo(request)
		const date = new Date(now()).toUTCString()
		return { ...response, headers: { get: (name) => (name.toLowerCase() === 'date' ? date : headers.get(name)) } }
	}

	function answerTo(request: TableRequest): TableResponse {
		try {
			return respond(request)
		} catch (error) {
			if (!(error instanceof ServiceRefusal)) throw error
			return refusal(error)
		}
	}

	return {
		async send(request) {
			spared = Math.max(spared - 1, 0)
			if (isInterleaved) await yieldTurns()
			if (happens('unsent')) throw new Error('connect ECONNREFUSED')
			if (happens('busy')) return refusal(new ServiceRefusal(503, 'ServerBusy'))
			if (late.length > 0 && random() < 0.2) late.shift()?.()
			if (happens('late')) {
				late.push(() => serve(request))
				throw new Error('the operation timed out')
			}
			const response = serve(request)
			if (isInterleaved) await yieldTurns()
			if (happens('lost')) throw new Error('read ECONNRESET')
			return response
		},
		finishLate() {
			for (const run of late.splice(0)) run()
		},
		load(table, { partitionKey, rowKey }, properties) {
			if (!isWithoutBinaries(properties)) throw new TypeError(`${rowKey} has binary properties, which cannot be loaded`)
			partitionOf(table, partitionKey).set(rowKey, stored({ properties, binary: noBinary }))
		},
		size: (table) => [...rowsOf(table).values()].reduce((total, { size }) => total + size, 0),
	}
}

const noBinary: ReadonlySet<string> = new Set()

const isWithoutBinaries = (properties: Properties): properties is Entity['properties'] =>
	Object.values(properties).every((value) => typeof value !== 'object')

const answer = (status: number, text = '', headers: Readonly<Record<string, string>> = {}): TableResponse => ({
	status,
	text,
	headers: { get: (name) => headers[name.toLowerCase()] },
})

function page(value: readonly unknown[], next?: Keys): TableResponse {
	const headers = next && {
		'x-ms-continuation-nextpartitionkey': next.partitionKey,
		'x-ms-continuation-nextrowkey': next.rowKey,
	}
	return answer(200, JSON.stringify({ value }), headers)
}

const changed = (response: string): string =>
	`--changesetresponse_1\r\nContent-Type: application/http\r\n\r\n${response}\r\n`

function refusal({ status, code }: ServiceRefusal, index?: number): TableResponse {
	const value = index === undefined ? code : `${index}:${code}`
	return answer(status, JSON.stringify({ 'odata.error': { code, message: { lang: 'en-US', value } } }))
}

/** The JSON of an entity in an answer. Like the real service, it has null for a selected property that is absent. */
function answeredEntity({ partitionKey, rowKey }: Keys, { entity, time }: StoredEntity, select?: readonly string[]) {
	const keys = { PartitionKey: partitionKey, RowKey: rowKey, Timestamp: time }
	const all: Readonly<Record<string, unknown>> = { ...keys, ...entity.properties }
	if (select === undefined) return all
	return Object.fromEntries(select.map((name) => [name, all[name] ?? null]))
}

const merged = (old: Entity, added: Entity): Entity => ({
	properties: { ...old.properties, ...added.properties },
	binary: new Set([...old.binary, ...added.binary]),
})

type RangeFilter = {
	readonly partitionKey: string
	readonly from: string
	readonly to: string
	readonly where: readonly Condition[]
}

type Condition = { readonly property: string; readonly operator: string; readonly value: string | boolean }

/** An entity matches no comparison if it lacks the property, or has a value of another type. */
const holds = ({ properties }: Entity, { property, operator, value }: Condition): boolean => {
	const actual = properties[property]
	if (actual === undefined || typeof actual !== typeof value) return false
	if (operator === 'eq') return actual === value
	return operator === 'ge' ? actual >= value : actual <= value
}

/**
 * Reads the form of filter that our client writes: a range of one partition, and conditions.
 *
 * @returns undefined if there is no filter
 * @throws ServiceRefusal 400 for any other filter
 */
function rangeOf(filter: string | null): RangeFilter | undefined {
	if (filter === null) return undefined
	const literal = "'((?:[^']|'')*)'"
	const keys = `PartitionKey eq ${literal} and RowKey ge ${literal} and RowKey lt ${literal}`
	const condition = ` and (\\w+) (eq|ge|le) (?:${literal}|(true|false))`
	const form = new RegExp(`^${keys}((?:${condition.replaceAll(/\((?!\?)/g, '(?:')})*)$`)
	const [, partitionKey, from, to, conditions = ''] = form.exec(filter) ?? []
	if (partitionKey === undefined || from === undefined || to === undefined)
		throw new ServiceRefusal(400, 'InvalidInput')
	const unquoted = (text: string) => text.replaceAll("''", "'")
	const where = [...conditions.matchAll(new RegExp(condition, 'g'))].map(
		([, property = '', operator = '', text, boolean]) => ({
			property,
			operator,
			value: text === undefined ? boolean === 'true' : unquoted(text),
		}),
	)
	if (where.length + 3 > maxComparisons) throw new ServiceRefusal(400, 'InvalidInput')
	return { partitionKey: unquoted(partitionKey), from: unquoted(from), to: unquoted(to), where }
}

/** Mulberry32: numbers in [0, 1) that a seed determines. */
export function randomFrom(seed: number): () => number {
	let state = seed >>> 0
	return () => {
		state = (state + 0x6d2b79f5) >>> 0
		let mixed = Math.imul(state ^ (state >>> 15), state | 1)
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
	}
}
