import { pause } from '../../shared/relay/clock.ts'
import { header } from '../../shared/relay/contract.ts'
import type { ExchangeResult } from '../../shared/relay/exchange.ts'
import type { RelayResponse } from '../channel.ts'
import { briefly } from '../log.ts'
import type { Attempt, Listener, ListenOptions, ReceivedRequest, Rig } from './rig.ts'

/** A question that the documents of Azure Relay leave open. */
export type Question = {
	readonly name: string
	/** The answer that agent and sender assume. */
	readonly assumed: string
	/** Matches the assumed answer. */
	readonly fits: RegExp
	/** The question takes minutes and is skipped by default. */
	readonly isSlow?: true
	ask(rig: Rig): Promise<string>
}

const minute = 60_000
/** Marked like an answer of an agent. The sender keeps a connection only after such an answer. */
const ok: RelayResponse = {
	status: 200,
	headers: { 'content-type': 'text/plain', [header.outcome]: 'completed' },
	body: Buffer.from('ok'),
}

export const questions: readonly Question[] = [
	{
		name: 'a request without a listener',
		assumed: '404, 502 or 503, without Via',
		fits: /^(404|502|503) .*, no Via$/,
		ask: async (rig) => summaryOf(await rig.sender()({})),
	},
	{
		name: 'listening with a wrong key',
		assumed: '401',
		fits: /^401 /,
		ask: (rig) => listenResult(rig, { key: 'wrong' }),
	},
	{
		name: 'listening on an unknown hybrid connection',
		assumed: '404, or 401 because the token is for another one',
		fits: /^40[14] /,
		ask: (rig) => listenResult(rig, { hybridConnection: 'rollcall-is-not-here' }),
	},
	{
		name: 'listening on an unknown hybrid connection with a wrong key',
		assumed: '404; otherwise the doctor cannot say that the hybrid connection is missing',
		fits: /^404 /,
		ask: (rig) => listenResult(rig, { hybridConnection: 'rollcall-is-not-here', key: 'wrong' }),
	},
	{
		name: 'the time of the root of the namespace',
		assumed: 'a Date that moves on; otherwise agents refuse writes with not_confirmed',
		fits: /^Date is [1-9]/,
		ask: timeAtRoot,
	},
	{
		name: 'the request that a listener receives',
		assumed: 'has Via and Authorization, no token of the service, joined headers',
		fits: /^Host \S+, Via 1\.1 \S+, Authorization Bearer app, token removed, X-Two a, b; answered with Via 1\.1 /,
		ask: describeHeaders,
	},
	{
		name: 'a request with only Authorization',
		assumed: '401, because the service reads it as its own token',
		fits: /^401 /,
		ask: async (rig) => {
			await rig.listen()
			return summaryOf(await rig.sender()({ headers: { authorization: 'Bearer app' }, isAnonymous: true }))
		},
	},
	...['PATCH', 'DELETE'].map((method) => ({
		name: `${method} with a body`,
		assumed: 'arrives unchanged',
		fits: new RegExp(`^${method} with "body", answered 200`),
		ask: async (rig: Rig) => {
			const { delivery, reply } = await roundTrip(rig, { method, body: Buffer.from('body') })
			if (delivery === undefined) return summaryOf(reply)
			return `${delivery.request.method} with "${delivery.body}", answered ${summaryOf(reply)}`
		},
	})),
	{
		name: 'a small chunked body',
		assumed: 'complete, on either channel',
		fits: /^(control|rendezvous), 4 bytes/,
		ask: async (rig) => {
			const chunked = { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: Buffer.from('body') }
			const { delivery, reply } = await roundTrip(rig, chunked)
			return delivery === undefined ? summaryOf(reply) : `${delivery.channel}, ${delivery.body.length} bytes`
		},
	},
	{
		name: 'the channel of a request by its size',
		assumed: 'control up to 64 kB with headers, then rendezvous',
		fits: /^60000 control, .*65537 rendezvous$/,
		ask: (rig) =>
			forEachCase([60_000, 65_000, 65_536, 65_537], async (size) => {
				const { delivery, reply } = await roundTrip(rig, { method: 'POST', body: Buffer.alloc(size, 'x') })
				return delivery?.channel ?? summaryOf(reply)
			}),
	},
	{
		name: 'an answer on the control channel by its size',
		assumed: '65536 bytes pass',
		fits: /65536 200, /,
		ask: (rig) =>
			forEachCase([65_536, 65_537], async (size) => {
				const { reply } = await roundTrip(rig, {}, { ...ok, body: Buffer.alloc(size, 'x') })
				return statusOf(reply)
			}),
	},
	{
		name: 'the next request after a rendezvous',
		assumed: 'on either channel',
		fits: /^(control|rendezvous), 200$/,
		ask: nextAfterRendezvous,
	},
	{
		name: 'a ping from the listener',
		assumed: 'is answered, and the channel stays open',
		fits: /^pong, open$/,
		ask: ping,
	},
	{
		name: 'a second control channel with the same id',
		assumed: 'both stay open',
		fits: /^both open$/,
		ask: async (rig) => {
			const first = await rig.listen()
			const second = await rig.listen({ id: first.id })
			await pause(rig.clock, 5000)
			const isOpen = ({ socket }: Listener) => socket.readyState === socket.OPEN
			if (isOpen(first) && isOpen(second)) return 'both open'
			return `the first is ${isOpen(first) ? 'open' : 'closed'}, the second is ${isOpen(second) ? 'open' : 'closed'}`
		},
	},
	{
		name: 'Microsoft-Relay-AllowedListeners',
		assumed: 'selects this listener',
		fits: /^8 of 8 to the expected listener$/,
		ask: (rig) => listenerChoice(rig, (_, target) => ({ 'microsoft-relay-allowedlisteners': target.id })),
	},
	{
		name: 'Microsoft-Relay-DisallowedListeners',
		assumed: 'selects the other listener',
		fits: /^8 of 8 to the expected listener$/,
		ask: (rig) => listenerChoice(rig, (other) => ({ 'microsoft-relay-disallowedlisteners': other.id })),
	},
	{
		name: 'a request that excludes every listener',
		assumed: '404, 502 or 503, without Via',
		fits: /^(404|502|503) .*, no Via$/,
		ask: async (rig) => {
			const { id } = await rig.listen()
			return summaryOf(await rig.sender()({ headers: { 'microsoft-relay-disallowedlisteners': id } }))
		},
	},
	{
		name: 'characters in the path',
		assumed: 'arrive unchanged, or are refused',
		fits: /^\/a%2Fb (unchanged|4\d\d), \/a%00b (unchanged|4\d\d), \/a\/\/b (unchanged|4\d\d), \/%c3%b8 (unchanged|\S+%C3%B8|4\d\d)$/,
		ask: (rig) =>
			forEachCase(['/a%2Fb', '/a%00b', '/a//b', '/%c3%b8'], async (path) => targetOf(rig, `/conformance${path}`)),
	},
	{
		name: 'characters in the query',
		assumed: 'hex digits and quotes may be rewritten, sb-hc-* is removed',
		fits: /^\S+\?a=(%c3%b8|%C3%B8)&b=("|%22)x("|%22)&c=\+&d=%2B&&$|^unchanged$/,
		ask: (rig) => targetOf(rig, '/conformance?a=%c3%b8&b="x"&c=+&d=%2B&sb-hc-x=1&&'),
	},
	{
		name: 'the length of a URL',
		assumed: '4000 characters pass',
		fits: /4000 200/,
		ask: (rig) =>
			forEachCase([1000, 2000, 4000, 8000, 12_000], async (length) => {
				const { reply } = await roundTrip(rig, { path: `/conformance?${'x'.repeat(length)}` })
				return statusOf(reply)
			}),
	},
	{
		name: 'the status of a listener',
		assumed: '503 passes with Via',
		fits: /503 503 with Via/,
		ask: (rig) =>
			forEachCase([204, 404, 502, 503, 504], async (status) => {
				const { reply } = await roundTrip(rig, {}, { ...ok, status, body: Buffer.from(status === 204 ? '' : 'ok') })
				return `${statusOf(reply)} ${viaOf(reply) === undefined ? 'without' : 'with'} Via`
			}),
	},
	{
		name: 'an answer by rendezvous after the control channel has closed',
		assumed: '200; otherwise a stopping agent loses the requests in progress',
		fits: /^200 /,
		ask: async (rig) => {
			const listener = await rig.listen()
			const sent = rig.sender()({ method: 'POST', body: Buffer.from('body') })
			const delivery = await listener.next()
			listener.socket.close(1000)
			await new Promise((resolve) => listener.socket.once('close', resolve))
			await delivery.answerByRendezvous(ok)
			return summaryOf(await sent)
		},
	},
	...[
		{ size: 'small', body: Buffer.from('body') },
		{ size: 'large', body: Buffer.alloc(100_000, 'x') },
	].map(({ size, body }) => ({
		name: `a listener that disconnects with a ${size} request`,
		assumed: '5xx without Via, or the connection breaks; not 503, which means that no listener got the request',
		fits: /^((?!503)5\d\d .*, no Via|lost: .*) after \d+ s$/,
		ask: async (rig: Rig) => {
			const listener = await rig.listen()
			const sent = timedRoundTrip(rig, { method: 'POST', body })
			await listener.next()
			rig.cut()
			return sent
		},
	})),
	{
		name: 'a listener that never answers',
		assumed: '504 after 60 s or slightly more',
		fits: /^504 .*, no Via after (59|[6-8]\d) s$/,
		ask: async (rig) => {
			const listener = await rig.listen()
			const sent = timedRoundTrip(rig, {})
			await listener.next()
			return sent
		},
	},
	{
		name: 'an expired token',
		assumed: 'the channel closes with 1008, at expiry or within 10 minutes',
		// A token contains whole seconds, so it may expire one second early.
		fits: /^1008 .* after (?:-1|\d+) s$/,
		isSlow: true,
		ask: async ({ listen, clock }) => {
			const expires = clock.now() + minute
			const { socket } = await listen({ expires })
			const closed = new Promise<string>((resolve) =>
				socket.once('close', (code, reason) =>
					resolve(`${code} ${untraced(String(reason))} after ${seconds(clock.now() - expires)} s`),
				),
			)
			return Promise.race([closed, pause(clock, 11 * minute).then(() => 'still open after 10 minutes')])
		},
	},
]

type RoundTrip = { readonly delivery?: ReceivedRequest; readonly reply: ExchangeResult }

/** Sends a request to a new listener, which answers. `delivery` is absent if the request did not reach the listener. */
async function roundTrip(rig: Rig, attempt: Attempt, answer = ok): Promise<RoundTrip> {
	const listener = await rig.listen()
	try {
		const sent = rig.sender()(attempt)
		const first = await Promise.race([listener.next(), sent])
		if (!('answer' in first)) return { reply: first }
		first.answer(answer)
		return { delivery: first, reply: await sent }
	} finally {
		await rig.close()
	}
}

/** The results of several cases in one line. */
async function forEachCase<T>(cases: readonly T[], ask: (item: T) => Promise<string>): Promise<string> {
	const results: string[] = []
	for (const item of cases) results.push(`${item} ${await ask(item)}`)
	return results.join(', ')
}

const viaOf = (reply: ExchangeResult): string | undefined => ('lost' in reply ? undefined : reply.headers.via)
const statusOf = (reply: ExchangeResult): string => ('lost' in reply ? `lost: ${reply.lost}` : String(reply.status))
const untraced = (reason: string): string => reason.replace(/\s*TrackingId:.*/, '').slice(0, 120)
const seconds = (milliseconds: number): number => Math.round(milliseconds / 1000)

function summaryOf(reply: ExchangeResult): string {
	if ('lost' in reply) return `lost: ${reply.lost}`
	const via = viaOf(reply)
	return `${reply.status} ${untraced(reply.reason)}, ${via === undefined ? 'no Via' : `Via ${via}`}`
}

async function timedRoundTrip(rig: Rig, attempt: Attempt): Promise<string> {
	const started = rig.clock.now()
	const reply = await rig.sender()(attempt)
	return `${summaryOf(reply)} after ${seconds(rig.clock.now() - started)} s`
}

async function listenResult(rig: Rig, listening: ListenOptions): Promise<string> {
	try {
		await rig.listen(listening)
		return 'accepted'
	} catch (error) {
		return untraced(briefly(error))
	}
}

/** Asks twice, because an answer from a cache would have an old Date. */
async function timeAtRoot({ time, clock }: Rig): Promise<string> {
	const first = await time()
	await pause(clock, 3000)
	const { date } = await time()
	return `Date is ${seconds(date - first.date)} s later after 3 s, and ${seconds(date - clock.now())} s from this clock`
}

async function describeHeaders(rig: Rig): Promise<string> {
	const headers = { authorization: 'Bearer app', 'x-two': 'a, b' }
	const { delivery, reply } = await roundTrip(rig, { headers })
	if (delivery === undefined) return summaryOf(reply)
	const received = Object.fromEntries(
		Object.entries(delivery.request.requestHeaders).map(([name, value]) => [name.toLowerCase(), value]),
	)
	const token = received.servicebusauthorization === undefined ? 'token removed' : 'token present'
	return `Host ${received.host}, Via ${received.via}, Authorization ${received.authorization}, ${token}, X-Two ${received['x-two']}; answered with Via ${viaOf(reply)}`
}

/** Sends two requests on one connection. The first is too large for the control channel. */
async function nextAfterRendezvous(rig: Rig): Promise<string> {
	const listener = await rig.listen()
	const send = rig.sender()
	const first = send({ method: 'POST', body: Buffer.alloc(100_000, 'x') })
	const large = await listener.next()
	large.answer(ok)
	await first
	const second = send({})
	const small = await Promise.race([listener.next(), second])
	if (!('answer' in small)) return summaryOf(small)
	small.answer(ok)
	return `${small.channel}, ${statusOf(await second)}`
}

async function ping({ listen, clock }: Rig): Promise<string> {
	const { socket } = await listen()
	const pong = new Promise<string>((resolve) => socket.once('pong', () => resolve('pong')))
	socket.ping()
	const answer = await Promise.race([pong, pause(clock, 10_000).then(() => 'no pong within 10 s')])
	await pause(clock, 5000)
	return `${answer}, ${socket.readyState === socket.OPEN ? 'open' : 'closed'}`
}

/** Sends eight requests with two listeners, and counts those that reached the expected one. */
async function listenerChoice(
	rig: Rig,
	headersFor: (other: Listener, target: Listener) => Readonly<Record<string, string>>,
): Promise<string> {
	const [other, target] = [await rig.listen(), await rig.listen()]
	let correct = 0
	for (let round = 0; round < 8; round++) {
		const sent = rig.sender()({ headers: headersFor(other, target) })
		const [delivery, at] = await Promise.race([
			target.next().then((received) => [received, target] as const),
			other.next().then((received) => [received, other] as const),
		])
		delivery.answer(ok)
		await sent
		if (at === target) correct++
	}
	return `${correct} of 8 to the expected listener`
}

async function targetOf(rig: Rig, path: string): Promise<string> {
	const { delivery, reply } = await roundTrip(rig, { path })
	if (delivery === undefined) return summaryOf(reply)
	const { requestTarget } = delivery.request
	return requestTarget.endsWith(path) ? 'unchanged' : requestTarget
}
