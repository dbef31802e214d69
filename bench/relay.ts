import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { sasToken } from '../shared/relay/sas.ts'
import { relaySender } from '../shared/relay/sender.ts'
import { authority } from '../test/support/relay-stand-in/certificates.ts'
import { startChild } from './child.ts'
import { measure, printTable, type Timing } from './measure.ts'

/** Sends one request and resolves when its answer is there. */
type Send = (method: string, path: string, body?: Buffer) => Promise<void>

const user = Buffer.from(
	JSON.stringify({
		schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
		userName: 'bjensen@example.com',
		externalId: '4c1f2a6e-0f5d-4b0e-9d3c-1d6f6a9d7a11',
		active: true,
		name: { givenName: 'Barbara', familyName: 'Jensen' },
	}),
)

const steadyRate = 25
const steadySeconds = 10

/**
 * Prints what the way through a relay costs as a ratio to asking the SCIM server directly in the same run, and the delay
 * that it adds at a steady 25 requests a second, which is what Entra sends at most. The relay is the stand-in of the
 * tests, so that what Azure's own network adds is not in it.
 */
export async function relay(): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'))
	const ca = await prepare(folder)
	const undo: (() => unknown)[] = [() => rm(folder, { recursive: true })]
	const hop = async (role: string) => {
		const child = await startChild('./hop.js', { args: [role, folder], read: z.object({ port: z.int() }).parse })
		undo.push(() => child.stop())
		const cpu = async () => z.object({ cpuMilliseconds: z.number() }).parse(await child.ask()).cpuMilliseconds
		return { port: child.ready.port, cpu }
	}
	try {
		const [origin, standIn] = [await hop('origin'), await hop('stand-in')]
		await write(folder, 'relay.json', JSON.stringify(settings(standIn.port, origin.port)))
		const agent = await hop('agent')
		const direct = directSender(origin.port, ca)
		const relayed = throughRelay(standIn.port, ca)
		for (const send of [direct, relayed])
			await measure(1000, 16, (i) => (i % 2 ? send('POST', '/Users', user) : send('GET', '/Users/1')))
		await compare(direct, relayed, agent.cpu)
		await hold(direct, relayed)
	} finally {
		for (const step of undo.reverse()) await step()
	}
}

const settings = (relayPort: number, originPort: number) => ({
	relay: { namespace: `localhost:${relayPort}`, hybridConnection: 'demo', caFile: 'ca.pem' },
	credentials: { type: 'sas', keyName: 'listen', keyFile: 'listen.key' },
	origin: {
		url: `https://localhost:${originPort}/scim`,
		tls: { mode: 'ca', caFile: 'ca.pem' },
		authorization: { type: 'bearer', tokenFile: 'origin.token' },
	},
})

async function write(folder: string, name: string, text: string): Promise<void> {
	await writeFile(join(folder, name), text)
	await chmod(join(folder, name), 0o600)
}

async function prepare(folder: string): Promise<string> {
	const ca = authority('Rollcall bench')
	const { cert, key } = ca.issue(['DNS:localhost', 'IP:127.0.0.1'])
	const files = { 'ca.pem': ca.cert, 'cert.pem': cert, 'key.pem': key, 'listen.key': 'listenkey', 'origin.token': 'x' }
	for (const [name, text] of Object.entries(files)) await write(folder, name, text)
	return ca.cert
}

function directSender(port: number, ca: string): Send {
	const agent = new Agent({ keepAlive: true, ca })
	return (method, path, body) =>
		new Promise((resolve, reject) => {
			const headers = body === undefined ? {} : { 'content-length': body.length }
			const outgoing = request({ host: 'localhost', port, method, path: `/scim${path}`, agent, headers }, (response) =>
				response.resume().on('end', resolve),
			)
			outgoing.on('error', reject)
			outgoing.end(body)
		})
}

function throughRelay(port: number, ca: string): Send {
	const rule = { uri: 'http://localhost/demo', keyName: 'send', key: 'sendkey' }
	const send = relaySender({
		namespace: `localhost:${port}`,
		hybridConnection: 'demo',
		token: async () => sasToken({ ...rule, expires: Date.now() + 3_600_000 }),
		ca,
	})
	const headers = new Headers({ 'content-type': 'application/scim+json' })
	const publicBase = 'https://rollcall.test/scim/demo'
	return async (method, path, body) => {
		await send({ method, path, headers, requestId: 'bench', publicBase, ...(body && { body }) })
	}
}

type Operation = { readonly name: string; readonly count: number; run(send: Send): Promise<void> }

const operations: readonly Operation[] = [
	{ name: 'read a user', count: 2000, run: (send) => send('GET', '/Users/1') },
	{ name: 'create a user', count: 2000, run: (send) => send('POST', '/Users', user) },
	{ name: 'read, answered in 10 ms', count: 1000, run: (send) => send('GET', '/Users/1?wait=10') },
	{ name: 'create, answered in 10 ms', count: 1000, run: (send) => send('POST', '/Users?wait=10', user) },
]

async function compare(direct: Send, relayed: Send, agentCpu: () => Promise<number>): Promise<void> {
	const rows: string[][] = []
	for (const concurrency of [1, 16])
		for (const { name, count, run } of operations) {
			const of = concurrency === 1 ? count / 4 : count
			const straight = await measure(of, concurrency, () => run(direct))
			const before = await agentCpu()
			const through = await measure(of, concurrency, () => run(relayed))
			const cpu = ((await agentCpu()) - before) / of
			rows.push([name, String(concurrency), ...versus(straight, through), cpu.toFixed(2)])
		}
	printTable(
		[
			'operation',
			'at once',
			'direct/s',
			'p50 ms',
			'p95',
			'p99',
			'relay/s',
			'p50 ms',
			'p95',
			'p99',
			'ratio',
			'agent CPU ms',
		],
		rows,
	)
}

const times = ({ p50, p95, p99 }: Timing): string[] => [p50.toFixed(2), p95.toFixed(2), p99.toFixed(2)]

const versus = (direct: Timing, relayed: Timing): string[] => [
	...[direct.perSecond.toFixed(0), ...times(direct)],
	...[relayed.perSecond.toFixed(0), ...times(relayed)],
	(relayed.perSecond / direct.perSecond).toFixed(2),
]

/** The same requests at their appointed times, however long those before them take. */
async function hold(direct: Send, relayed: Send): Promise<void> {
	const rows: string[][] = []
	for (const { name, run } of operations) {
		const straight = await steadily(() => run(direct))
		const through = await steadily(() => run(relayed))
		rows.push([name, ...times(straight), ...times(through), (through.p99 - straight.p99).toFixed(2)])
	}
	console.log(`\n${steadyRate} requests a second for ${steadySeconds} s`)
	printTable(['operation', 'direct p50', 'p95', 'p99', 'relay p50', 'p95', 'p99', 'added p99'], rows)
}

function steadily(work: () => Promise<void>): Promise<Timing> {
	const count = steadyRate * steadySeconds
	const started = performance.now()
	return measure(count, count, work, async (index) => {
		const due = started + (index * 1000) / steadyRate
		await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
		await work()
		return performance.now() - due
	})
}
