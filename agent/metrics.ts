import type { Log } from './log.ts'
import { methods } from './method.ts'

export type Metrics = {
	/** Counts an event and writes it to the log. */
	readonly log: Log
	/** All counters and the given gauges in the text format of Prometheus. */
	text(gauges: Readonly<Record<string, Gauge>>): string
}

export type Gauge = { readonly help: string; readonly samples: readonly GaugeSample[] }

/** The value for one server, whose name is a label if it has one. */
type GaugeSample = { readonly server?: string | undefined; readonly value: number }

type Histogram = { readonly counts: number[]; sum: number; count: number }

const prefix = 'rollcall_relay_'
const bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50]

/** Counts every event of the log. */
export function metricsOf(log: Log): Metrics {
	const requests = new Map<string, number>()
	const events = new Map<string, number>()
	/** By the label of the server. */
	const durations = new Map<string, Histogram>()

	function request({ server, method, status, outcome, error, way, milliseconds }: Readonly<Record<string, unknown>>) {
		// A sender can invent methods. A label for each would exhaust the memory of the metrics collector.
		const name = methods.has(String(method)) ? method : 'other'
		const result = { method: name, status, outcome, way, ...(error !== undefined && { error }) }
		increment(requests, labels({ ...label(server), ...result }))
		const key = list(label(server))
		const histogram = durations.get(key) ?? emptyHistogram()
		durations.set(key, histogram)
		observe(histogram, Number(milliseconds) / 1000)
	}

	return {
		log: (event, details = {}) => {
			if (event === 'request') request(details)
			else increment(events, labels({ ...label(details.server), event }))
			log(event, details)
		},
		text: (gauges) =>
			[
				...Object.entries(gauges).flatMap(([name, { help, samples }]) =>
					family(name, 'gauge', help, samples.map(sampleOf)),
				),
				...family('requests_total', 'counter', 'Answered requests.', [...requests]),
				...family('events_total', 'counter', 'Log events other than requests.', [...events]),
				...family('request_duration_seconds', 'histogram', 'Time from the arrival of a request to its answer.', []),
				...(durations.size === 0 ? [['', emptyHistogram()] as const] : [...durations]).flatMap(histogramLines),
				'',
			].join('\n'),
	}
}

const emptyHistogram = (): Histogram => ({ counts: bounds.map(() => 0), sum: 0, count: 0 })

function observe(histogram: Histogram, seconds: number): void {
	histogram.sum += seconds
	histogram.count++
	for (const [index, bound] of bounds.entries())
		if (seconds <= bound) histogram.counts[index] = (histogram.counts[index] ?? 0) + 1
}

function histogramLines([server, { counts, sum, count }]: readonly [string, Histogram]): readonly string[] {
	const name = `${prefix}request_duration_seconds`
	const first = server === '' ? '' : `${server},`
	const own = server === '' ? '' : `{${server}}`
	return [
		...bounds.map((bound, index) => `${name}_bucket{${first}le="${bound}"} ${counts[index]}`),
		`${name}_bucket{${first}le="+Inf"} ${count}`,
		`${name}_sum${own} ${sum}`,
		`${name}_count${own} ${count}`,
	]
}

const sampleOf = ({ server, value }: GaugeSample): readonly [string, number] => [
	server === undefined ? '' : labels(label(server)),
	value,
]

const label = (server: unknown) => (server === undefined ? {} : { server })

const increment = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)

const labels = (values: Readonly<Record<string, unknown>>): string => `{${list(values)}}`

const list = (values: Readonly<Record<string, unknown>>): string =>
	Object.entries(values)
		.map(([name, value]) => `${name}="${String(value).replaceAll(/["\\\n]/g, '_')}"`)
		.join(',')

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
