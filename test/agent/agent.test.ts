import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pause } from '../../shared/relay/clock.ts'
import { clock, type Lab, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab

beforeEach(async () => {
	lab = await startLab()
})
afterEach(() => lab.stop())

const offline = () => lab.log.entries.filter(({ event }) => event === 'offline')

/** Starts an agent that requests tokens from Azure Arc at this address. */
async function askArc(address: string) {
	process.env.IDENTITY_ENDPOINT = address
	lab.start({ credentials: { type: 'arc' } })
	await lab.log.until('offline')
	Reflect.deleteProperty(process.env, 'IDENTITY_ENDPOINT')
}

test('if Azure Arc does not answer, the token is requested again soon', async () => {
	await askArc('http://127.0.0.1:1/')
	expect(offline()[0]).toMatchObject({ trouble: 'network', detail: expect.stringMatching(/ECONNREFUSED/) })
	expect(offline()[0]?.retryIn).toBeLessThan(1000)
})

test.each([
	[400, 'auth_failed'],
	[403, 'auth_failed'],
	[429, 'network'],
	[500, 'network'],
])('status %i of a token request means %s', async (status, trouble) => {
	const server = createServer((_, response) => response.writeHead(status).end('{"error":"x"}'))
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	await askArc(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`) // sound: it listens on TCP
	expect(offline()[0]).toMatchObject({ trouble })
	server.close()
})

test('a refusal after an outage is retried within half a minute', async () => {
	lab.standIn.faults.nextListens = [...Array(8).fill(500), 403]
	lab.start()
	await lab.log.until('offline', 9)
	expect(offline()[8]).toMatchObject({ trouble: 'auth_failed' })
	expect(offline()[8]?.retryIn).toBeLessThanOrEqual(30_000)
})

test('after two drops that follow a ping, the agent sends only pongs and logs that', async () => {
	await lab.agent()
	for (let drop = 1; drop <= 2; drop++) {
		await lab.standIn.journal.until('ping', drop)
		lab.standIn.drop(1011, 'Ping.')
		await lab.log.until('online', drop + 1)
	}
	expect(lab.log.count('pong_only')).toBe(1)
	const pings = lab.standIn.journal.count('ping')
	lab.standIn.drop(1011, 'InternalServerError: NameRenewalFailed.')
	await lab.log.until('online', 4)
	await pause(clock, 50_000)
	expect([lab.standIn.journal.count('ping'), lab.log.count('pong_only')]).toEqual([pings, 1])
})
