import { createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { STATUS_CODES } from 'node:http'
import { type RawData, WebSocket } from 'ws'
import { type Clock, systemClock } from '../../../shared/relay/clock.ts'
import { controlLimit } from './answer.ts'

// Does on the wire what Microsoft's library for .NET does as a listener, by its published source:
// https://github.com/Azure/azure-relay-dotnet/tree/dev/src/Microsoft.Azure.Relay
//
// Unlike the library for Node, it does this:
// - It signs the address with a slash at its end.
// - The status is a number. The reason phrase is always there, and is empty for a status without a usual one.
// - `body` is true if the application wrote anything, even zero bytes. Then a message follows, which may be empty.
// - An answer that is not complete after 2 s comes by rendezvous, however small it is.
// - An answer by rendezvous is one binary message of several frames, the last of which is empty.
// - It closes the rendezvous directly after the answer. The next request needs another one.
// - It keeps the control channel alive with pongs that answer no ping.
// - It accepts the WebSocket of a sender, unless the application refuses.
//
// Like the library for Node, it renews a token when the token expires, and listens again after it lost its channel.
//
// Each habit was seen with the library itself. Its source was copied by hand, shortened, and compiled for .NET 10 (SDK
// 10.0.401). Tracing, proxies, Entra tokens and the streams of WebSockets were left out. The control channel is that of
// commit 6a94e50, the answers are those of 6e57320, the handshake is that of f9b6c1f. It ran with the certificate of the
// tests in SSL_CERT_FILE and the address `sb://localhost:PORT/demo`:
// - As listener with its default WebSocket, which on .NET 10 is an upgrade by `SocketsHttpHandler`.
// - As listener with `UseBuiltInClientWebSocket`.
// - As listener with the handshake that the library parses itself on older frameworks (00ab4cd). The frames below that
//   handshake were those of .NET 10, in place of the library's own.
// - As sender, which is `HttpClient` with tokens of the library and one pool of connections.
// - As sender for the agent, and as listener for the sender of Rollcall.
// - With a rendezvous that is kept, closed and released, with and without `isLenient`, and with and without a grace
//   period, but not in all combinations.
//
// With `released`, every request was answered. With `kept`, a sender that keeps its connection lost every third POST of
// 70 kB: the listener had closed the rendezvous before it read the request. With `closed`, such a sender lost few.
//
// The tests of the library in HybridRequestTests.cs were copied in the same way, for one kind of token. They passed with
// `released`, but for the query `? `, which .NET 10 shows otherwise than older frameworks.

type DotnetRequest = {
	readonly address?: string
	readonly id: string
	readonly method: string
	readonly requestTarget: string
	/** Absent if the request is to be fetched by rendezvous. */
	readonly body?: boolean
}

type Command = { readonly request?: DotnetRequest; readonly accept?: { readonly address: string } }

export type DotnetAnswer = {
	readonly status: number
	readonly headers: Readonly<Record<string, string>>
	/** Absent if the application wrote nothing. */
	readonly body?: Buffer
	/** The application took longer than 2 s to write the body. */
	readonly isSlow?: boolean
}

type Handle = (method: string, target: string, body: Buffer) => DotnetAnswer

type DotnetOptions = { readonly port: number; readonly ca: string; readonly handle: Handle; readonly clock?: Clock }

export type DotnetListener = { stop(): Promise<void> }

const pieceLength = 8192
const tokenLife = 3_600_000
const renewalMinimum = 240_000
const pongInterval = 210_000
/** Milliseconds before each attempt to listen again. */
const reconnectAfter = [0, 1000, 2000, 5000, 10_000, 30_000]

/** Listens on the hybrid connection `demo`. */
export async function listenAsDotnet(options: DotnetOptions): Promise<DotnetListener> {
	const { port, ca, clock = systemClock } = options
	const url = `wss://localhost:${port}/$hc/demo?sb-hc-action=listen&sb-hc-id=${randomUUID()}`
	let isStopped = false
	let control: WebSocket
	let cancel = () => {}

	async function connect(): Promise<void> {
		const { token, expires } = tokenAt(clock.now())
		const headers = { 'Relay-User-Agent': 'azure-relay-dotnet/2.0.1.0', ServiceBusAuthorization: token }
		const channel = open(url, { ca, headers })
		await once(channel, 'open')
		control = channel
		serve(channel, options)
		const timers = [renewAt(expires), sendPongs()]
		cancel = () => {
			for (const stop of timers) stop()
		}
		channel.once('close', () => {
			cancel()
			if (!isStopped) void connectAgain(0)
		})
	}

	async function connectAgain(attempt: number): Promise<void> {
		const delay = reconnectAfter[attempt] ?? 30_000
		await new Promise<void>((resolve) => clock.after(delay, resolve))
		if (isStopped) return
		await connect().catch((error: Error) => (error.message.endsWith(' 404') ? undefined : connectAgain(attempt + 1)))
	}

	function renewAt(expires: number): () => void {
		let stop = clock.after(Math.max(expires - clock.now(), renewalMinimum), () => {
			const renewed = tokenAt(clock.now())
			control.send(JSON.stringify({ renewToken: { token: renewed.token } }))
			stop = renewAt(renewed.expires)
		})
		return () => stop()
	}

	function sendPongs(): () => void {
		let stop = clock.after(pongInterval, () => {
			control.pong()
			stop = sendPongs()
		})
		return () => stop()
	}

	await connect()
	return {
		stop: async () => {
			isStopped = true
			if (control.readyState !== control.OPEN) return
			control.close(1000, 'Normal Closure')
			await once(control, 'close')
		},
	}
}

const open = (url: string, { ca, headers = {} }: { readonly ca: string; readonly headers?: Record<string, string> }) =>
	new WebSocket(url, { ca, headers, perMessageDeflate: false })

/** A token, and the time in milliseconds since 1970 at which it expires. */
function tokenAt(now: number): { readonly token: string; readonly expires: number } {
	const sr = encodeURIComponent('http://localhost/demo/')
	const se = Math.round((now + tokenLife) / 1000)
	const sig = createHmac('sha256', 'listenkey').update(`${sr}\n${se}`).digest('base64')
	const token = `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}&skn=listen`
	return { token, expires: se * 1000 }
}

function serve(control: WebSocket, { ca, handle }: DotnetOptions): void {
	read(control, (request, body) => {
		const { address = '' } = request
		if (request.body === undefined) return fetchByRendezvous(address)
		const answer = handle(request.method, request.requestTarget, body)
		const isSmall = (answer.body?.length ?? 0) <= controlLimit
		if (isSmall && !answer.isSlow) return send(control, request, answer)
		const rendezvous = open(address, { ca })
		rendezvous.once('open', () => sendAndClose(rendezvous, request, answer))
	})

	function fetchByRendezvous(address: string): void {
		const rendezvous = open(address, { ca })
		read(rendezvous, (request, body) =>
			sendAndClose(rendezvous, request, handle(request.method, request.requestTarget, body)),
		)
	}

	/** By default, the library accepts each WebSocket of a sender. */
	control.on('message', (data, isBinary) => {
		const { accept } = isBinary ? {} : commandOf(data)
		if (accept !== undefined) open(accept.address, { ca }).on('error', () => undefined)
	})
}

const commandOf = (data: RawData): Command => JSON.parse(String(data))

/** Calls `onRequest` with each request and the body that follows on it. */
function read(channel: WebSocket, onRequest: (request: DotnetRequest, body: Buffer) => void): void {
	let announced: DotnetRequest | undefined
	channel.on('message', (data: Buffer, isBinary: boolean) => {
		const request = isBinary ? announced : commandOf(data).request
		announced = !isBinary && request?.body ? request : undefined
		if (announced === undefined && request !== undefined) onRequest(request, isBinary ? data : Buffer.alloc(0))
	})
}

function headOf({ id }: DotnetRequest, { status, headers, body }: DotnetAnswer): string {
	const response = {
		body: body !== undefined,
		requestId: id,
		...(Object.keys(headers).length > 0 && { responseHeaders: headers }),
		statusCode: status,
		statusDescription: STATUS_CODES[status] ?? '',
	}
	return JSON.stringify({ response })
}

function send(control: WebSocket, request: DotnetRequest, answer: DotnetAnswer): void {
	control.send(headOf(request, answer))
	if (answer.body !== undefined) control.send(answer.body, { binary: true })
}

function sendAndClose(rendezvous: WebSocket, request: DotnetRequest, answer: DotnetAnswer): void {
	rendezvous.send(headOf(request, answer))
	const { body } = answer
	if (body !== undefined) {
		for (let at = 0; at === 0 || at < body.length; at += pieceLength)
			rendezvous.send(body.subarray(at, at + pieceLength), { binary: true, fin: false })
		rendezvous.send(Buffer.alloc(0), { binary: true, fin: true })
	}
	rendezvous.close(1000, 'NormalClosure')
}
