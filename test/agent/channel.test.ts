import { createHash } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { openWebSocket, readMessages, sendResponse } from '../../agent/channel.ts'
import { ca, certificate } from '../support/relay-stand-in/lab.ts'

/** A text frame of a server (RFC 6455 section 5.2): final, unmasked, shorter than 126 bytes. */
const frame = (text: string) => Buffer.concat([Buffer.from([0x81, Buffer.byteLength(text)]), Buffer.from(text)])

const accepted = (key = '') => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** Connects to a server that has a message ready at the end of the handshake. `onData` gets each TLS record. */
async function connectTo(onData = (_record: Buffer) => {}) {
	const server = createServer(certificate)
	server.on('upgrade', (request, socket) => {
		const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accepted(request.headers['sec-websocket-key'])}\r\n\r\n`
		socket.on('data', onData).write(Buffer.concat([Buffer.from(head), frame('{"hello":1}')]))
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	return { server, socket: await openWebSocket(`wss://localhost:${port}/`, { ca: ca.cert, maxPayload: 1024 }) }
}

test('a message in the same TCP segment as the end of the handshake is read', async () => {
	const { server, socket } = await connectTo()
	const message = await new Promise((resolve, reject) => {
		readMessages(socket, { received: resolve, broken: reject })
	})
	expect(message).toEqual({ unknown: ['hello'] })
	socket.terminate()
	server.close()
	server.closeAllConnections()
})

test('answers of the same moment are one TLS record, in their order', async () => {
	const records: number[] = []
	let arrived = () => {}
	const { server, socket } = await connectTo((record) => {
		records.push(record.length)
		arrived()
	})
	for (const moment of [1, 2]) {
		const next = new Promise<void>((resolve) => {
			arrived = resolve
		})
		for (let at = 0; at < 3; at++)
			sendResponse(socket, `${moment}-${at}`, { status: 200, headers: {}, body: Buffer.from('body') })
		await next
	}
	expect(records).toEqual([records[0], records[0]])
	expect(records[0]).toBeGreaterThan(3 * 60)
	socket.terminate()
	server.close()
	server.closeAllConnections()
})
