import { createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { controlLimit } from './answer.ts'

// Does on the wire what Microsoft's library for .NET does as a listener, by its published source:
// https://github.com/Azure/azure-relay-dotnet/blob/dev/src/Microsoft.Azure.Relay/HybridHttpConnection.cs
// It differs from the library for Node in these ways:
// - It signs the address with a slash at its end, and escapes in lower case.
// - The status is a number, and the reason phrase is left out.
// - It names a request by the id in the rendezvous address.
// - An answer by rendezvous is one binary message of several frames, the last of which is empty.
// - It closes the rendezvous directly after the answer. The next request needs another one.

type DotnetRequest = {
	readonly address?: string
	readonly method: string
	readonly requestTarget: string
	/** Absent if the request is to be fetched by rendezvous. */
	readonly body?: boolean
}

export type DotnetAnswer = {
	readonly status: number
	readonly headers: Readonly<Record<string, string>>
	readonly body: Buffer
}

type Handle = (method: string, target: string, body: Buffer) => DotnetAnswer

type DotnetOptions = { readonly port: number; readonly ca: string; readonly handle: Handle }

const pieceLength = 8192

/** Listens on the hybrid connection `demo`. */
export async function listenAsDotnet({ port, ca, handle }: DotnetOptions): Promise<{ stop(): void }> {
	const control = new WebSocket(`wss://localhost:${port}/$hc/demo?sb-hc-action=listen&sb-hc-id=${randomUUID()}`, {
		headers: { ServiceBusAuthorization: token() },
		ca,
	})
	read(control, (request, body) => {
		const { address = '' } = request
		if (request.body === undefined) return void fetchByRendezvous(address)
		const answer = handle(request.method, request.requestTarget, body)
		if (answer.body.length <= controlLimit) send(control, address, answer)
		else void openRendezvous(address).then((rendezvous) => sendAndClose(rendezvous, address, answer))
	})

	const openRendezvous = async (address: string): Promise<WebSocket> => {
		const rendezvous = new WebSocket(address, { ca })
		await once(rendezvous, 'open')
		return rendezvous
	}

	async function fetchByRendezvous(address: string): Promise<void> {
		const rendezvous = new WebSocket(address, { ca })
		read(rendezvous, ({ method, requestTarget }, body) =>
			sendAndClose(rendezvous, address, handle(method, requestTarget, body)),
		)
		await once(rendezvous, 'open')
	}

	await once(control, 'open')
	return { stop: () => control.terminate() }
}

function token(): string {
	const sr = 'http%3a%2f%2flocalhost%2fdemo%2f'
	const se = Math.floor(Date.now() / 1000) + 3600
	const signature = createHmac('sha256', 'listenkey').update(`${sr}\n${se}`).digest('base64')
	const sig = encodeURIComponent(signature).replaceAll(/%../g, (escaped) => escaped.toLowerCase())
	return `SharedAccessSignature sr=${sr}&sig=${sig}&se=${se}&skn=listen`
}

/** Calls `onRequest` with each request and the body that follows on it. */
function read(channel: WebSocket, onRequest: (request: DotnetRequest, body: Buffer) => void): void {
	let announced: DotnetRequest | undefined
	channel.on('message', (data: Buffer, isBinary: boolean) => {
		const request: DotnetRequest = isBinary ? announced : JSON.parse(String(data)).request
		announced = !isBinary && request.body ? request : undefined
		if (announced === undefined) onRequest(request, isBinary ? data : Buffer.alloc(0))
	})
}

function headOf(address: string, { status, headers, body }: DotnetAnswer): string {
	const requestId = new URL(address).searchParams.get('sb-hc-id')
	const response = { requestId, statusCode: status, responseHeaders: headers, body: body.length > 0 }
	return JSON.stringify({ response })
}

function send(control: WebSocket, address: string, answer: DotnetAnswer): void {
	control.send(headOf(address, answer))
	if (answer.body.length > 0) control.send(answer.body, { binary: true })
}

function sendAndClose(rendezvous: WebSocket, address: string, answer: DotnetAnswer): void {
	rendezvous.send(headOf(address, answer))
	if (answer.body.length > 0) {
		for (let at = 0; at < answer.body.length; at += pieceLength)
			rendezvous.send(answer.body.subarray(at, at + pieceLength), { binary: true, fin: false })
		rendezvous.send(Buffer.alloc(0), { binary: true, fin: true })
	}
	rendezvous.close(1000, 'NormalClosure')
}
