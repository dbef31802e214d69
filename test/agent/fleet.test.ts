import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startAdmin } from '../../agent/admin.ts'
import { type AgentSettings, readSettings } from '../../agent/config.ts'
import { type Fleet, openFleet } from '../../agent/fleet.ts'
import { metricsOf } from '../../agent/metrics.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { certificate, clock, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json, type Origin, startOrigin } from '../support/relay-stand-in/origin.ts'

let lab: Lab
/** The SCIM server of `branch`. That of `hq` is the one of the lab. */
let branchOrigin: Origin
let fleet: Fleet
const metrics = () => metricsOf(lab.log.write)

beforeEach(async () => {
	lab = await startLab()
	branchOrigin = await startOrigin(certificate)
	lab.write('branch.token', 'branch-secret\n')
	fleet = openFleet({ clock, log: lab.log.write, random: () => 0.5 })
})
afterEach(async () => {
	await fleet.drain()
	await branchOrigin.stop()
	await lab.stop()
})

const hq = (more: object = {}) => {
	const { agentId: _, ...good } = settings(lab.standIn, lab.origin)
	return { name: 'hq', ...good, ...more }
}
const branch = (more: object = {}) => {
	const { relay, credentials, origin } = settings(lab.standIn, branchOrigin)
	return {
		name: 'branch',
		relay: { ...relay, hybridConnection: 'deep/name' },
		credentials,
		origin: { ...origin, authorization: { type: 'bearer', tokenFile: 'branch.token' } },
		...more,
	}
}
const read = (...servers: object[]): AgentSettings => readSettings(lab.write('relay.json', JSON.stringify({ servers })))

const start = async (...servers: object[]) => {
	const refusals = fleet.apply(read(...servers), { isForced: true })
	await Promise.all(fleet.servers().map(({ agent }) => agent?.online))
	return refusals
}
const toHq = (more = {}) => outcome(lab.sender()(request(more)))
const toBranch = (more = {}) => {
	const uri = 'http://localhost/deep/name'
	const token = async () => sasToken({ uri, keyName: 'send', key: 'sendkey', expires: clock.now() + 3_600_000 })
	return outcome(lab.sender({ hybridConnection: 'deep/name', token })(request(more)))
}
const eventsOf = (server: string) =>
	lab.log.entries.filter((entry) => entry.server === server).map(({ event }) => event)

const tokensAt = ({ requests }: Origin) => requests.map(({ headers }) => headers.authorization)

test('each server gets the requests of its own hybrid connection, with its own token and allow-list', async () => {
	expect(await start(hq(), branch({ allow: { Users: ['GET'] } }))).toEqual([])
	const post = { method: 'POST', body: Buffer.from('{}') }
	expect([await toHq(), await toHq(post)]).toMatchObject([{ status: 200 }, { status: 200 }])
	expect([await toBranch(), await toBranch(post)]).toMatchObject([{ status: 200 }, { status: 403 }])
	expect(tokensAt(lab.origin)).toEqual(['Bearer origin-secret', 'Bearer origin-secret'])
	expect(tokensAt(branchOrigin)).toEqual(['Bearer branch-secret'])
	expect(
		lab.log.entries.filter(({ event }) => event === 'request').map(({ server, status }) => [server, status]),
	).toEqual([
		['hq', 200],
		['hq', 200],
		['branch', 200],
		['branch', 403],
	])
})

test('servers may share an audit file, whose lines name them', async () => {
	const folder = join(lab.write('relay.json', '{}'), '..', 'audit')
	mkdirSync(folder)
	const audit = { file: join(folder, 'audit.log') }
	await start(hq({ audit }), branch({ audit }))
	await toHq()
	await toBranch()
	await fleet.drain()
	const lines = readFileSync(audit.file, 'utf8').trimEnd().split('\n')
	expect(lines.map((line) => JSON.parse(line).server)).toEqual(['hq', 'branch'])
})

describe('a fault of one server', () => {
	test('a missing token stops it alone, and it starts when the token is there', async () => {
		rmSync(lab.write('branch.token', ''))
		const refusals = await start(hq(), branch())
		expect(refusals).toMatchObject([
			{ server: 'branch', detail: expect.stringMatching(/^cannot read .*branch\.token/) },
		])
		expect(await toHq()).toMatchObject({ status: 200 })
		expect(await toBranch()).toMatchObject({ status: 503 })
		lab.write('branch.token', 'branch-secret\n')
		expect(fleet.apply(read(hq(), branch()), { isForced: false })).toEqual([])
		await lab.log.until('online', 2)
		expect(await toBranch()).toMatchObject({ status: 200 })
		expect(eventsOf('hq').filter((event) => event !== 'request')).toEqual(['online'])
	})

	test('a key that the relay refuses leaves the others alone', async () => {
		lab.write('wrong.key', 'wrong')
		const credentials = { type: 'sas', keyName: 'listen', keyFile: 'wrong.key' }
		fleet.apply(read(hq(), branch({ credentials })), { isForced: true })
		await Promise.all([lab.log.until('online'), lab.log.until('offline')])
		expect(await toHq()).toMatchObject({ status: 200 })
		expect(await toBranch()).toMatchObject({ status: 503 })
		expect(eventsOf('branch')).toEqual(['offline'])
	})

	test('an unusable file at a reload keeps its earlier agent, and the others change over', async () => {
		await start(hq(), branch())
		lab.write('branch.token', 'two words\n')
		lab.write('origin.token', 'new-secret\n')
		const refusals = fleet.apply(read(hq(), branch()), { isForced: false })
		expect(refusals).toMatchObject([
			{ server: 'branch', detail: expect.stringMatching(/contains more than a token/), hint: expect.any(String) },
		])
		await lab.log.until('online', 3)
		expect([await toHq(), await toBranch()]).toMatchObject([{ status: 200 }, { status: 200 }])
		expect(tokensAt(lab.origin)).toEqual(['Bearer new-secret'])
		expect(tokensAt(branchOrigin)).toEqual(['Bearer branch-secret'])
		lab.write('branch.token', 'branch-secret\n')
		expect(fleet.apply(read(hq(), branch()), { isForced: false })).toEqual([])
		expect(fleet.servers().map(({ refusal }) => refusal)).toEqual([undefined, undefined])
		expect(eventsOf('branch')).toEqual(['online', 'request'])
	})
})

describe('a reload', () => {
	test('without a change touches no agent, unless it is forced', async () => {
		await start(hq(), branch())
		fleet.apply(read(hq(), branch()), { isForced: false })
		expect(lab.log.count('config_reloaded')).toBe(0)
		fleet.apply(read(hq(), branch()), { isForced: true })
		expect(lab.log.count('config_reloaded')).toBe(2)
		await lab.log.until('online', 4)
	})

	test('with a new token lets requests in progress finish with the old one', async () => {
		await start(hq(), branch())
		const { answer } = lab.origin
		const held = new Promise<() => void>((resolve) => {
			lab.origin.answer = (_, response) => resolve(() => json(response, 201, {}))
		})
		const sent = toHq({ method: 'POST', body: Buffer.from('{}') })
		const answerNow = await held
		lab.origin.answer = answer
		lab.write('origin.token', 'new-secret\n')
		fleet.apply(read(hq(), branch()), { isForced: false })
		await lab.log.until('online', 3)
		expect(await toHq()).toMatchObject({ status: 200 })
		answerNow()
		expect(await sent).toMatchObject({ status: 201 })
		expect(tokensAt(lab.origin)).toEqual(['Bearer origin-secret', 'Bearer new-secret'])
		expect(eventsOf('branch')).toEqual(['online'])
	})

	test('stops a server that is no longer named, and leaves the other', async () => {
		await start(hq(), branch())
		fleet.apply(read(hq()), { isForced: false })
		await lab.standIn.journal.until('left')
		expect(fleet.servers().map(({ config }) => config.name)).toEqual(['hq'])
		expect(lab.log.entries.filter(({ event }) => event === 'server_removed')).toEqual([
			{ event: 'server_removed', server: 'branch', hybridConnection: 'deep/name' },
		])
		expect([await toHq(), await toBranch()]).toMatchObject([{ status: 200 }, { status: 503 }])
	})

	test('with another name changes over without a gap, also from the settings of one server', async () => {
		const { name: _, ...single } = hq()
		fleet.apply(readSettings(lab.write('relay.json', JSON.stringify(single))), { isForced: true })
		await lab.log.until('online')
		fleet.apply(read(hq({ name: 'main' }), branch()), { isForced: false })
		await lab.log.until('online', 3)
		expect(lab.log.count('server_removed')).toBe(0)
		expect([await toHq(), await toBranch()]).toMatchObject([{ status: 200 }, { status: 200 }])
	})
})

describe('the admin port', () => {
	const ask = async (path: string) => {
		const admin = await startAdmin(0, {
			servers: fleet.servers,
			reload: async () => [],
			metrics: counted,
			version: '1.2.3',
		})
		const response = await fetch(`http://127.0.0.1:${admin.port}${path}`)
		const text = await response.text()
		await admin.close()
		return { status: response.status, text }
	}
	let counted = metricsOf(() => undefined)
	beforeEach(() => {
		counted = metrics()
		fleet = openFleet({ clock, log: counted.log, random: () => 0.5 })
	})

	test('is ready when all servers are, and names each', async () => {
		await start(hq(), branch())
		const answer = await ask('/ready')
		expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
			200,
			{
				state: 'online',
				servers: [
					{ server: 'hq', state: 'online', hybridConnection: 'demo', origin: { status: 200 } },
					{ server: 'branch', state: 'online', hybridConnection: 'deep/name', origin: { status: 200 } },
				],
			},
		])
	})

	test('is not ready while the SCIM server of one is away', async () => {
		await start(hq(), branch())
		await branchOrigin.stop()
		const answer = await ask('/ready')
		expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
			503,
			{ state: 'degraded', servers: [{ state: 'online' }, { state: 'degraded', origin: { fault: 'origin_refused' } }] },
		])
	})

	test('is not ready while one server fails, and tells which', async () => {
		rmSync(lab.write('branch.token', ''))
		await start(hq(), branch())
		const all = await ask('/ready')
		expect([all.status, JSON.parse(all.text)]).toMatchObject([
			503,
			{
				state: 'failed',
				servers: [
					{ server: 'hq', state: 'online' },
					{ server: 'branch', state: 'failed' },
				],
			},
		])
		expect(await ask('/ready?server=hq')).toMatchObject({ status: 200 })
		const one = await ask('/status?server=branch')
		expect([one.status, JSON.parse(one.text)]).toMatchObject([
			200,
			{
				version: '1.2.3',
				server: 'branch',
				state: 'failed',
				hybridConnection: 'deep/name',
				channels: 0,
				trouble: { kind: 'settings', detail: expect.stringMatching(/^cannot read/) },
			},
		])
		const unknown = await ask('/ready?server=sales')
		expect([unknown.status, JSON.parse(unknown.text)]).toEqual([
			404,
			{ detail: 'no server has this name; the servers are: hq, branch' },
		])
	})

	test('tells that newer settings are not in use', async () => {
		await start(hq(), branch())
		lab.write('branch.token', '')
		fleet.apply(read(hq(), branch()), { isForced: false })
		const { text } = await ask('/status?server=branch')
		expect(JSON.parse(text)).toMatchObject({
			state: 'online',
			refused: expect.stringMatching(/branch\.token is empty$/),
		})
	})

	test('has a label for each server in its metrics', async () => {
		await start(hq(), branch())
		await toHq()
		await toBranch()
		const { text } = await ask('/metrics')
		for (const line of [
			'rollcall_relay_online{server="hq"} 1',
			'rollcall_relay_channels{server="branch"} 1',
			'rollcall_relay_requests_total{server="hq",method="GET",status="200",outcome="completed",way="control"} 1',
			'rollcall_relay_events_total{server="branch",event="online"} 1',
			'rollcall_relay_request_duration_seconds_bucket{server="hq",le="+Inf"} 1',
			'rollcall_relay_request_duration_seconds_count{server="branch"} 1',
		])
			expect(text.split('\n')).toContain(line)
	})
})
