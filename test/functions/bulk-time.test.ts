import { beforeAll, describe, expect, test } from 'vitest'
import { useAzurite } from '../support/azurite.ts'
import { startEdge } from '../support/edge.ts'
import { type Fate, withFaults } from '../support/faults.ts'

const azurite = useAzurite()

beforeAll(async () => {
	const { services, ask } = await startEdge(azurite())
	await services.tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	// The first change of a tenant begins the first epoch of its feed, with a write of its own.
	await ask('POST', 'acme', '/Users', { body: { userName: 'first' } })
})

const creation = (userName: string) => ({ method: 'POST', path: '/Users', bulkId: userName, data: { userName } })
const error = (status: string, detail: unknown) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
	status,
	detail,
})

/** A process with a warm cache. `onWrite` is asked about every write to storage. */
async function start(onWrite: (pass: (milliseconds: number) => void) => Fate) {
	let pass = (_milliseconds: number) => {}
	const intercept = withFaults(({ path }) => (path === '$batch' ? onWrite(pass) : 'answered'))
	const edge = await startEdge({ ...azurite(), intercept })
	pass = edge.clock.pass
	await edge.ask('GET', 'acme', '/Users')
	const bulk = async (Operations: unknown[], options = {}) => {
		const { status, body } = await edge.ask('POST', 'acme', '/Bulk', { body: { ...options, Operations } })
		return { status, results: body.Operations }
	}
	return { ...edge, bulk }
}

const statusesOf = (results: { status: string }[]) => results.map(({ status }) => status)

describe('a bulk request that takes long', () => {
	test('begins no operation after 60 seconds, and answers 503 to each that is left over', async () => {
		const { bulk, ask } = await start((pass) => {
			pass(20_000)
			return 'answered'
		})
		const { status, results } = await bulk([
			creation('long-1'),
			creation('long-2'),
			creation('long-3'),
			creation('long-4'),
			{ method: 'DELETE', path: '/Users/nobody' },
			{ method: 'PUT', path: '/Users/bulkId:long-4', data: { userName: 'long-5' } },
		])
		expect(status).toBe(200)
		expect(statusesOf(results)).toEqual(['201', '201', '201', '503', '503', '503'])
		const response = error('503', 'the bulk request has taken too long: send this operation again')
		expect(results[3]).toEqual({ method: 'POST', bulkId: 'long-4', status: '503', response })
		expect(results[4]).toEqual({
			method: 'DELETE',
			location: 'https://localhost/scim/acme/Users/nobody',
			status: '503',
			response,
		})
		const { body } = await ask('GET', 'acme', '/Users?filter=userName+sw+%22long-%22')
		expect(body.totalResults).toBe(3)
	})

	test('answers all that is left over, also if one failure is enough to stop', async () => {
		const { bulk } = await start((pass) => {
			pass(60_000)
			return 'answered'
		})
		const { results } = await bulk([creation('stop-1'), creation('stop-2'), creation('stop-3')], { failOnErrors: 1 })
		expect(statusesOf(results)).toEqual(['201', '503', '503'])
	})
})

describe('a failure on our side during a bulk request', () => {
	const forbidden: Fate = {
		status: 403,
		headers: { get: () => undefined },
		text: '{"odata.error":{"code":"AuthorizationFailure","message":{"lang":"en-US","value":"a secret"}}}',
	}

	test('is the result of its operation, is logged, and hides nothing of what was done', async () => {
		let writes = 0
		const { bulk, events } = await start(() => (++writes === 2 ? forbidden : 'answered'))
		const { status, results } = await bulk([creation('fault-1'), creation('fault-2'), creation('fault-3')])
		expect(status).toBe(200)
		expect(statusesOf(results)).toEqual(['201', '500', '201'])
		const event = events.at(-1)
		expect(results[1]).toEqual({
			method: 'POST',
			bulkId: 'fault-2',
			status: '500',
			response: error('500', `Something failed on our side. It is logged as request ${event?.requestId}.`),
		})
		expect(event).toMatchObject({
			status: 200,
			error: expect.objectContaining({ message: expect.stringContaining('AuthorizationFailure') }),
		})
	})

	test('counts as an error that stops the request', async () => {
		const { bulk } = await start(() => forbidden)
		const { results } = await bulk([creation('halt-1'), creation('halt-2')], { failOnErrors: 1 })
		expect(statusesOf(results)).toEqual(['500'])
	})
})
