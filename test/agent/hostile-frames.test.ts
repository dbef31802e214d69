import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { type Message, openWebSocket, readMessages } from '../../agent/channel.ts'
import { ca, certificate } from '../support/relay-stand-in/lab.ts'

const announced = (id: string) =>
	JSON.stringify({ request: { id, requestTarget: '/demo/scim/Users', method: 'POST', body: true } })

test('after a protocol error, no body is assigned to another request', async () => {
	const server = createServer(certificate)
	const channels = new WebSocketServer({ server })
	channels.on('connection', (channel, { socket }) => {
		socket.cork()
		channel.send(announced('one'))
		channel.send(announced('two'))
		channel.send(Buffer.from('the body of two'))
		socket.uncork()
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	const socket = await openWebSocket(`wss://localhost:${port}/`, { ca: ca.cert, maxPayload: 1024 })
	const received: Message[] = []
	const broken: string[] = []
	const closed = once(socket, 'close')
	readMessages(socket, {
		received: (message) => received.push(message),
		broken: (what) => {
			broken.push(what)
			socket.terminate()
		},
	})
	await closed
	expect([received, broken]).toEqual([[], ['no body after one was announced']])
	server.close()
	server.closeAllConnections()
})
