import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sasToken } from '../../shared/relay/sas.ts'
import { certificate, clock, type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab

beforeEach(async () => {
	lab = await startLab()
})
afterEach(() => lab.stop())

const sas = () =>
	sasToken({ uri: 'http://localhost/demo', keyName: 'send', key: 'sendkey', expires: Date.now() + 36_000_000 })

const uncertain = { status: 503, detail: expect.stringMatching(/\(outcome_unknown\)/) }

test.each(['POST', 'PATCH', 'PUT', 'DELETE'])(
	'the outcome of a %s stays unknown if there is no token to look it up',
	async (method) => {
		await lab.agent()
		let tokenRequests = 0
		const token = () =>
			tokenRequests++ === 0 ? Promise.resolve(sas()) : Promise.reject(new Error('the identity is away'))
		lab.standIn.faults.nextSends = [504, 401]
		expect(await outcome(lab.sender({ token })(request({ method })))).toMatchObject(uncertain)
		expect(tokenRequests).toBe(2)
	},
)

test.each(['POST', 'PATCH', 'PUT', 'DELETE'])(
	'the outcome of a %s stays unknown if the relay refuses the next request',
	async (method) => {
		await lab.agent()
		lab.standIn.faults.nextSends = [504, 403]
		expect(await outcome(lab.sender()(request({ method })))).toMatchObject(uncertain)
	},
)

test.each(['POST', 'PATCH', 'PUT', 'DELETE'])(
	'the outcome of a %s stays unknown if the question for it reaches no agent',
	async (method) => {
		await lab.agent()
		lab.standIn.faults.nextSends = [504, 404, 404, 404, 404]
		expect(await outcome(lab.sender()(request({ method })))).toMatchObject(uncertain)
		expect(lab.origin.requests).toEqual([])
	},
)

test('a GET whose repetition reaches no agent is no_agent', async () => {
	await lab.agent()
	lab.standIn.faults.nextSends = [504, 404, 404, 404, 404]
	expect(await outcome(lab.sender()(request()))).toMatchObject({ detail: expect.stringMatching(/\(no_agent\)/) })
})

test('the 50 s include the time for a token', async () => {
	await lab.agent()
	const thaw = lab.standIn.freeze()
	const token = () => new Promise<ReturnType<typeof sas>>((resolve) => clock.after(18_000, () => resolve(sas())))
	const before = clock.now()
	expect(await outcome(lab.sender({ token })(request({ method: 'POST' })))).toMatchObject(uncertain)
	expect(clock.now() - before).toBeLessThan(58_000)
	thaw()
})

test('a token request that never ends stops after the 50 s, too', async () => {
	await lab.agent()
	let tokenRequests = 0
	const token = () =>
		tokenRequests++ === 0 ? Promise.resolve({ ...sas(), expiresOnTimestamp: 0 }) : new Promise<never>(() => undefined)
	const { answer } = lab.origin
	lab.origin.answer = (...exchange) =>
		clock.after(40_000, () => {
			lab.standIn.faults.cutAnswerAt = 0
			return answer(...exchange)
		})
	const before = clock.now()
	expect(await outcome(lab.sender({ token })(request({ method: 'POST' })))).toMatchObject(uncertain)
	expect(clock.now() - before).toBeLessThan(58_000)
	expect(lab.origin.requests).toHaveLength(1)
})

/** A relay that answers every request alike, without `Via`. */
async function withoutVia(status: number, headers: Readonly<Record<string, string>>) {
	const methods: (string | undefined)[] = []
	const server: Server = createServer(certificate, (incoming, response) => {
		methods.push(incoming.method)
		response.writeHead(status, headers).end()
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	return {
		namespace: `localhost:${port}`,
		methods,
		stop: () => {
			server.close()
			server.closeAllConnections()
		},
	}
}

test.each([401, 403, 404, 502, 503])('a write is not repeated after a marked %i without Via', async (status) => {
	const mark = { 'x-scim-relay-agent': 'a;v=1;hc=demo', 'x-scim-relay-outcome': 'unknown' }
	const relay = await withoutVia(status, mark)
	expect(await outcome(lab.sender({ namespace: relay.namespace })(request({ method: 'POST' })))).toMatchObject(
		uncertain,
	)
	expect(relay.methods.filter((method) => method === 'POST')).toHaveLength(1)
	relay.stop()
})
