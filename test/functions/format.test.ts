import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RequestEvent, respondWith } from '../../functions/respond.ts'
import { routes } from '../../functions/routes.ts'
import { createServices, type Services } from '../../functions/services.ts'
import { type SweepEvent, sweepAll } from '../../functions/sweep.ts'
import { startAzurite } from '../../local/azurite.ts'
import { type RunningServer, startServer } from '../../local/server.ts'
import { addToken } from '../../shared/auth/file-source.ts'
import { Fault } from '../../shared/fault.ts'
import { connectTables, type Tables } from '../../shared/storage/table/tables.ts'
import { createMeter } from '../support/meter.ts'
import { never, noFold } from '../support/never.ts'
import { type Lab, startLab } from '../support/relay-stand-in/lab.ts'
import { changeTenantRow, removeFormat, tenantRow } from '../support/tenant-row.ts'

const token = 'a-token-for-this-test-alone'
const meter = createMeter()
const events: RequestEvent[] = []
let folder: string
let lab: Lab
let azurite: Awaited<ReturnType<typeof startAzurite>>
let tables: Tables
let services: Services
let server: RunningServer

/** Another app on the same tables, which remembers no tenant. */
const newServices = () => {
	const { connectionString } = azurite
	const relay = { namespace: lab.standIn.host, sas: { keyName: 'send', key: 'sendkey' }, ca: lab.ca }
	const settings = { tables: { connectionString }, tokens: { file: join(folder, 'tokens.json') }, relay }
	return createServices(settings, { intercept: meter.intercept, later: never, random: noFold })
}

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-format-'))
	lab = await startLab()
	await lab.agent()
	azurite = await startAzurite({ memory: true })
	tables = connectTables(azurite)
	services = await newServices()
	server = await startServer({ port: 0, respond: respondWith(services), log: (event) => events.push(event) })
})
afterAll(async () => {
	await server.close()
	await azurite.close()
	await lab.stop()
	await rm(folder, { recursive: true })
})

let tenants = 0

/** A tenant that the app has not seen yet, whose row has these properties. */
async function newTenant(properties: Parameters<typeof changeTenantRow>[2], mode: 'store' | 'relay' = 'store') {
	const name = `format-${++tenants}`
	const { tenants: elsewhere } = await newServices()
	await elsewhere.createTenant({ name, mode, settings: mode === 'relay' ? { hybridConnection: 'demo' } : {} })
	await addToken(join(folder, 'tokens.json'), name, { value: token, created: new Date().toISOString() })
	await changeTenantRow(tables, name, properties)
	const ask = async (method: string, path: string, { given = token, body }: { given?: string; body?: string } = {}) => {
		const response = await fetch(`${server.url}/scim/${name}${path}`, {
			method,
			headers: { authorization: `Bearer ${given}`, 'content-type': 'application/scim+json' },
			...(body !== undefined && { body }),
		})
		const text = await response.text()
		return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
	}
	return { name, ask }
}

const tooNew =
	"This tenant's data has format 99; this version of Rollcall reads formats up to 2. Deploy a version of Rollcall that reads format 99."
const unavailable = (detail: unknown) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
	...{ status: '503', detail },
})

/** Every endpoint of SCIM with every method, and one that there is none of. */
const ofCredentials: readonly string[] = ['agentEnrol', 'agentToken', 'token']
const endpoints = routes.filter(({ name }) => !ofCredentials.includes(name)).map(({ path }) => `/${path}`)
const requests = [...endpoints, '/Nothing'].flatMap((path) =>
	['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => [method, path] as const),
)

describe.each(['store', 'relay'] as const)('a tenant of mode %s whose format is newer than the app', (mode) => {
	test('is answered 503 at every endpoint, with both numbers, and nothing of its data is looked at', async () => {
		const { name, ask } = await newTenant({ format: 99, formatStage: 'of the future' }, mode)
		await ask('GET', '/Users')
		lab.origin.requests.length = 0
		for (const [method, path] of requests) {
			const body = method === 'GET' || method === 'OPTIONS' ? {} : { body: '{' }
			const { result, requests: sent } = await meter.measure(() => ask(method, path, body))
			expect({ method, path, status: result.status, sent, body: result.body }).toEqual({
				...{ method, path, status: 503, sent: 0, body: unavailable(tooNew) },
			})
			expect(result.headers.get('retry-after')).toBe('60')
			expect(result.headers.get('content-type')).toBe('application/scim+json; charset=utf-8')
		}
		expect(await ask('HEAD', '/Users')).toMatchObject({ status: 503 })
		expect(lab.origin.requests).toEqual([])
		expect(events.findLast(({ tenant }) => tenant === name)).toMatchObject({
			...{ status: 503, path: '/Users', error: { message: tooNew } },
		})
	})

	test('tells nothing of that to a caller with a wrong token', async () => {
		const { ask } = await newTenant({ format: 99 }, mode)
		const answer = await ask('GET', '/Users', { given: 'wrong-wrong-wrong' })
		expect(answer.status).toBe(401)
		expect(JSON.stringify(answer.body)).not.toContain('format')
	})

	test('is left alone by the sweep, which says so', async () => {
		const { name } = await newTenant({ format: 99 }, mode)
		const before = await tenantRow(tables, name)
		expect(await sweepOf(name)).toEqual([
			{
				...{ event: 'sweep', tenant: name, finished: 0, feedEntriesRemoved: 0, milliseconds: expect.any(Number) },
				errors: [new Fault(tooNew)],
			},
		])
		expect(await tenantRow(tables, name)).toEqual(before)
	})
})

/** What a sweep of all tenants says of one. */
async function sweepOf(name: string): Promise<readonly SweepEvent[]> {
	const said: SweepEvent[] = []
	await sweepAll(await newServices(), (event) => said.push(event))
	return said.filter(({ tenant }) => tenant === name)
}

test('a row of a newer format may have other properties', async () => {
	const { name, ask } = await newTenant({ format: 99, settings: 'other', mode: 'other', created: 7 })
	expect(await ask('GET', '/Users')).toMatchObject({ status: 503, body: unavailable(tooNew) })
	expect(await sweepOf(name)).toMatchObject([{ errors: [new Fault(tooNew)] }])
})

test.each([0, -1, 1.5, 'x', '2', true])('the format %j is answered 503', async (format) => {
	const { name, ask } = await newTenant({ format })
	const answer = await ask('GET', '/Users?filter=userName+eq+%22joy%22')
	expect(answer).toMatchObject({
		status: 503,
		body: unavailable(expect.stringMatching(/^The format number of this tenant's data is damaged\. /)),
	})
	expect(answer.headers.get('retry-after')).toBe('60')
	expect(await ask('GET', '/Users', { given: 'wrong-wrong-wrong' })).toMatchObject({ status: 401 })
	expect(await sweepOf(name)).toMatchObject([{ errors: [{ message: expect.stringMatching(/ is damaged\. /) }] }])
})

test.each(['{', '[{"name":"of the future"}]'])(
	'the indexes %s, which the app cannot read, are answered 503',
	async (indexes) => {
		const { name, ask } = await newTenant({ indexes })
		const detail = expect.stringMatching(/^The property indexes in the row of this tenant /)
		expect(await ask('POST', '/Users', { body: '{"userName":"joy"}' })).toMatchObject({ status: 503, body: { detail } })
		expect(await sweepOf(name)).toMatchObject([{ errors: [{ message: detail }] }])
	},
)

test('a tenant of before there were format numbers is served, and the sweep gives it the number 1', async () => {
	const { name, ask } = await newTenant({})
	await removeFormat(tables, name)
	expect(await ask('POST', '/Users', { body: '{"userName":"joy"}' })).toMatchObject({ status: 201 })
	expect((await tenantRow(tables, name)).format).toBeUndefined()
	expect(await sweepOf(name)).toMatchObject([{ format: 1, formatStage: 'complete', errors: [] }])
	expect((await tenantRow(tables, name)).format).toBe(1)
	const [event] = await sweepOf(name)
	expect(event).not.toHaveProperty('format')
	expect(await ask('GET', '/Users')).toMatchObject({ status: 200, body: { totalResults: 1 } })
})

test('the sweep numbers a tenant of mode relay too, and says nothing more of it', async () => {
	const { name } = await newTenant({}, 'relay')
	await removeFormat(tables, name)
	expect(await sweepOf(name)).toMatchObject([{ format: 1, finished: 0 }])
	expect(await sweepOf(name)).toEqual([])
})

test('a format that cannot be advanced keeps the sweep from nothing else', async () => {
	const said: SweepEvent[] = []
	const { name } = await newTenant({})
	const failing = {
		...(await newServices()),
		advanceFormat: () => Promise.reject(new Error('a text that the log does not have')),
	}
	await sweepAll(failing, (event) => said.push(event))
	expect(said.find(({ tenant }) => tenant === name)).toMatchObject({ finished: 0, errors: [new Fault('Error')] })
})

test('what a conversion reports is in the line of the sweep, with the stage that was reached', async () => {
	const said: SweepEvent[] = []
	const { name } = await newTenant({})
	const reporting: Pick<Services, 'advanceFormat'> = {
		advanceFormat: async (_, __, report) => {
			report(new Fault('two have one name'))
			return { number: 2, stage: 'written', since: 0, position: '~' }
		},
	}
	await sweepAll({ ...(await newServices()), ...reporting }, (event) => said.push(event))
	expect(said.find(({ tenant }) => tenant === name)).toMatchObject({
		...{ format: 2, formatStage: 'written' },
		errors: [new Fault('two have one name')],
	})
})
