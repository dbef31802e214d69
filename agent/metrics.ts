import { methods } from './dispatch.ts'
import type { Log } from './log.ts'

export type Metrics = {
	/** Counts an event and hands it on to the log. */
	readonly log: Log
	/** Everything that was counted, and `gauges` by their names, in the text format of Prometheus. */
	text(gauges: Readonly<Record<string, Gauge>>): string
}

export type Gauge = { readonly help: string; readonly value: number }

const prefix = 'rollcall_relay_'
const bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50]

/** Counts what is logged: whatever is worth a line is worth a number. */
export function metricsOf(log: Log): Metrics {
	const requests = new Map<string, number>()
	const events = new Map<string, number>()
	const durations = bounds.map(() => 0)
	let sum = 0
	let count = 0

	function request({ method, status, outcome, error, way, milliseconds }: Readonly<Record<string, unknown>>): void {
		// A sender may call a method what it likes; a name for each would fill the memory of whoever collects them.
		const name = methods.has(String(method)) ? method : 'other'
		increase(requests, labels({ method: name, status, outcome, way, ...(error !== undefined && { error }) }))
		const seconds = Number(milliseconds) / 1000
		sum += seconds
		count++
		for (const [at, bound] of bounds.entries()) if (seconds <= bound) durations[at] = (durations[at] ?? 0) + 1
	}

	return {
		log: (event, details = {}) => {
			if (event === 'request') request(details)
			else increase(events, labels({ event }))
			log(event, details)
		},
		text: (gauges) =>
			[
				...Object.entries(gauges).flatMap(([name, { help, value }]) => family(name, 'gauge', help, [['', value]])),
				...family('requests_total', 'counter', 'Requests that were answered.', [...requests]),
				...family('events_total', 'counter', 'Events in the log, other than requests.', [...events]),
				...family('request_duration_seconds', 'histogram', 'From the arrival of a request to its answer.', []),
				...bounds.map((bound, at) => `${prefix}request_duration_seconds_bucket{le="${bound}"} ${durations[at]}`),
				`${prefix}request_duration_seconds_bucket{le="+Inf"} ${count}`,
				`${prefix}request_duration_seconds_sum ${sum}`,
				`${prefix}request_duration_seconds_count ${count}`,
				'',
			].join('\n'),
	}
}

const increase = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)

const labels = (values: Readonly<Record<string, unknown>>): string =>
	`{${Object.entries(values)
		.map(([name, value]) => `${name}="${String(value).replaceAll(/["\\\n]/g, '_')}"`)
		.join(',')}}`

function family(
	name: string,
	type: string,
	help: string,
	samples: readonly (readonly [string, number])[],
): readonly string[] {
	return [
		`# HELP ${prefix}${name} ${help}`,
		`# TYPE ${prefix}${name} ${type}`,
		...samples.map(([key, value]) => `${prefix}${name}${key} ${value}`),
	]
}
