import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { forwardTo } from '../../agent/forward.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { type Lab, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

let lab: Lab

beforeEach(async () => {
	lab = await startLab()
})
afterEach(() => lab.stop())

const post = { method: 'POST', path: '/scim/Users', headers: {}, body: Buffer.from('{}'), deadline: 10_000 }

/** Sends to the lab's SCIM server and remembers on which connection each request came. */
function forwarding() {
	const sockets: Socket[] = []
	const { answer } = lab.origin
	lab.origin.answer = (incoming, response, body) => {
		sockets.push(incoming.socket)
		return answer(incoming, response, body)
	}
	return { forward: forwardTo(lab.config(), systemClock), sockets }
}

test('a write goes by the connection of the one before it', async () => {
	const { forward, sockets } = forwarding()
	for (let round = 0; round < 3; round++) expect(await forward(post)).toMatchObject({ status: 200 })
	expect(new Set(sockets).size).toBe(1)
})

test('a connection is left when it is not used for a while, one that is waited on is not', async () => {
	const { forward, sockets } = forwarding()
	const waiting = new Promise<ServerResponse>((resolve) => {
		const { answer } = lab.origin
		lab.origin.answer = (incoming, response, body) => {
			if (incoming.method === 'POST') return answer(incoming, response, body)
			return resolve(response)
		}
	})
	const slow = forward({ ...post, method: 'PUT' })
	const response = await waiting
	await forward(post)
	const idle = performance.now()
	await once(sockets[0] as Socket, 'close') // sound: the request that was answered came by it
	// The SCIM server itself would close it after 5 s.
	expect(performance.now() - idle).toBeLessThan(4000)
	json(response, 200, { at: 'last' })
	expect(await slow).toMatchObject({ status: 200, body: Buffer.from('{"at":"last"}') })
	await forward(post)
	expect(new Set(sockets).size).toBe(2)
})

test('a connection that the SCIM server closes meanwhile is not used again', async () => {
	const { forward, sockets } = forwarding()
	await forward(post)
	const closed = once(sockets[0] as Socket, 'close') // sound: the request that was answered came by it
	sockets[0]?.end()
	await closed
	expect(await forward(post)).toMatchObject({ status: 200 })
	expect(new Set(sockets).size).toBe(2)
})

test.each([
	['Bearer client', 'Bearer client'],
	['Bearer a\r\nX: y', undefined],
	['Bearer \u{1f511}', undefined],
])('of an Authorization to pass through (%j) comes %j', async (authorization, expected) => {
	const { origin } = lab.config()
	const config = { ...lab.config(), origin: { ...origin, authorization: { type: 'passThrough' as const } } }
	const answer = await forwardTo(config, systemClock)({ ...post, headers: { authorization } })
	expect([answer, lab.origin.requests[0]?.headers.authorization]).toEqual([
		expect.objectContaining({ status: 200 }),
		expected,
	])
})
