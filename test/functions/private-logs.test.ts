import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { format, inspect } from 'node:util'
import { RestError } from '@azure/core-rest-pipeline'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Logger, logRequest, logSweep } from '../../functions/log.ts'
import { type RequestEvent, respondWith } from '../../functions/respond.ts'
import { createServices, type Services } from '../../functions/services.ts'
import { sweepAll } from '../../functions/sweep.ts'
import { addToken } from '../../shared/auth/file-source.ts'
import { tokenVerifier } from '../../shared/auth/tokens.ts'
import type { Send, TableRequest, TableResponse } from '../../shared/storage/table/tables.ts'
import { never } from '../support/never.ts'
import { connectionString, simulateTableService } from '../support/simulator/table-service.ts'

// What a client sends, in words that nothing else has. Keys of rows hold some of them, folded and encoded.
const token = 'Qtoken-Qtoken-Qtoken-Qtoken'
const values = [
	...['quserone', 'qusertwo', 'qgroupone', 'qtitle', 'qfamily', 'qmailone', 'qexternal', 'qdisplay'],
	...['qfilter', 'qpatched', 'qagent', 'qunknown', 'qmember', token],
]

let folder: string
beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-logs-'))
	await addToken(join(folder, 'tokens.json'), 'acme', { value: token, created: '2026-01-01T00:00:00Z' })
})
afterAll(() => rm(folder, { recursive: true }))

/** All that was logged since the test began: by the functions, and by anything else in this process. */
let logged: string[]
const logger: Logger = {
	log: (...args) => logged.push(format(...args)),
	error: (...args) => logged.push(format(...args)),
}

beforeEach(() => {
	logged = []
	// Each change then folds the counts, which reads more rows.
	vi.spyOn(Math, 'random').mockReturnValue(0)
	for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
		vi.spyOn(console, method).mockImplementation((...args) => void logged.push(format(...args)))
	}
	for (const stream of [process.stdout, process.stderr]) {
		vi.spyOn(stream, 'write').mockImplementation((text) => logged.push(String(text)) > 0)
	}
	return () => vi.restoreAllMocks()
})

const inFull = (value: unknown) => inspect(value, { depth: 20, showHidden: true, maxStringLength: null })

/** The values, and ids, that were logged, in the lines that have them. */
function told(ids: readonly string[]): readonly string[] {
	const secrets = [...values, ...ids].map((value) => value.toLowerCase())
	return logged.filter((line) => secrets.some((secret) => line.toLowerCase().includes(secret)))
}

type Fault = (request: TableRequest, send: Send) => Promise<TableResponse>

const answer = (status: number, text: string): TableResponse => ({
	status,
	text,
	headers: { get: (name) => (name === 'x-ms-request-id' ? 'b0a5-77' : undefined) },
})

/** A request in words, as a service may quote it. */
const quoted = ({ path, body = '' }: TableRequest): string =>
	JSON.stringify(`${path} ${decodeURIComponent(path)} ${body}`).slice(1, -1)

const error = (code: string, request: TableRequest, index = ''): string =>
	`{"odata.error":{"code":"${code}","message":{"lang":"en-US","value":"${index}${quoted(request)}"}}}`

const refuses =
	(status: number, code: string): Fault =>
	async (request) =>
		request.path === '$batch' && status < 500
			? answer(202, `--x\r\n\r\nHTTP/1.1 ${status} Refused\r\n\r\n${error(code, request, '0:')}\r\n`)
			: answer(status, error(code, request))

/** Changes the rows of a directory in an answer to a read. */
const damages =
	(change: (text: string) => string): Fault =>
	async (request, send) => {
		const response = await send(request)
		return request.method === 'GET' && !request.path.startsWith('tenants')
			? { ...response, text: change(response.text) }
			: response
	}

const faults: Readonly<Record<string, Fault>> = {
	'quotes keys in a 400': refuses(400, 'InvalidInput'),
	'quotes keys in a 403': refuses(403, 'AuthorizationFailure'),
	'quotes keys in a 404': refuses(404, 'ResourceNotFound'),
	'quotes keys when the table is gone': refuses(404, 'TableNotFound'),
	'quotes keys in a 409': refuses(409, 'EntityAlreadyExists'),
	'quotes keys in a 412': refuses(412, 'UpdateConditionNotSatisfied'),
	'quotes keys in a 500': refuses(500, 'InternalError'),
	'quotes keys in a 503': refuses(503, 'ServerBusy'),
	'is a proxy that quotes the address': async (request) => answer(403, `<h1>${quoted(request)}</h1>`),
	'is a proxy that is away': async (request) => answer(502, `<h1>${quoted(request)}</h1>`),
	'is a proxy that answers 200': async (request) => answer(200, quoted(request)),
	'breaks the connection': async (request) => {
		const message = `connect ECONNREFUSED ${quoted(request)}`
		const broken = new RestError(message, { code: 'ECONNREFUSED', request: request as never })
		throw Object.assign(broken, { cause: new Error(message) })
	},
	'fails in the client': async (request) => {
		throw new TypeError(quoted(request), { cause: { request } })
	},
	'cuts answers': damages((text) => text.slice(0, Math.ceil(text.length / 2))),
	'has rows that are not JSON': damages((text) => text.replaceAll('"j":"', '"j":"quserone ')),
	'has rows without columns': damages((text) => text.replaceAll(/"(v|mv|cr|id|t|k|op|n)":/g, '"lost$1":')),
	'has rows with other keys': damages((text) => text.replaceAll(/"RowKey":"[^"]*"/g, '"RowKey":"quserone"')),
	'has rows that lost their ETags': damages((text) => text.replaceAll('odata.etag', 'etag')),
}

const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

type Sent = readonly [method: string, path: string, body?: unknown]

const requests = (user: string, other: string, group: string): readonly Sent[] => [
	['GET', `/Users/${user}`],
	['GET', `/Groups/${group}`],
	['GET', '/Users?filter=userName+eq+%22quserone%22'],
	['GET', '/Users?filter=emails.value+eq+%22qmailone@example.com%22'],
	['GET', '/Users?filter=title+co+%22qfilter%22&sortBy=title'],
	['GET', `/Groups?filter=members.value+eq+%22${user}%22`],
	['GET', '/Groups?filter=displayName+eq+%22qgroupone%22'],
	['GET', '/qunknown'],
	['GET', '/Changes'],
	['GET', '/health'],
	['POST', '/.search', { filter: 'userName sw "quser"' }],
	['POST', '/Users', { userName: 'qusertwo', title: 'qtitle', name: { familyName: 'qfamily' } }],
	['POST', '/Groups', { displayName: 'qdisplay', members: [{ value: other, display: 'qmember' }] }],
	['PUT', `/Users/${user}`, { userName: 'quserone', displayName: 'qdisplay', externalId: 'qexternal' }],
	['PATCH', `/Users/${user}`, patchOf({ op: 'replace', path: 'title', value: 'qpatched' })],
	['PATCH', `/Users/${user}`, patchOf({ op: 'add', path: 'emails', value: [{ value: 'qpatched@example.com' }] })],
	['PATCH', `/Groups/${group}`, patchOf({ op: 'add', path: 'members', value: [{ value: other, display: 'qmember' }] })],
	['PATCH', `/Groups/${group}`, patchOf({ op: 'remove', path: `members[value eq "${user}"]` })],
	['POST', '/Bulk', { Operations: [{ method: 'DELETE', path: `/Users/${other}` }] }],
	['DELETE', `/Groups/${group}`],
	['DELETE', `/Users/${user}`],
]

function patchOf(...Operations: readonly unknown[]) {
	return { schemas: [patchOp], Operations }
}

type World = { readonly services: Services; fault: Fault | undefined; spare: number; readonly seen: () => number }

async function newWorld(): Promise<World> {
	const service = simulateTableService()
	let seen = 0
	const send: Send = async (request) => {
		seen++
		return world.fault !== undefined && world.spare-- <= 0 ? world.fault(request, service.send) : service.send(request)
	}
	const services = await createServices(
		{ tables: { connectionString }, tokens: { file: join(folder, 'tokens.json') } },
		{ intercept: () => send, pause: async () => {}, later: never },
	)
	const world: World = { services, fault: undefined, spare: 0, seen: () => seen }
	await services.tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	return world
}

async function ask({ services }: Pick<World, 'services'>, [method, path, body]: Sent) {
	const headers = new Headers({
		authorization: `Bearer ${token}`,
		'content-type': 'application/scim+json',
		'user-agent': 'qagent',
	})
	const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body))
	const { buffer, byteOffset, byteLength } = bytes
	const request = {
		...{ method, headers, url: `https://host/scim/acme${path}` },
		arrayBuffer: async () => buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer, // sound: not shared
	}
	const events: RequestEvent[] = []
	const response = await respondWith(services)(request, 'a-request', (event) => {
		events.push(event)
		logRequest(event, logger)
	})
	logged.push(inFull(events))
	return { status: response.status, events, body: JSON.parse(String(response.body ?? '{}')) }
}

async function populated() {
	const world = await newWorld()
	const emails = [{ value: 'qmailone@example.com', type: 'work' }]
	const draft = {
		userName: 'quserone',
		title: 'qtitle',
		name: { familyName: 'qfamily' },
		emails,
		externalId: 'qexternal',
	}
	const { id: user } = (await ask(world, ['POST', '/Users', draft])).body
	const { id: other } = (await ask(world, ['POST', '/Users', { userName: 'qusertwo' }])).body
	const members = [{ value: user, display: 'qmember' }]
	const { id: group } = (await ask(world, ['POST', '/Groups', { displayName: 'qgroupone', members }])).body
	return { world, ids: [user, other, group] as const }
}

describe('nothing of a request, of a row or of a token is logged', () => {
	test.each(Object.entries(faults))('if the table service %s, at any request', async (_, fault) => {
		const count = requests('', '', '').length
		for (let index = 0; index < count; index++) {
			for (let spare = 0, isReached = true; isReached && spare < 12; spare++) {
				const { world, ids } = await populated()
				const sent = requests(...ids)[index] ?? ['GET', '/']
				Object.assign(world, { fault, spare })
				const before = world.seen()
				await ask(world, sent)
				isReached = world.seen() - before > spare
				expect({ sent: sent.slice(0, 2), spare, told: told(ids) }).toEqual({ sent: sent.slice(0, 2), spare, told: [] })
			}
		}
	})

	test.each(Object.entries(faults))('by the sweep, if the table service %s', async (_, fault) => {
		for (let spare = 0; spare < 12; spare++) {
			const { world, ids } = await populated()
			// A deletion that fails half-way leaves work for the sweep.
			Object.assign(world, { fault: refuses(403, 'AuthorizationFailure'), spare: 4 })
			await ask(world, ['DELETE', `/Groups/${ids[2]}`])
			Object.assign(world, { fault, spare })
			await sweepAll(world.services, (event) => {
				logged.push(inFull(event))
				logSweep(event, logger)
			}).catch((failure: unknown) => logged.push(inFull(failure)))
			expect({ spare, told: told(ids) }).toEqual({ spare, told: [] })
		}
	})

	test('if the vault answers something that is not JSON', async () => {
		const { services } = await newWorld()
		const message = `Error "SyntaxError" occurred while parsing the response body - {"value":"${token}"`
		const source = () => Promise.reject(new RestError(message, { code: 'PARSE_ERROR', statusCode: 200 }))
		const authenticate = tokenVerifier({ source, isTenant: async () => true, now: Date.now })
		const { status, events } = await ask({ services: { ...services, authenticate } }, ['GET', '/Users'])
		expect([status, events]).toMatchObject([503, [{ error: { message: 'RestError PARSE_ERROR 200' } }]])
		expect(told([])).toEqual([])
	})
})

test('what is logged of a fault is its status, its code, the request id and the kind of row', async () => {
	const { world, ids } = await populated()
	world.fault = refuses(403, 'AuthorizationFailure')
	const messages = []
	for (const sent of requests(...ids)) {
		const [event] = (await ask(world, sent)).events
		messages.push((event?.error as Error | undefined)?.message)
	}
	const of = (row: string) => `the table service answered 403 AuthorizationFailure for a row ${row}, request id b0a5-77`
	expect(messages).toEqual(expect.arrayContaining([of('u|'), of('g|'), of('x|'), of('f|')]))
	world.fault = faults['breaks the connection']
	const [event] = (await ask(world, ['GET', `/Users/${ids[0]}`])).events
	expect(event?.error).toMatchObject({ message: 'RestError ECONNREFUSED', cause: { message: 'Error' } })
})
