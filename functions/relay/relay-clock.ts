import type { Clock } from '../../shared/relay/clock.ts'
import type { Exchange, ExchangeResult } from '../../shared/relay/exchange.ts'

/** The clock of the relay, as this machine knows it from `Date` headers. */
export type RelayClock = {
	/** The time of the relay in milliseconds since 1970, at most a second too early. Rejects if the relay does not answer. */
	now(limit: number): Promise<number>
	/** Learns from an answer of the relay. */
	note(received: ExchangeResult): void
}

/** Milliseconds after which the difference of the clocks is measured again. */
const validFor = 600_000

export function relayClockOf(exchange: Exchange, clock: Clock): RelayClock {
	let known: { readonly ahead: number; readonly until: number } | undefined
	const note = (received: ExchangeResult) => {
		const date = 'lost' in received ? Number.NaN : Date.parse(received.headers.date ?? '')
		const now = clock.now()
		if (!Number.isNaN(date)) known = { ahead: date - now, until: now + validFor }
	}
	const learn = async (limit: number) => {
		const received = await exchange({ method: 'GET', path: '/', headers: {}, body: undefined, limit })
		if ('lost' in received) throw new Error(received.lost)
		note(received)
	}
	return {
		note,
		now: async (limit) => {
			if (known === undefined || clock.now() > known.until) await learn(limit)
			if (known === undefined) throw new Error('the relay does not tell its time')
			return clock.now() + known.ahead
		},
	}
}
