import type { Log } from './log.ts'
import { methods } from './method.ts'

export type Metrics = {
	/** Counts an event and writes it to the log. */
	readonly log: Log
	/** All counters and the given gauges in the text format of Prometheus. */
	text(gauges: Readonly<Record<string, Gauge>>): string
}

export type Gauge = { readonly help: string; readonly value: number }

const prefix = 'rollcall_relay_'
const bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50]

/** Counts every event of the log. */
export function metricsOf(log: Log): Metrics {
	const requests = new Map<string, number>()
	const events = new Map<string, number>()
	const durations = bounds.map(() => 0)
	let sum = 0
	let count = 0

	function request({ method, status, outcome, error, way, milliseconds }: Readonly<Record<string, unknown>>): void {
		// A sender can invent methods. A label for each would exhaust the memory of the metrics collector.
		const name = methods.has(String(method)) ? method : 'other'
		increment(requests, labels({ method: name, status, outcome, way, ...(error !== undefined && { error }) }))
		const seconds = Number(milliseconds) / 1000
		sum += seconds
		count++
		for (const [index, bound] of bounds.entries()) if (seconds <= bound) durations[index] = (durations[index] ?? 0) + 1
	}

	return {
		log: (event, details = {}) => {
			if (event === 'request') request(details)
			else increment(events, labels({ event }))
			log(event, details)
		},
		text: (gauges) =>
			[
				...Object.entries(gauges).flatMap(([name, { help, value }]) => family(name, 'gauge', help, [['', value]])),
				...family('requests_total', 'counter', 'Answered requests.', [...requests]),
				...family('events_total', 'counter', 'Log events other than requests.', [...events]),
				...family('request_duration_seconds', 'histogram', 'Time from the arrival of a request to its answer.', []),
				...bounds.map((bound, index) => `${prefix}request_duration_seconds_bucket{le="${bound}"} ${durations[index]}`),
				`${prefix}request_duration_seconds_bucket{le="+Inf"} ${count}`,
				`${prefix}request_duration_seconds_sum ${sum}`,
				`${prefix}request_duration_seconds_count ${count}`,
				'',
			].join('\n'),
	}
}

const increment = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)

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
