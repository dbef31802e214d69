import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDefaultHttpClient, createHttpHeaders, createPipelineRequest } from '@azure/core-rest-pipeline'
import { odata, TableServiceClient } from '@azure/data-tables'
import type { TokenCredential } from '@azure/identity'
import { Fault } from '../../fault.ts'
import { payloadTooLarge, ScimError } from '../../scim/error.ts'
import { nextTurn } from '../../turn.ts'
import { batchError, batchOf, keyPredicate, type Operation, type ServiceError, serviceError } from './batch.ts'
import { attempts, backoff, type Pause, tableUnavailable } from './retry.ts'
import { textOf } from './text-of.ts'

/** A storage account: by its connection string with a key, or by the address of its table endpoint and an identity. */
export type Account =
	| { readonly connectionString: string }
	| { readonly endpoint: string; readonly credential: TokenCredential }

/** One request to the table service; `path` is relative to the endpoint. */
export type TableRequest = {
	readonly method: 'GET' | 'POST' | 'DELETE'
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly body?: string
	/** An answer of more bytes is not read to its end. */
	readonly maxBytes?: number
}

export type TableResponse = {
	readonly status: number
	readonly headers: { get(name: string): string | undefined }
	/** Incomplete if the answer has more bytes than `maxBytes`. */
	readonly text: string
}

/** Sends one request, once. Rejects if no answer came. */
export type Send = (request: TableRequest) => Promise<TableResponse>

export type ConnectOptions = {
	/** Sees every request to the service and every answer: to count them, to trace them, and to make them fail in tests. */
	readonly intercept?: (send: Send) => Send
	readonly pause?: Pause
}

/** The tables of one storage account. */
export type Tables = {
	/** One partition of a table. */
	table(name: string, partitionKey: string): Table
	/** Creates a table, unless it exists. */
	createTable(name: string): Promise<void>
	/** Deletes a table with all its rows, unless it is gone already. */
	deleteTable(name: string): Promise<void>
	/** Every row of a table, in any partition, page by page. */
	everyRow(name: string): AsyncGenerator<readonly Row[]>
	readonly pause: Pause
}

/**
 * One partition of a table. Reads are repeated while the service is away.
 *
 * All methods reject with a ScimError 503 if the service stays away, and if the table is missing: a missing table never
 * means that a row is absent.
 */
export type Table = {
	get(key: string): Promise<Row | undefined>
	/**
	 * The rows of a range in the order of their keys, page by page, at most `count` on a page. A page may be empty although
	 * more pages follow. It has at most 4 MiB, and may have fewer rows for that.
	 */
	pages(range: Range, count?: number): AsyncGenerator<readonly Row[]>
	/** At most `count` rows from the beginning of a range. */
	first(range: Range, count: number): Promise<readonly Row[]>
	/** The time by the clock of the service, in milliseconds since 1970; undefined if its answer has none. */
	time(): Promise<number | undefined>
	/**
	 * Sends up to 100 operations as one transaction, once.
	 *
	 * @throws ScimError 413 if they are larger than the service takes
	 */
	transaction(operations: readonly Operation[]): Promise<Outcome>
}

/** A row as it is read. Binary properties are base64. */
export type Row = { readonly RowKey: string; readonly [property: string]: unknown }

/**
 * Keys from `from` up to but not including `to`. `select` names the properties to read, without the ETags. Only
 * rows that meet all conditions of `where` are read.
 */
export type Range = {
	readonly from: string
	readonly to: string
	readonly select?: readonly string[]
	readonly where?: readonly Condition[]
}

/** A row meets it if the property has the type of the value and compares with the value like this. */
export type Condition = {
	readonly property: string
	readonly operator: 'eq' | 'ge' | 'le'
	readonly value: string | boolean
}

/**
 * How a transaction ended. `done`: all of it is written. `unknown`: no answer tells. Otherwise nothing is written, because
 * of the operation at `index`. It inserts a row that `exists`, changes a row that is `missing`, or has an old ETag.
 */
export type Outcome =
	| { readonly kind: 'done' }
	| { readonly kind: 'exists' | 'missing' | 'conflict'; readonly index: number }
	| { readonly kind: 'unknown'; readonly cause: unknown }

const etagProperty = 'odata.etag'

/** The ETag of a row that was read whole. */
export function etagOf(row: Row): string {
	const etag = row[etagProperty]
	if (typeof etag !== 'string') throw new Fault(`${kindOfRow(row.RowKey)} was read without its ETag`)
	return etag
}

/** Connects to a storage account; nothing is sent yet. Call it once and share the result, which keeps connections open. */
export function connectTables(account: Account, options: ConnectOptions = {}): Tables {
	const pause = options.pause ?? backoff(sleep, Math.random)
	const { endpoint, send } = sender(account)
	const client: Client = { endpoint, pause, send: options.intercept === undefined ? send : options.intercept(send) }
	return {
		pause,
		table: (name, partitionKey) => tableOf(client, name, partitionKey),
		createTable: (name) => createTable(client, name),
		deleteTable: (name) => deleteTable(client, name),
		everyRow: (name) => pagesOf(client, `${name}()`, { headers: bare, count: pageSize }),
	}
}

type Client = { readonly endpoint: string; readonly send: Send; readonly pause: Pause }

/** Milliseconds for an answer of the service. A request without an answer may still be done up to 30 s later. */
const timeout = 10_000

/**
 * Steps of the SDK's pipeline that our requests do not need, or that we do ourselves. They take a third of the processor
 * time of a request. The credential, the proxy and the client's name stay.
 */
const idlePolicies = [
	'serializationPolicy',
	'deserializationPolicy',
	'formDataPolicy',
	'multipartPolicy',
	'wrapAbortSignalLikePolicy',
	'decompressResponsePolicy',
	'defaultRetryPolicy',
	'redirectPolicy',
	'tracingPolicy',
	'logPolicy',
]

function sender(account: Account): { endpoint: string; send: Send } {
	// The SDK would send a transaction again without knowing whether the first copy was done.
	const options = { retryOptions: { maxRetries: 0 } }
	const { url, pipeline } =
		'connectionString' in account
			? TableServiceClient.fromConnectionString(account.connectionString, options)
			: new TableServiceClient(account.endpoint, account.credential, options)
	if (url.includes('?')) throw new TypeError('a connection string with a shared access signature is not supported')
	for (const name of idlePolicies) pipeline.removePolicy({ name })
	const endpoint = url.replace(/\/$/, '')
	const allowInsecureConnection = endpoint.startsWith('http://')
	const httpClient = createDefaultHttpClient()
	return {
		endpoint,
		async send({ method, path, headers, body, maxBytes }) {
			const response = await pipeline.sendRequest(
				httpClient,
				createPipelineRequest({
					url: `${endpoint}/${path}`,
					method,
					headers: createHttpHeaders(headers),
					timeout,
					allowInsecureConnection,
					...(body !== undefined && { body }),
					...(maxBytes !== undefined && { streamResponseStatusCodes: new Set([200]) }),
				}),
			)
			const { status, headers: responseHeaders, bodyAsText, readableStreamBody } = response
			const text =
				maxBytes === undefined || readableStreamBody === undefined
					? (bodyAsText ?? '')
					: await readUpTo(readableStreamBody, maxBytes)
			return { status, headers: responseHeaders, text }
		},
	}
}

/** The text of an answer; if it has more bytes than `maxBytes`, at least one byte more, and the rest is not read. */
async function readUpTo(stream: NodeJS.ReadableStream, maxBytes: number): Promise<string> {
	const chunks: Buffer[] = []
	let length = 0
	for await (const chunk of stream) {
		chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
		length += chunk.length
		if (length > maxBytes) break
	}
	return textOf(Buffer.concat(chunks))
}

const protocol = { 'x-ms-version': '2019-02-02', DataServiceVersion: '3.0' }
const bare = { ...protocol, Accept: 'application/json;odata=nometadata' }
/**
 * The least metadata that has the ETags of the rows of a range.
 * https://github.com/Azure/azure-sdk-for-python/issues/18918
 */
const annotated = { ...protocol, Accept: 'application/json;odata=minimalmetadata' }

async function createTable(client: Client, name: string): Promise<void> {
	const answer = await answerOf(client, {
		method: 'POST',
		path: 'Tables',
		headers: { ...bare, 'Content-Type': 'application/json', Prefer: 'return-no-content' },
		body: JSON.stringify({ TableName: name }),
	})
	if (answer.status < 300) return
	const error = errorIn(answer)
	if (error.code !== 'TableAlreadyExists') throw faultOf(error)
}

async function deleteTable(client: Client, name: string): Promise<void> {
	const answer = await answerOf(client, { method: 'DELETE', path: `Tables('${name}')`, headers: bare })
	if (answer.status < 300) return
	const error = errorIn(answer)
	if (!['ResourceNotFound', 'TableNotFound', 'TableBeingDeleted'].includes(error.code)) throw faultOf(error)
}

function tableOf(client: Client, name: string, partitionKey: string): Table {
	const pages = ({ from, to, select, where = [] }: Range, count = pageSize) => {
		const filter = odata`PartitionKey eq ${partitionKey} and RowKey ge ${from} and RowKey lt ${to}`.concat(
			...where.map(({ property, operator, value }) => ` and ${property} ${operator}${odata` ${value}`}`),
		)
		const path = `${name}()?$filter=${encodeURIComponent(filter)}`.concat(
			select === undefined ? '' : `&$select=${select.join()}`,
		)
		return pagesOf(client, path, { headers: select === undefined ? annotated : bare, count, key: from })
	}
	return {
		get: (key) => getRow(client, `${name}(${keyPredicate(partitionKey, key)})`, key),
		pages: (range, count) => pages(range, count),
		async first(range, count) {
			const rows: Row[] = []
			for await (const page of pages(range, Math.min(count, pageSize))) {
				rows.push(...page)
				if (rows.length >= count) break
			}
			return rows.slice(0, count)
		},
		time: () => timeOf(client, `${name}()?$top=1&$select=RowKey`),
		transaction: (operations) => transact(client, { name, partitionKey }, operations),
	}
}

/** The most rows that the service puts on a page. */
const pageSize = 1000

/** Characters of a page beyond which it is parsed in a turn of its own. */
const longPage = 2 ** 18

/** Bytes of a page that are read. The rows of a larger page are read in smaller pages. */
const maxPageBytes = 4 * 2 ** 20

async function getRow(client: Client, path: string, key: string): Promise<Row | undefined> {
	const answer = await answerOf(client, { method: 'GET', path, headers: bare }, key)
	if (answer.status === 200) return { ...jsonIn<Row>(answer, key), [etagProperty]: answer.headers.get('etag') }
	const error = errorIn(answer)
	if (error.code === 'ResourceNotFound') return undefined
	throw faultOf(error, key)
}

/** RFC 9110 section 6.6.1. */
async function timeOf(client: Client, path: string): Promise<number | undefined> {
	const answer = await answerOf(client, { method: 'GET', path, headers: bare })
	if (answer.status !== 200) throw faultOf(errorIn(answer))
	const time = Date.parse(answer.headers.get('date') ?? '')
	return Number.isNaN(time) ? undefined : time
}

/** The JSON of an answer. The message of the parser would quote the rows. */
function jsonIn<T>(answer: TableResponse, key?: string): T {
	try {
		return JSON.parse(answer.text)
	} catch (error) {
		if (!(error instanceof SyntaxError)) throw error
		throw faultOf({ ...errorIn(answer), code: 'noJson' }, key)
	}
}

/** `count` is how many rows a page has at most, and `key` the first that is asked for. */
type PageOptions = { readonly headers: TableRequest['headers']; readonly count: number; readonly key?: string }

async function* pagesOf(
	client: Client,
	path: string,
	{ headers, count, key }: PageOptions,
): AsyncGenerator<readonly Row[]> {
	let next = ''
	let size = count
	for (;;) {
		const words = [size < pageSize ? `$top=${size}` : '', next].filter((word) => word !== '').join('&')
		const page = await readPage(client, words === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${words}`, {
			headers,
			isOneRow: size === 1,
			...(key !== undefined && { key }),
		})
		if ('tooManyRows' in page) {
			size = Math.min(page.tooManyRows, size - 1)
			continue
		}
		if (page.rows.length > 0) size = Math.min(page.nextSize, count)
		next = page.next
		yield page.rows
		if (next === '') return
	}
}

type PageRead =
	| { readonly rows: readonly Row[]; readonly nextSize: number; readonly next: string }
	/** The page is too large. A page of this many rows surely fits. */
	| { readonly tooManyRows: number }

/** Reads a page. Its text is in memory no longer than it takes to parse it. */
async function readPage(
	client: Client,
	path: string,
	{ headers, key, isOneRow }: Omit<PageOptions, 'count'> & { readonly isOneRow: boolean },
): Promise<PageRead> {
	const response = await answerOf(client, { method: 'GET', path, headers, maxBytes: maxPageBytes }, key)
	if (response.status !== 200) throw faultOf(errorIn(response), key)
	if (response.text.length > longPage) await nextTurn()
	const bytes = Buffer.byteLength(response.text)
	if (!isOneRow && bytes > maxPageBytes) return { tooManyRows: sizeFor(rowsBegunIn(response.text), bytes) }
	const { value: rows } = jsonIn<{ value: Row[] }>(response, key)
	return { rows, nextSize: sizeFor(rows.length, bytes), next: continuationOf(response) }
}

/** How many rows of the same size as these surely fit a page. */
const sizeFor = (rows: number, bytes: number): number => Math.max(Math.floor((0.75 * rows * maxPageBytes) / bytes), 1)

/** How many rows an incomplete page begins. */
const rowsBegunIn = (text: string): number => Math.max(text.split('"RowKey":').length - 1, 1)

function continuationOf({ headers }: TableResponse): string {
	const partition = headers.get('x-ms-continuation-nextpartitionkey')
	const row = headers.get('x-ms-continuation-nextrowkey')
	if (partition === undefined) return ''
	return `NextPartitionKey=${encodeURIComponent(partition)}${row === undefined ? '' : `&NextRowKey=${encodeURIComponent(row)}`}`
}

/** The service takes 4 MiB; the rest is for the envelope. */
const transactionLimit = 3.8 * 1024 * 1024

async function transact(
	client: Client,
	{ name, partitionKey }: { name: string; partitionKey: string },
	operations: readonly Operation[],
): Promise<Outcome> {
	const partition = { url: `${client.endpoint}/${name}`, partitionKey }
	const { contentType, body } = batchOf(partition, operations, randomUUID())
	if (body.length > transactionLimit / 3 && Buffer.byteLength(body) > transactionLimit) {
		throw payloadTooLarge(
			`the change takes ${Buffer.byteLength(body)} bytes to store; the limit is ${transactionLimit}`,
		)
	}
	const sent = await attempt(client, {
		method: 'POST',
		path: '$batch',
		headers: { ...bare, 'Content-Type': contentType },
		body,
	})
	if ('cause' in sent) return { kind: 'unknown', cause: sent.cause }
	const failed = batchError(sent.status, sent.text)
	if (failed === undefined) return { kind: 'done' }
	const error = { ...failed, requestId: requestIdOf(sent) }
	const key = operations[error.index ?? 0]?.key
	if (isOutage(error.status)) return { kind: 'unknown', cause: faultOf(error, key) }
	const kind = refusals.get(error.code)
	if (kind === undefined || error.index === undefined) throw faultOf(error, key)
	return { kind, index: error.index }
}

const refusals: ReadonlyMap<string, 'exists' | 'missing' | 'conflict'> = new Map([
	['EntityAlreadyExists', 'exists'],
	['ResourceNotFound', 'missing'],
	['UpdateConditionNotSatisfied', 'conflict'],
])

/** Sends a request that may be done twice, again and again while the service is away. `key` is that of a row it reads. */
async function answerOf(client: Client, request: TableRequest, key?: string): Promise<TableResponse> {
	for (let count = 1; ; count++) {
		const sent = await attempt(client, request)
		if (!('cause' in sent) && !isOutage(sent.status)) return sent
		if (count === attempts.outage) throw tableUnavailable('cause' in sent ? sent.cause : faultOf(errorIn(sent), key))
		await client.pause(count)
	}
}

/**
 * Every rejection counts as no answer: a broken connection, a timeout, a credential that is not available. A ScimError means
 * that the request was not sent and that another attempt is of no use.
 */
const attempt = (client: Client, request: TableRequest): Promise<TableResponse | { readonly cause: unknown }> =>
	client.send(request).catch((cause: unknown) => {
		if (cause instanceof ScimError) throw cause
		return { cause }
	})

const isOutage = (status: number): boolean => status >= 500 || status === 408 || status === 429

type AnsweredError = Pick<ServiceError, 'status' | 'code'> & { readonly requestId: string }

const errorIn = (answer: TableResponse): AnsweredError => ({
	...serviceError(answer.status, answer.text),
	requestId: requestIdOf(answer),
})

/** By this id, Microsoft's support finds the request. */
const requestIdOf = ({ headers }: TableResponse): string =>
	/^[\w-]{1,64}$/.exec(headers.get('x-ms-request-id') ?? '')?.[0] ?? 'unknown'

/** The kind of a row as docs/storage.md has it, the beginning of its key. Keys hold names of people. */
export const kindOfRow = (key: string): string => {
	const [kind] = /^(?:j\|)?[a-z]{1,2}\|/.exec(key) ?? []
	return kind === undefined ? 'a row' : `a row ${kind}`
}

/**
 * The message of the service is left out, because it may quote keys. A table that is missing or being deleted is a fault on
 * our side that may be mended: 503, never "absent".
 */
function faultOf({ status, code, requestId }: AnsweredError, key?: string): Error {
	const what = key === undefined ? '' : ` for ${kindOfRow(key)}`
	const said = code === '' ? 'without a code' : code
	const error = new Fault(`the table service answered ${status} ${said}${what}, request id ${requestId}`)
	return code === 'TableNotFound' || code === 'TableBeingDeleted' ? tableUnavailable(error) : error
}
