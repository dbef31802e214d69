import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { forwardTo } from '../../../agent/forward.ts'
import { sasToken } from '../../../shared/relay/sas.ts'
import { semaphore } from '../../../shared/relay/semaphore.ts'
import { clock, type Lab, startLab } from '../../support/relay-stand-in/lab.ts'
import { json } from '../../support/relay-stand-in/origin.ts'
import { sendTo } from '../../support/relay-stand-in/sender.ts'

let lab: Lab
let open: ServerResponse[]

beforeEach(async () => {
	open = []
	lab = await startLab()
	lab.origin.answer = (_, response) => open.push(response)
})
afterEach(() => lab.stop())

const answerAll = () => {
	for (const response of open.splice(0)) json(response, 200, {})
}

/** Sends a write with this deadline in milliseconds. */
const post = (deadline: number) => {
	const expires = Date.now() + 36_000_000
	const { token } = sasToken({ uri: 'http://localhost/demo', keyName: 'send', key: 'sendkey', expires })
	return sendTo({
		port: lab.standIn.port,
		ca: lab.ca,
		method: 'POST',
		path: '/demo/scim/Users',
		body: '{}',
		headers: { ServiceBusAuthorization: token, 'x-scim-relay-deadline-ms': String(deadline) },
	})
}

test('a request that waits longer than its deadline is refused in time', async () => {
	await lab.agent({ concurrency: 1 })
	const first = post(45_000)
	await lab.standIn.journal.until('request')
	const before = clock.now()
	const { headers } = await post(5000)
	expect([headers['x-scim-relay-error'], headers['x-scim-relay-outcome']]).toEqual(['agent_busy', 'not-sent'])
	expect(clock.now() - before).toBeLessThan(20_000)
	answerAll()
	expect((await first).status).toBe(200)
	expect(lab.origin.requests).toHaveLength(1)
})

test('work that waited too long leaves the queue', async () => {
	const { enter } = semaphore(1, 1, clock)
	let finish = (_: string) => {}
	const first = enter({
		run: () =>
			new Promise<string>((resolve) => {
				finish = resolve
			}),
		waitLimit: 1,
		fallback: '',
	})
	const turn = (waitLimit: number) => enter({ run: async () => 'done', waitLimit, fallback: 'late' })
	const timedOut = turn(1000)
	expect(turn(1000)).toBeUndefined()
	expect(await timedOut).toBe('late')
	const next = turn(60_000)
	finish('first')
	expect([await first, await next, await turn(0)]).toEqual(['first', 'done', 'done'])
})

test('a request of a disconnected sender is not sent', async () => {
	const forward = forwardTo(lab.config(), clock)
	const get = { method: 'GET', path: '/scim/Users', headers: {}, body: Buffer.alloc(0), deadline: 2000 }
	expect(await forward({ ...get, signal: AbortSignal.abort() })).toEqual({
		fault: 'origin_timeout',
		detail: 'the sender has disconnected',
	})
	await new Promise((resolve) => setTimeout(resolve, 100))
	expect(lab.origin.requests).toEqual([])
})

test('a request waits at most half of its deadline, so that the SCIM server has the other half', async () => {
	await lab.agent({ concurrency: 1 })
	const first = post(45_000)
	await lab.standIn.journal.until('request')
	const before = clock.now()
	const { headers } = await post(45_000)
	expect([headers['x-scim-relay-error'], headers['x-scim-relay-outcome']]).toEqual(['agent_busy', 'not-sent'])
	expect(clock.now() - before).toBeLessThan(35_000)
	answerAll()
	expect((await first).status).toBe(200)
})
