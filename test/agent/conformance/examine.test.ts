import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type ConformanceResult, examine } from '../../../agent/conformance/examine.ts'
import { questions } from '../../../agent/conformance/questions.ts'
import { type Lab, startLab } from '../../support/relay-stand-in/lab.ts'
import { scaledClock } from '../../support/relay-stand-in/scaled-clock.ts'

let lab: Lab
/** Half as fast as the clock of the lab, so that a short delay of a busy machine does not look like seconds. */
const clock = scaledClock(10)
vi.setConfig({ testTimeout: 90_000 })

beforeEach(async () => {
	lab = await startLab({ serviceClock: clock })
})
afterEach(() => lab.stop())

function results({
	isSlow = false,
	key = 'sendkey',
	namespace = lab.standIn.host,
} = {}): Promise<readonly ConformanceResult[]> {
	const connection = {
		namespace,
		hybridConnection: 'demo',
		listen: { name: 'listen', key: 'listenkey' },
		send: { name: 'send', key },
		ca: lab.ca,
	}
	return examine(connection, { clock, isSlow, onResult: () => undefined })
}

test('the stand-in gives the assumed answer to every question', async () => {
	const seen = await results({ isSlow: true })
	expect(seen.filter(({ isAsAssumed }) => !isAsAssumed)).toEqual([])
	expect(seen.map(({ question }) => question)).toEqual(questions.map(({ name }) => name))
	const next = seen.find(({ question }) => question === 'the next request after a rendezvous')
	expect(next?.seen).toBe('rendezvous, 200')
})

test('differences of a service are reported', async () => {
	Object.assign(lab.standIn.faults, { refusePatch: true, mangle: true, rendezvous: 'refuse' })
	const seen = await results()
	const differences = seen.filter(({ isAsAssumed }) => !isAsAssumed)
	expect(differences.map(({ question, seen }) => [question, seen])).toEqual([
		['PATCH with a body', expect.stringMatching(/^405 Method Not Allowed, no Via$/)],
		['a small chunked body', expect.stringMatching(/^error: 403 Forbidden/)],
		['the channel of a request by its size', expect.stringMatching(/^error: 403 Forbidden/)],
		['the next request after a rendezvous', expect.stringMatching(/^error: 403 Forbidden/)],
		['an answer by rendezvous after the control channel has closed', expect.stringMatching(/^error: 403 Forbidden/)],
		['a listener that disconnects with a large request', expect.stringMatching(/^error: 403 Forbidden/)],
	])
	expect(seen.length).toBe(questions.filter(({ isSlow }) => !isSlow).length)
})

test('no question is asked if another listener is connected', async () => {
	await lab.agent()
	await expect(results()).rejects.toThrow(/^demo already has a listener: 400/)
	expect(lab.standIn.journal.count('listening')).toBe(1)
})

test.each([
	['an unreachable namespace', { namespace: 'localhost:1' }, /^cannot reach localhost:1: lost: .*ECONNREFUSED/],
	['a wrong key', { key: 'wrong' }, /^the key send has no right to send: 401 InvalidSignature/],
])('%s stops the examination', async (_, options, message) => {
	await expect(results(options)).rejects.toThrow(message)
})
