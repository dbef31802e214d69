import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { header } from '../../../shared/relay/contract.ts'
import { exchangeWith } from '../../../shared/relay/exchange.ts'
import { ca, certificate } from '../../support/relay-stand-in/lab.ts'

test('a request that is lost on a reused connection counts as sent', async () => {
	const held: ServerResponse[] = []
	const answer = (response: ServerResponse) => response.setHeader(header.outcome, 'completed').end()
	let count = 0
	const server = createServer(certificate, (request, response) => {
		count++
		// The first 32 requests use all connections. The next one reuses the first connection, and is cut off.
		if (count <= 32) held.push(response)
		else request.socket.destroy()
		const first = count === 32 ? held.shift() : undefined
		if (first !== undefined) answer(first)
		if (count > 32) for (const waiting of held.splice(0)) answer(waiting)
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	const exchange = exchangeWith(`localhost:${port}`, { ca: ca.cert })
	const attempt = { method: 'POST', path: '/', headers: {}, body: undefined, limit: 10_000 }
	const received = await Promise.all(Array.from({ length: 33 }, () => exchange(attempt)))
	expect(received.filter((each) => 'lost' in each)).toEqual([{ lost: expect.any(String), isSent: true }])
	server.closeAllConnections()
	server.close()
})
