import { randomUUID } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { parseAgents } from '../../../shared/relay/agent-list.ts'
import { codeLife, keyFingerprint, listenTokenLife } from '../../../shared/relay/enrolment.ts'
import { type EnrolmentHost, newAgent, relayResource, useEnrolmentHost } from '../../support/enrolment.ts'
import { verify } from '../../support/relay-stand-in/tokens.ts'

const newHost = useEnrolmentHost()
const minute = 60_000
const hour = 60 * minute

/** A host with an enrolled agent. */
async function withAgent() {
	const host = await newHost()
	const agent = newAgent(host.name, host.clock.now)
	const code = await host.add()
	const { status } = await host.post('agent/enrol', agent.enrol(code))
	expect(status).toBe(200)
	return { host, agent, id: code.agent, code }
}

/** Whether Azure Relay lets a listener in with a token, at the time of the host. */
const verdictOf = ({ name, clock, keys }: EnrolmentHost, token: string) => {
	const host = 'contoso.servicebus.windows.net'
	const check = { token, right: 'listen', entity: name, host, now: clock.now() } as const
	const verdicts = [keys.primaryKey, keys.secondaryKey].map((key) =>
		verify({ ...check, rules: { 'rollcall-agents': { key, rights: ['listen'] } } }),
	)
	return verdicts.find((verdict) => 'expires' in verdict) ?? verdicts[0]
}

const refused = { error: 'enrolment_refused', error_description: 'the code is not one of this tenant' }

describe('an agent with a code', () => {
	test('enrols its key, and learns where to listen', async () => {
		const host = await newHost()
		const agent = newAgent(host.name, host.clock.now)
		const code = await host.add()
		const { status, headers, body } = await host.post('agent/enrol', agent.enrol(code))
		expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
			200,
			'application/json',
			'no-store',
		])
		expect(body).toEqual({
			v: 1,
			agent: code.agent,
			relay: { namespace: 'contoso.servicebus.windows.net', hybridConnection: host.name },
			fingerprint: keyFingerprint(agent.publicKey),
		})
		expect(parseAgents(await host.stored()).agents).toEqual([
			{
				id: code.agent,
				created: '2026-01-01T00:00:00.000Z',
				usedCode: expect.stringMatching(/^[\w-]{43}$/),
				publicKey: agent.publicKey,
				host: 'dc01',
				version: '0.2.0',
				enrolled: '2026-01-01T00:00:00.000Z',
			},
		])
		expect(await host.stored()).not.toContain(code.secret)
		expect(host.events.at(-1)).toMatchObject({ status: 200, tenant: host.name, path: '/agent/enrol' })
	})

	test('whose answer was lost gets the same answer again, with the same key alone', async () => {
		const { host, agent, code } = await withAgent()
		const stored = await host.stored()
		const again = await host.post('agent/enrol', agent.enrol(code))
		expect([again.status, again.body.fingerprint]).toEqual([200, keyFingerprint(agent.publicKey)])
		host.clock.pass(codeLife + minute)
		expect((await host.post('agent/enrol', agent.enrol(code))).status).toBe(200)
		const other = await host.post('agent/enrol', newAgent(host.name, host.clock.now).enrol(code))
		expect([other.status, other.body.error]).toEqual([403, 'code_used'])
		expect(await host.stored()).toBe(stored)
	})

	test('is one of two machines that come at once: exactly one gets in, also through two processes', async () => {
		const host = await newHost()
		const beside = await newHost({ beside: host })
		for (let round = 0; round < 5; round++) {
			const code = await host.add()
			const machines = [host, beside, host, beside].map((process) => ({
				process,
				agent: newAgent(host.name, host.clock.now),
			}))
			const answers = await Promise.all(
				machines.map(({ process, agent }) => process.post('agent/enrol', agent.enrol(code))),
			)
			expect(answers.map(({ status }) => status).sort()).toEqual([200, 403, 403, 403])
			const winner = machines[answers.findIndex(({ status }) => status === 200)]
			const stored = parseAgents(await host.stored()).agents.find(({ id }) => id === code.agent)
			expect(stored?.publicKey).toEqual(winner?.agent.publicKey)
		}
	})

	test('has half an hour', async () => {
		const host = await newHost()
		const agent = newAgent(host.name, host.clock.now)
		const [early, late] = [await host.add(), await host.add()]
		host.clock.pass(codeLife - 1)
		expect((await host.post('agent/enrol', agent.enrol(early))).status).toBe(200)
		host.clock.pass(1)
		const { status, body } = await host.post('agent/enrol', agent.enrol(late))
		expect([status, body]).toEqual([
			403,
			{
				error: 'code_expired',
				error_description: 'the code has expired: ask for another one with rollcall agent add',
			},
		])
	})

	test('of another tenant is refused like a stranger', async () => {
		const [host, other] = [await newHost(), await newHost()]
		const code = await other.add()
		const agent = newAgent(host.name, host.clock.now)
		expect(await host.post('agent/enrol', agent.enrol(code))).toMatchObject({ status: 401, body: refused })
		// A proof for one tenant proves nothing in another.
		expect(await other.post('agent/enrol', agent.enrol(code))).toMatchObject({ status: 401, body: refused })
		expect((await other.post('agent/enrol', newAgent(other.name, host.clock.now).enrol(code))).status).toBe(200)
	})

	test('that is guessed many times still works at once, and guesses are slowed down', async () => {
		const host = await newHost()
		const agent = newAgent(host.name, host.clock.now)
		const code = await host.add()
		const guess = () => host.post('agent/enrol', agent.enrol({ ...code, secret: 'g'.repeat(43) }))
		for (let count = 0; count < 10; count++) expect((await guess()).status).toBe(401)
		const slow = guess()
		expect(await host.clock.advanceUntil(slow)).toBe(1000)
		expect(await slow).toMatchObject({ status: 401, body: refused })
		const waiting = guess()
		expect((await host.post('agent/enrol', agent.enrol(code))).status).toBe(200)
		await host.clock.advanceUntil(waiting)
	})

	test('is refused with a key that does not belong to its proof, and the code still works', async () => {
		const host = await newHost()
		const agent = newAgent(host.name, host.clock.now)
		const code = await host.add()
		const { publicKey } = newAgent(host.name, host.clock.now)
		const wrong = { ...agent.enrol(code), publicKey }
		expect(await host.post('agent/enrol', wrong)).toMatchObject({ status: 401, body: refused })
		expect((await host.post('agent/enrol', agent.enrol(code))).status).toBe(200)
	})

	test('and a wrong clock is told the time, and the code still works', async () => {
		const host = await newHost()
		const agent = newAgent(host.name, host.clock.now)
		const code = await host.add()
		const issued = Math.floor(host.clock.now() / 1000)
		const { status, body } = await host.post('agent/enrol', agent.enrol(code, { issued: issued - 301 }))
		expect([status, body]).toEqual([
			401,
			{
				error: 'clock_wrong',
				error_description: 'the clock of the machine and that of the cloud differ by more than five minutes',
				time: issued,
			},
		])
		expect((await host.post('agent/enrol', agent.enrol(code, { issued: issued + 300 }))).status).toBe(200)
	})

	test('is the eleventh and is refused, until another one is removed', async () => {
		const host = await newHost()
		const enrolled: string[] = []
		for (let count = 0; count < 9; count++) {
			const code = await host.add()
			await host.post('agent/enrol', newAgent(host.name, host.clock.now).enrol(code))
			enrolled.push(code.agent)
		}
		// Two codes for the last place: the second one is there because the first had expired.
		const early = await host.add()
		host.clock.pass(codeLife)
		const late = await host.add()
		const again = await host.addCode(early.agent)
		const [first, second] = [newAgent(host.name, host.clock.now), newAgent(host.name, host.clock.now)]
		expect((await host.post('agent/enrol', first.enrol(late))).status).toBe(200)
		expect(await host.post('agent/enrol', second.enrol(again))).toMatchObject({
			status: 409,
			body: {
				error: 'too_many_agents',
				error_description:
					'the tenant has 10 enrolled agents, and a hybrid connection takes no more. Remove one with rollcall agent remove',
			},
		})
		await expect(host.add()).rejects.toThrow('ten agents')
		await host.remove(enrolled[0] ?? '')
		expect((await host.post('agent/enrol', second.enrol(again))).status).toBe(200)
	})
})

describe('an enrolled agent', () => {
	test('gets a token that Azure Relay accepts for 90 minutes, on its hybrid connection alone', async () => {
		const { host, agent, id } = await withAgent()
		const { status, body } = await host.post('agent/token', agent.listen(id))
		expect([status, body]).toEqual([
			200,
			{
				v: 1,
				token: expect.stringMatching(/^SharedAccessSignature .*skn=rollcall-agents$/),
				expiresIn: listenTokenLife / 1000,
				rollcall: { version: 'not built', newestAgent: '0.2.0' },
			},
		])
		expect(verdictOf(host, body.token)).toEqual({ expires: host.clock.now() + listenTokenLife })
		expect(verdictOf({ ...host, name: 'other' }, body.token)).toMatchObject({ status: 401 })
		expect(host.keys.asked).toEqual([
			`POST ${relayResource}/hybridConnections/${host.name}/authorizationRules/rollcall-agents/listKeys?api-version=2024-01-01 Bearer token-for-management`,
		])
	})

	test('gets no token after its removal, and is told so; a copy of the id alone gets nothing', async () => {
		const { host, agent, id } = await withAgent()
		await host.remove(id)
		expect(await host.post('agent/token', agent.listen(id))).toMatchObject({
			status: 403,
			body: { error: 'agent_removed', error_description: 'an administrator has removed this agent' },
		})
		const stranger = newAgent(host.name, host.clock.now)
		const asked = await host.post('agent/token', stranger.listen(id))
		expect([asked.status, asked.body.error]).toEqual([401, 'agent_refused'])
	})

	test('gets tokens of the new key as soon as the key of Azure Relay is rotated, and the older token still works', async () => {
		const { host, agent, id } = await withAgent()
		const { body: before } = await host.post('agent/token', agent.listen(id))
		await host.rotate('secondary-2')
		const { body: after } = await host.post('agent/token', agent.listen(id))
		expect(verdictOf(host, after.token)).toEqual({ expires: host.clock.now() + listenTokenLife })
		expect(verdictOf(host, before.token)).toEqual({ expires: host.clock.now() + listenTokenLife })
		host.clock.pass(minute)
		await host.rotate('primary-2')
		expect(verdictOf(host, before.token)).toMatchObject({ status: 401 })
		expect(verdictOf(host, after.token)).toMatchObject({ expires: expect.any(Number) })
		const { body: last } = await host.post('agent/token', agent.listen(id))
		expect(verdictOf(host, last.token)).toMatchObject({ expires: expect.any(Number) })
	})

	test('that Azure Relay has refused gets a token of a key that was renewed elsewhere', async () => {
		const { host, agent, id } = await withAgent()
		await host.post('agent/token', agent.listen(id))
		host.keys.primaryKey = 'primary-of-the-portal'
		host.clock.pass(10_000)
		const { body: stale } = await host.post('agent/token', agent.listen(id))
		expect(verdictOf(host, stale.token)).toMatchObject({ status: 401 })
		const { body: fresh } = await host.post('agent/token', agent.listen(id, { isRefused: true }))
		expect(verdictOf(host, fresh.token)).toMatchObject({ expires: expect.any(Number) })
	})

	test('changes its key by another code, and the old key gets nothing', async () => {
		const { host, agent, id } = await withAgent()
		const code = await host.addCode(id)
		expect((await host.post('agent/token', agent.listen(id))).status).toBe(200)
		const next = newAgent(host.name, host.clock.now)
		expect((await host.post('agent/enrol', next.enrol(code))).status).toBe(200)
		expect((await host.post('agent/token', agent.listen(id))).body.error).toBe('agent_refused')
		expect((await host.post('agent/token', next.listen(id))).status).toBe(200)
	})

	test('gets tokens while Azure Resource Manager is away, and 503 if the keys were never read', async () => {
		const { host, agent, id } = await withAgent()
		host.keys.status = 500
		const early = await host.post('agent/token', agent.listen(id))
		expect([early.status, early.body.error, early.headers.get('retry-after')]).toEqual([503, 'try_again', '2'])
		host.keys.status = 200
		host.clock.pass(2000)
		expect((await host.post('agent/token', agent.listen(id))).status).toBe(200)
		host.keys.status = 500
		host.clock.pass(23 * hour)
		const { status, body } = await host.post('agent/token', agent.listen(id))
		expect([status, verdictOf(host, body.token)]).toEqual([200, { expires: host.clock.now() + listenTokenLife }])
	})

	test('says which version it runs, and learns the newest one of the tenant', async () => {
		const { host, agent, id } = await withAgent()
		const older = newAgent(host.name, host.clock.now)
		const code = await host.add()
		await host.post('agent/enrol', older.enrol(code, { version: '0.9.0' }))
		await host.post('agent/token', agent.listen(id, { version: '0.10.0' }))
		const { body } = await host.post('agent/token', older.listen(code.agent, { version: '0.9.0' }))
		expect(body.rollcall.newestAgent).toBe('0.10.0')
		expect(parseAgents(await host.stored()).agents.map(({ version }) => version)).toEqual(['0.10.0', '0.9.0'])
	})

	test('with a proof that is too old or too new is told the time', async () => {
		const { host, agent, id } = await withAgent()
		const issued = Math.floor(host.clock.now() / 1000)
		for (const wrong of [issued - 301, issued + 301]) {
			const { status, body } = await host.post('agent/token', agent.listen(id, { issued: wrong }))
			expect([status, body.error, body.time]).toEqual([401, 'clock_wrong', issued])
		}
	})
})

describe('a stranger', () => {
	test.each(['agent/enrol', 'agent/token'] as const)(
		'asks %s of real and made-up tenants with the same answers and the same number of storage requests',
		async (path) => {
			const { host, id } = await withAgent()
			const store = await newHost({ mode: 'store' })
			const beside = await newHost({ beside: host })
			const stranger = newAgent(host.name, host.clock.now)
			const secret = 'g'.repeat(43)
			const bodyFor = (agent: string) =>
				path === 'agent/enrol' ? stranger.enrol({ url: '', agent, secret }) : stranger.listen(agent)
			const base = beside.url.replace(/[^/]+$/, '')
			const asked = [
				[`${base}${host.name}`, id],
				[`${base}${store.name}`, randomUUID()],
				[`${base}made-up`, randomUUID()],
			] as const
			for (const pause of [0, 1000, 61_000]) {
				host.clock.pass(pause)
				const seen = []
				for (const [url, agent] of asked) {
					const { result, requests } = await beside.meter.measure(() => beside.post(path, bodyFor(agent), url))
					const headers = [...result.headers].filter(([name]) => !['date', 'x-request-id'].includes(name))
					seen.push({ status: result.status, headers, body: result.body, requests })
				}
				expect(seen[0]?.status).toBe(401)
				expect(seen).toEqual([seen[0], seen[0], seen[0]])
			}
		},
	)

	test('makes the app read the agents of a tenant once a second at most', async () => {
		const { host } = await withAgent()
		const stranger = newAgent(host.name, host.clock.now)
		await host.post('agent/token', stranger.listen(randomUUID()))
		const flood = () =>
			Promise.all(Array.from({ length: 200 }, () => host.post('agent/token', stranger.listen(randomUUID()))))
		const { result, requests } = await host.meter.measure(() => host.clock.advanceUntil(flood()))
		expect(requests).toBeLessThanOrEqual(60 + result / 1000)
	})

	test('that floods the app keeps no agent from its tokens, and no code from its use', async () => {
		const { host, agent, id } = await withAgent()
		const next = newAgent(host.name, host.clock.now)
		const code = await host.add()
		const stranger = newAgent(host.name, host.clock.now)
		const flood = Array.from({ length: 90 }, () => host.post('agent/token', stranger.listen(randomUUID())))
		// Ten failures are answered at once. When the others wait, the app has read the agents as often as it may.
		await vi.waitFor(() => expect(host.clock.pending()).toBeGreaterThanOrEqual(80), { timeout: 30_000 })
		const asked = async (path: string, body: Record<string, unknown>) => {
			const before = host.clock.pending()
			let status: number | undefined
			const reply = host.post(path, body).then((answer) => {
				status = answer.status
			})
			await vi.waitUntil(() => status !== undefined || host.clock.pending() > before, { timeout: 30_000 })
			if (status === undefined) await host.clock.advanceUntil(reply)
			return status
		}
		expect(await asked('agent/token', agent.listen(id))).toBe(200)
		expect(await asked('agent/enrol', next.enrol(code))).toBe(200)
		expect(await asked('agent/token', next.listen(code.agent))).toBe(200)
		await host.remove(id)
		host.clock.pass(2000)
		expect(await asked('agent/token', agent.listen(id))).toBe(403)
		await host.clock.advanceUntil(Promise.all(flood))
	})

	test('with a proof that an agent has sent elsewhere gets nothing', async () => {
		const { host, agent, id, code } = await withAgent()
		const other = await newHost()
		const second = await host.add()
		const listen = agent.listen(id)
		const enrol = agent.enrol(second)
		const attacks = [
			['agent/token', { ...listen, proof: enrol.proof }, host.url],
			['agent/token', { ...listen, agent: second.agent }, host.url],
			['agent/token', { ...listen, issued: Number(listen.issued) + 1 }, host.url],
			['agent/token', listen, other.url],
			['agent/enrol', { ...enrol, proof: listen.proof }, host.url],
			['agent/enrol', { ...enrol, agent: id }, host.url],
			['agent/enrol', { ...enrol, secret: code.secret }, host.url],
			['agent/enrol', { ...enrol, publicKey: newAgent(host.name, host.clock.now).publicKey }, host.url],
			['agent/enrol', enrol, other.url],
		] as const
		for (const [path, body, url] of attacks) {
			const { status, body: answer } = await host.post(path, body, url)
			expect([status, answer.error]).toEqual([401, path === 'agent/token' ? 'agent_refused' : 'enrolment_refused'])
		}
		expect((await host.post('agent/enrol', enrol)).status).toBe(200)
	})

	test.each([
		['no JSON', 'x'],
		['an empty object', {}],
		['another version', { v: 2 }],
		['an id that is none', { agent: 'x' }],
		['a long host', { host: 'x'.repeat(256) }],
		['a host that colours a terminal', { host: 'dc01\u001b[31m' }],
		['a version that is a sentence', { version: '<b>1.0</b>' }],
		['another curve', { publicKey: { kty: 'EC', crv: 'P-384', x: 'x', y: 'y' } }],
		['a body of 16 KiB', { more: 'x'.repeat(16 * 1024) }],
	])('with %s is told what is wrong', async (_, more) => {
		const host = await newHost()
		const valid = newAgent(host.name, host.clock.now).enrol(await host.add())
		const body = typeof more === 'string' ? more : Object.keys(more).length === 0 ? {} : { ...valid, ...more }
		const answer = await host.post('agent/enrol', body)
		expect([answer.status, answer.body.error]).toEqual([400, 'bad_request'])
		expect(JSON.stringify(answer.body)).not.toContain(String(valid.secret))
	})

	test('with another method is told to send a POST', async () => {
		const host = await newHost()
		for (const path of ['agent/enrol', 'agent/token']) {
			const response = await fetch(`${host.url}/${path}`)
			expect([response.status, response.headers.get('allow'), await response.json()]).toEqual([
				405,
				'POST',
				{ error: 'method_not_allowed', error_description: 'send a POST' },
			])
		}
	})
})

test('no log has a secret, a proof, a key or a token', async () => {
	const { host, agent, id, code } = await withAgent()
	const { body } = await host.post('agent/token', agent.listen(id))
	await host.post('agent/enrol', agent.enrol({ ...code, secret: 'g'.repeat(43) }))
	await host.post('agent/token', newAgent(host.name, host.clock.now).listen(id))
	const log = JSON.stringify(host.events)
	expect(host.events.map(({ refusal }) => refusal?.reason)).toEqual([
		undefined,
		undefined,
		'enrolment_refused',
		'agent_refused',
	])
	for (const secret of [code.secret, 'g'.repeat(43), body.token, agent.publicKey.x, 'primary-1'])
		expect(log).not.toContain(secret)
})
