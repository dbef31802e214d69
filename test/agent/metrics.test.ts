import { expect, test } from 'vitest'
import { metricsOf } from '../../agent/metrics.ts'

const logged: string[] = []
const counted = () => metricsOf((event) => logged.push(event))

test('events are counted, and requests by their outcome', () => {
	const { log, text } = counted()
	const request = { method: 'GET', status: 200, outcome: 'completed', way: 'control', milliseconds: 30 }
	log('online')
	log('request', request)
	log('request', { ...request, milliseconds: 60_000 })
	log('request', { ...request, method: 'BREW "x"', status: 405, outcome: 'not-sent', error: 'method_refused' })
	expect(text({ online: { help: 'Whether the agent listens.', samples: [{ value: 1 }] } })).toBe(`\
# HELP rollcall_relay_online Whether the agent listens.
# TYPE rollcall_relay_online gauge
rollcall_relay_online 1
# HELP rollcall_relay_requests_total Answered requests.
# TYPE rollcall_relay_requests_total counter
rollcall_relay_requests_total{method="GET",status="200",outcome="completed",way="control"} 2
rollcall_relay_requests_total{method="other",status="405",outcome="not-sent",way="control",error="method_refused"} 1
# HELP rollcall_relay_events_total Log events other than requests.
# TYPE rollcall_relay_events_total counter
rollcall_relay_events_total{event="online"} 1
# HELP rollcall_relay_request_duration_seconds Time from the arrival of a request to its answer.
# TYPE rollcall_relay_request_duration_seconds histogram
rollcall_relay_request_duration_seconds_bucket{le="0.01"} 0
rollcall_relay_request_duration_seconds_bucket{le="0.025"} 0
rollcall_relay_request_duration_seconds_bucket{le="0.05"} 2
rollcall_relay_request_duration_seconds_bucket{le="0.1"} 2
rollcall_relay_request_duration_seconds_bucket{le="0.25"} 2
rollcall_relay_request_duration_seconds_bucket{le="0.5"} 2
rollcall_relay_request_duration_seconds_bucket{le="1"} 2
rollcall_relay_request_duration_seconds_bucket{le="2.5"} 2
rollcall_relay_request_duration_seconds_bucket{le="5"} 2
rollcall_relay_request_duration_seconds_bucket{le="10"} 2
rollcall_relay_request_duration_seconds_bucket{le="25"} 2
rollcall_relay_request_duration_seconds_bucket{le="50"} 2
rollcall_relay_request_duration_seconds_bucket{le="+Inf"} 3
rollcall_relay_request_duration_seconds_sum 60.06
rollcall_relay_request_duration_seconds_count 3
`)
	expect(logged).toEqual(['online', 'request', 'request', 'request'])
})
