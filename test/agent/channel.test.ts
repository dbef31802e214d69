import { createHash } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { openWebSocket, readMessages } from '../../agent/channel.ts'
import { ca, certificate } from '../support/relay-stand-in/lab.ts'

/** A text frame of a server (RFC 6455 section 5.2): final, unmasked, shorter than 126 bytes. */
const frame = (text: string) => Buffer.concat([Buffer.from([0x81, Buffer.byteLength(text)]), Buffer.from(text)])

const accepted = (key = '') => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

test('a message in the same TCP segment as the end of the handshake is read', async () => {
	const server = createServer(certificate)
	server.on('upgrade', (request, socket) => {
		const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accepted(request.headers['sec-websocket-key'])}\r\n\r\n`
		socket.write(Buffer.concat([Buffer.from(head), frame('{"hello":1}')]))
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	const socket = await openWebSocket(`wss://localhost:${port}/`, { ca: ca.cert, maxPayload: 1024 })
	const message = await new Promise((resolve, reject) => {
		readMessages(socket, { received: resolve, broken: reject })
	})
	expect(message).toEqual({ unknown: ['hello'] })
	socket.terminate()
	server.close()
	server.closeAllConnections()
})
