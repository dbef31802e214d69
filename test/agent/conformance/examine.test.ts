import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type ConformanceResult, examine } from '../../../agent/conformance/examine.ts'
import { questions } from '../../../agent/conformance/questions.ts'
import { type Lab, startLab } from '../../support/relay-stand-in/lab.ts'
import { scaledClock } from '../../support/relay-stand-in/scaled-clock.ts'

let lab: Lab
/** Half as fast as the lab's own: what a machine under load takes for a moment must not look like seconds. */
const clock = scaledClock(10)
vi.setConfig({ testTimeout: 90_000 })

beforeEach(async () => {
	lab = await startLab({ serviceClock: clock })
})
afterEach(() => lab.stop())

function asked({
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
	return examine(connection, { clock, isSlow, tell: () => undefined })
}

test('the stand-in is what agent and sender assume, in every question', async () => {
	const seen = await asked({ isSlow: true })
	expect(seen.filter(({ isAsAssumed }) => !isAsAssumed)).toEqual([])
	expect(seen.map(({ question }) => question)).toEqual(questions.map(({ name }) => name))
	const next = seen.find(({ question }) => question === 'the next request after one by rendezvous')
	expect(next?.seen).toBe('rendezvous, 200')
})

test('a service that is otherwise is told from it', async () => {
	Object.assign(lab.standIn.faults, { refusePatch: true, mangle: true, rendezvous: 'refuse' })
	const seen = await asked()
	const others = seen.filter(({ isAsAssumed }) => !isAsAssumed)
	expect(others.map(({ question, seen }) => [question, seen])).toEqual([
		['PATCH with a body', expect.stringMatching(/^405 Method Not Allowed, no Via$/)],
		['a small chunked body', expect.stringMatching(/^error: 403 Forbidden/)],
		['the way of a request by its size', expect.stringMatching(/^error: 403 Forbidden/)],
		['the next request after one by rendezvous', expect.stringMatching(/^error: 403 Forbidden/)],
		['an answer by rendezvous after the control channel was closed', expect.stringMatching(/^error: 403 Forbidden/)],
		['a listener that is lost with a large request', expect.stringMatching(/^error: 403 Forbidden/)],
	])
	expect(seen.length).toBe(questions.filter(({ isSlow }) => !isSlow).length)
})

test('where somebody else listens nothing is asked', async () => {
	await lab.agent()
	await expect(asked()).rejects.toThrow(/^something listens on demo already: 400/)
	expect(lab.standIn.journal.count('listening')).toBe(1)
})

test.each([
	[
		'an address that nothing answers at',
		{ namespace: 'localhost:1' },
		/^localhost:1 is not reached: lost: .*ECONNREFUSED/,
	],
	['a key that is wrong', { key: 'wrong' }, /^the key send may not send: 401 InvalidSignature/],
])('%s ends it at once', async (_, how, message) => {
	await expect(asked(how)).rejects.toThrow(message)
})
