import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import { type Clock, pause } from '../../../shared/relay/clock.ts'
import type { Head } from './answer.ts'
import type { Faults } from './faults.ts'
import { frameReader } from './frames.ts'
import { type Journal, withoutSecrets } from './journal.ts'

/** A WebSocket of a listener. The journal records all its traffic. */
export type Wire = {
	readonly name: 'control' | 'rendezvous'
	readonly channel: WebSocket
	readonly socket: Socket
	/** Sends a message and directly after it the announced body. */
	send(message: object, body?: Buffer): void
	/** Sends a text, which may be an invalid message. */
	say(text: string): void
	/** Called for every piece of data that arrives, even for part of a message. */
	moved: () => void
	/** Stops reading and writing until `thaw`. */
	freeze(): void
	thaw(): void
}

type Ends = Pick<Wire, 'name' | 'channel' | 'socket'>
type WireOptions = { readonly wireJournal: Journal; readonly faults: Faults; readonly clock: Clock }

export function wireOf({ name, channel, socket }: Ends, { wireJournal, faults, clock }: WireOptions): Wire {
	/** The slow message that is being sent. Others wait, because the frames of a message must not be interrupted. */
	let sending: Promise<void> | undefined
	const frames = (from: 'listener' | 'service') =>
		frameReader(({ opcode, fin, length }) => wireJournal.write('frame', { channel: name, from, opcode, fin, length }))

	const came = frames('listener')
	socket.on('data', (bytes: Buffer) => {
		came(bytes)
		wire.moved()
	})
	const went = frames('service')
	const { write } = socket
	// sound: a WebSocket writes bytes and text, and names no encoding
	socket.write = ((piece: Buffer | string, ...rest: []) => {
		went(typeof piece === 'string' ? Buffer.from(piece) : piece)
		return write.call(socket, piece, ...rest)
	}) as typeof write

	function queue(work: () => Promise<void>): void {
		const mine = (sending ?? Promise.resolve()).then(work).finally(() => {
			if (sending === mine) sending = undefined
		})
		sending = mine
	}

	function pass(text: string, body: Buffer): void {
		const { drip } = faults
		if (sending !== undefined || drip !== undefined) queue(() => passSlowly(text, body, drip))
		else passAtOnce(text, body)
	}

	function passAtOnce(text: string, body: Buffer): void {
		socket.cork()
		channel.send(text)
		for (const { piece, isLast } of piecesOf(body, faults.fragment)) channel.send(piece, { binary: true, fin: isLast })
		socket.uncork()
	}

	async function passSlowly(text: string, body: Buffer, drip: Faults['drip']): Promise<void> {
		channel.send(text)
		for (const { piece, isLast } of piecesOf(body, drip?.bytes ?? faults.fragment)) {
			channel.send(piece, { binary: true, fin: isLast })
			if (drip !== undefined) await pause(clock, drip.pause)
		}
	}

	const wire: Wire = {
		name,
		channel,
		socket,
		send: (message, body = Buffer.alloc(0)) => {
			wireJournal.write('message', { channel: name, from: 'service', message: withoutSecrets(message) })
			pass(JSON.stringify(message), body)
		},
		say: (text) => pass(text, Buffer.alloc(0)),
		moved: () => undefined,
		freeze: () => {
			socket.cork()
			socket.pause()
		},
		thaw: () => {
			socket.uncork()
			socket.resume()
		},
	}
	return wire
}

type Piece = { readonly piece: Buffer; readonly isLast: boolean }

/** Cuts a body into pieces of this length, or returns it in one piece. */
export function piecesOf(body: Buffer, length = body.length): readonly Piece[] {
	const pieces: Piece[] = []
	for (let at = 0; at < body.length; at += length)
		pieces.push({ piece: body.subarray(at, at + length), isLast: at + length >= body.length })
	return pieces
}

type Reader = {
	/** The head of an answer arrived, and its body is still to come. */
	begun(head: Head): void
	answered(head: Head, body: Buffer): void
	/** A message other than an answer. */
	other(message: Readonly<Record<string, unknown>>): void
	violation(what: string): void
	/** Accepts an empty body that was not announced, because Microsoft's library sends one after an answer without a body. */
	readonly isLenient: boolean
}

/** Reads text messages, each with the binary message that it may announce. */
export function read(wire: Wire, wireJournal: Journal, { begun, answered, other, violation, isLenient }: Reader): void {
	let expected: Head | undefined
	wire.channel.on('message', (bytes: RawData, isBinary: boolean) => {
		if (isBinary) {
			const body = bytes as Buffer // sound: binaryType is nodebuffer
			if (expected === undefined) {
				if (body.length > 0 || !isLenient) violation('body that was not announced')
				return
			}
			const head = expected
			expected = undefined
			return answered(head, body)
		}
		if (expected !== undefined) violation('text instead of the announced body')
		expected = undefined
		const message = parsed(String(bytes))
		if (message === undefined) return violation('text that is not a message')
		wireJournal.write('message', { channel: wire.name, from: 'listener', message: withoutSecrets(message) })
		if (typeof message.response !== 'object' || message.response === null) return other(message)
		const head = message.response as Head // sound: read from the wire of a lab; the journal holds what is wrong with it
		if (!head.body) return answered(head, Buffer.alloc(0))
		expected = head
		begun(head)
	})
}

function parsed(text: string): Record<string, unknown> | undefined {
	try {
		const value: unknown = JSON.parse(text)
		return typeof value === 'object' && value !== null ? { ...value } : undefined
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}
