import { Agent, request } from 'node:https'
import { type Clock, within } from '../shared/relay/clock.ts'

/** An answer of the relay to a question for its time. */
export type TimeAnswer = {
	/** The clock of the relay in milliseconds since 1970, rounded down to a second. */
	readonly date: number
	/** Milliseconds since the question was asked: the larger one of two clocks, because either may have stood still. */
	age(): number
}

/** Asks the relay for its time. Questions of the same moment are one request. Rejects after 10 s without an answer. */
export type RelayTime = () => Promise<TimeAnswer>

type RelayTimeOptions = {
	/** `contoso.servicebus.windows.net` */
	readonly namespace: string
	readonly clock: Clock
	readonly ca: string | undefined
	readonly proxy: Agent | undefined
}

/** A kept connection may have died during a pause, without a sign. The second attempt uses a new connection. */
const attempts = [
	{ isNew: false, limit: 4000 },
	{ isNew: true, limit: 6000 },
] as const

export function relayTimeFrom({ namespace, clock, ca, proxy }: RelayTimeOptions): RelayTime {
	const [host = '', port = '443'] = namespace.split(':')
	const agentOf = (keepAlive: boolean) =>
		Object.assign(
			new Agent({ keepAlive, ...(ca !== undefined && { ca }) }),
			proxy && { createConnection: proxy.createConnection },
		)
	const kept = agentOf(true)
	const separate = agentOf(false)

	/** The Date of any answer. RFC 9110 section 6.6.1 requires it, whatever the status. */
	const dateFrom = (agent: Agent, signal: AbortSignal) =>
		new Promise<number>((resolve, reject) => {
			const outgoing = request({ host, port: Number(port), method: 'GET', path: '/', agent, signal })
			outgoing.on('error', reject)
			outgoing.on('response', (response) => {
				response.resume()
				const date = Date.parse(response.headers.date ?? '')
				if (Number.isNaN(date)) reject(new Error(`the relay answered ${response.statusCode} without Date`))
				else resolve(date)
			})
			outgoing.end()
		})

	async function ask(): Promise<TimeAnswer> {
		let failure: unknown
		for (const { isNew, limit } of attempts) {
			const age = stopwatch(clock)
			const stopping = new AbortController()
			try {
				const date = await within(clock, limit, dateFrom(isNew ? separate : kept, stopping.signal))
				return { date, age }
			} catch (error) {
				failure = error
				stopping.abort()
			}
		}
		throw failure
	}

	let next: Promise<TimeAnswer> | undefined
	return () => {
		next ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
			next = undefined
			return ask()
		})
		return next
	}
}

/** Measures with the clock of the machine, which may be corrected, and with a monotonic one, which a pause may stop. */
function stopwatch(clock: Clock): () => number {
	const began = { clock: clock.now(), monotonic: performance.now() }
	return () => Math.max(clock.now() - began.clock, performance.now() - began.monotonic)
}
