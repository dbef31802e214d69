import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RelayResponse } from '../../agent/channel.ts'
import { dispatcher } from '../../agent/dispatch.ts'
import { header, reserved } from '../../shared/relay/contract.ts'
import { type Lab, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab

beforeAll(async () => {
	lab = await startLab()
})
afterAll(() => lab.stop())

/** A dispatcher with a manual clock, in front of a SCIM server that numbers its answers. */
function dispatcherOf(headers: Readonly<Record<string, string>> = {}) {
	let time = 0
	let forwarded = 0
	const requests = dispatcher({
		config: lab.config(),
		clock: { now: () => time, after: () => () => undefined },
		log: () => undefined,
		forward: async () => ({ status: 201, headers, body: Buffer.alloc(1000, `${forwarded++} `) }),
		probe: async () => ({ status: 200 }),
		relayTime: async () => ({ date: time, age: () => 0 }),
	})
	let serial = 0
	const send = (method: string, target: string, key?: string) =>
		new Promise<RelayResponse>((resolve) => {
			const requestHeaders = key === undefined ? {} : { [header.key]: key }
			void requests.receive({
				request: { id: String(serial++), requestTarget: `/demo${target}`, method, requestHeaders, body: false },
				body: Buffer.alloc(0),
				answer: async (answer) => {
					resolve(answer)
					return 'control'
				},
			})
		})
	const pass = (milliseconds: number) => {
		time += milliseconds
	}
	return { send, pass, forwarded: () => forwarded, refuse: requests.refuse }
}

test('an answer is kept for ten minutes at 25 writes a second', async () => {
	const { send, pass, forwarded } = dispatcherOf()
	const first = await send('POST', '/scim/Users', 'first')
	for (let at = 1; at < 25 * 600; at++) {
		pass(40)
		await send('POST', '/scim/Users', String(at))
	}
	const again = await send('GET', `${reserved.outcome}first`)
	expect([again.status, again.body.equals(first.body)]).toEqual([201, true])
	expect(forwarded()).toBe(25 * 600)
})

test.each([
	['keys', 12_000, 0],
	['headers', 0, 12_000],
])('long %s displace older answers', async (_, keyLength, headerLength) => {
	const { send } = dispatcherOf({ location: 'x'.repeat(headerLength) })
	await send('POST', '/scim/Users', 'first')
	for (let at = 0; at < 6000; at++) await send('POST', '/scim/Users', `${at}-${'k'.repeat(keyLength)}`)
	expect((await send('GET', `${reserved.outcome}first`)).status).toBe(503)
})

test('an agent that is stopping does not say what it knows about a write', async () => {
	const { send, refuse } = dispatcherOf()
	const question = `${reserved.write}fingerprint/${Buffer.from('/demo/scim/Users').toString('base64url')}`
	const known = await send('GET', question)
	expect([known.status, JSON.parse(known.body.toString())]).toEqual([200, { state: 'none', memoryAge: 0 }])
	refuse()
	const refused = await send('GET', question)
	expect([refused.status, refused.headers[header.error]]).toEqual([503, 'draining'])
})
