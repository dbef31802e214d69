import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab

beforeEach(async () => {
	lab = await startLab()
})
afterEach(() => lab.stop())

/** Makes the SCIM server hold its answers until the returned function is called. */
function holdAnswers() {
	const { answer } = lab.origin
	let release = () => {}
	const free = new Promise<void>((resolve) => {
		release = resolve
	})
	lab.origin.answer = (...exchange) => free.then(() => answer(...exchange))
	return release
}

/** Reloads the settings twice during a request, and loses its answer. */
async function reload(method: string) {
	const agents = [await lab.agent()]
	const release = holdAnswers()
	const sent = outcome(lab.sender()(request({ method, body: Buffer.from('{}') })))
	while (lab.origin.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))
	for (let times = 0; times < 2; times++) {
		const successor = await lab.agent()
		for (const agent of agents) void agent.retire(successor)
		agents.push(successor)
	}
	lab.standIn.faults.cutAnswerAt = 0
	await lab.standIn.journal.until('left')
	release()
	await lab.standIn.journal.until('answer')
	setImmediate(() => {
		lab.standIn.faults.cutAnswerAt = undefined
	})
	return sent
}

test.each(['POST', 'PATCH', 'PUT', 'DELETE'])(
	'after two reloads, the lost answer to a %s can be looked up',
	async (method) => {
		expect(await reload(method)).toMatchObject({ status: 200, body: { method } })
		expect(lab.origin.requests).toHaveLength(1)
	},
)
