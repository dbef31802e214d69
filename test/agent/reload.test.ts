import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab

beforeEach(async () => {
	lab = await startLab()
})
afterEach(() => lab.stop())

/** The SCIM server waits to answer until it is let go. */
function held() {
	const { answer } = lab.origin
	let letGo = () => {}
	const free = new Promise<void>((resolve) => {
		letGo = resolve
	})
	lab.origin.answer = (...exchange) => free.then(() => answer(...exchange))
	return letGo
}

/** Reads the settings again while a request is under way, twice, and loses its answer. */
async function reload(method: string) {
	const agents = [await lab.agent()]
	const letGo = held()
	const sent = outcome(lab.sender()(request({ method, body: Buffer.from('{}') })))
	while (lab.origin.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))
	for (let times = 0; times < 2; times++) {
		const successor = await lab.agent()
		for (const agent of agents) void agent.retire(successor)
		agents.push(successor)
	}
	lab.standIn.faults.cutAnswerAt = 0
	await lab.standIn.journal.until('left')
	letGo()
	await lab.standIn.journal.until('answer')
	setImmediate(() => {
		lab.standIn.faults.cutAnswerAt = undefined
	})
	return sent
}

test.each(['POST', 'PATCH', 'PUT', 'DELETE'])(
	'the answer to a %s that is lost after the settings were read again is still known',
	async (method) => {
		expect(await reload(method)).toMatchObject({ status: 200, body: { method } })
		expect(lab.origin.requests).toHaveLength(1)
	},
)
