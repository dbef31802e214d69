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
	// The SCIM server itself closes no idle connection.
	lab = await startLab({ originOptions: { keepAliveTimeout: 600_000 } })
})
afterEach(() => lab.stop())

const post = { method: 'POST', path: '/scim/Users', headers: {}, body: Buffer.from('{}'), deadline: 10_000 }

/** Records the connection of each request to the lab's SCIM server. */
function recordSockets() {
	const sockets: Socket[] = []
	const { answer } = lab.origin
	lab.origin.answer = (incoming, response, body) => {
		sockets.push(incoming.socket)
		return answer(incoming, response, body)
	}
	return { forward: forwardTo(lab.config(), systemClock), sockets }
}

test('a write reuses the connection of the previous write', async () => {
	const { forward, sockets } = recordSockets()
	for (let round = 0; round < 3; round++) expect(await forward(post)).toMatchObject({ status: 200 })
	expect(new Set(sockets).size).toBe(1)
})

test('an idle connection is closed, one with a pending request is not', async () => {
	const { forward, sockets } = recordSockets()
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
	await once(sockets[0] as Socket, 'close') // sound: the answered request used this connection
	json(response, 200, { at: 'last' })
	expect(await slow).toMatchObject({ status: 200, body: Buffer.from('{"at":"last"}') })
	await forward(post)
	expect(new Set(sockets).size).toBe(2)
})

test('a connection that the SCIM server has closed is not reused', async () => {
	const { forward, sockets } = recordSockets()
	await forward(post)
	const closed = once(sockets[0] as Socket, 'close') // sound: the answered request used this connection
	sockets[0]?.end()
	await closed
	expect(await forward(post)).toMatchObject({ status: 200 })
	expect(new Set(sockets).size).toBe(2)
})

test.each([
	['Bearer client', 'Bearer client'],
	['Bearer a\r\nX: y', undefined],
	['Bearer \u{1f511}', undefined],
])('with passThrough, Authorization %j arrives as %j', async (authorization, expected) => {
	const { origin } = lab.config()
	const config = { ...lab.config(), origin: { ...origin, authorization: { type: 'passThrough' as const } } }
	const answer = await forwardTo(config, systemClock)({ ...post, headers: { authorization } })
	expect([answer, lab.origin.requests[0]?.headers.authorization]).toEqual([
		expect.objectContaining({ status: 200 }),
		expected,
	])
})
