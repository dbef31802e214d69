import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { relaySender } from '../functions/relay/sender.ts'
import { sasToken } from '../shared/relay/sas.ts'
import { urn } from '../shared/scim/urn.ts'
import { authority } from '../test/support/relay-stand-in/certificates.ts'
import { startChild } from './child.ts'
import { measure, printTable, type Timing } from './measure.ts'
import { benchUser } from './user.ts'

/** Sends one request and resolves to the answer's body. */
type SendScim = (method: string, path: string, body?: Buffer) => Promise<Buffer>

/** A process on the path of a request, and the processor time that it has used so far, in milliseconds. */
type Hop = { readonly name: string; cpu(): Promise<number> }

/** A SCIM server, the direct and the relayed path to it, and the operations to measure. */
type Scenario = {
	readonly direct: RequestPath
	readonly relayed: RequestPath
	readonly operations: readonly RelayOperation[]
}

type RequestPath = { readonly send: SendScim; readonly hops: readonly Hop[] }

type RelayOperation = { readonly name: string; readonly count: number; run(send: SendScim): Promise<unknown> }

const steadyRate = 25
const steadySeconds = 10
const warmUp = 4000
const rounds = 3
const token = 'a-token-for-the-bench-alone'

/**
 * Prints the throughput through a relay relative to direct access in the same run, and the processor time of each process.
 * Also prints the added delay at a steady 25 requests a second, which is the most that Entra sends.
 * The relay is the stand-in of the tests, so the delay of Azure's network is not included.
 */
export async function relay(): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'))
	const cleanup: (() => unknown)[] = [() => rm(folder, { recursive: true })]
	try {
		const scenarios = await prepare(folder, cleanup)
		for (const scenario of scenarios) await warm(scenario)
		await compare(scenarios)
		await measureSteadyRate(scenarios)
	} finally {
		for (const undo of cleanup.reverse()) await undo()
	}
}

async function prepare(folder: string, cleanup: (() => unknown)[]): Promise<readonly Scenario[]> {
	const ca = await writeFiles(folder)
	const hop = async (name: string, role: string, ...more: string[]) => {
		const child = await startChild('./hop.js', { args: [role, folder, ...more], read: ready.parse })
		cleanup.push(() => child.stop())
		const cpu = async () => z.object({ cpuMilliseconds: z.number() }).parse(await child.ask()).cpuMilliseconds
		return { ...child.ready, name, cpu }
	}
	const standIn = await hop('stand-in', 'stand-in', 'plain,rollcall')
	const scenario = async (
		entity: string,
		{ server, base, others }: { server: Hop & { readonly port: number }; base: string; others: readonly Hop[] },
		operations: readonly RelayOperation[],
	): Promise<Scenario> => {
		const file = `${entity}.json`
		await write(folder, file, JSON.stringify(settings({ relayPort: standIn.port, entity, port: server.port, base })))
		const agent = await hop('agent', 'agent', file)
		return {
			direct: { send: directSender(server.port, base, ca), hops: [client, server, ...others] },
			relayed: { send: throughRelay(standIn.port, entity, ca), hops: [client, standIn, agent, server, ...others] },
			operations,
		}
	}
	const origin = await hop('server', 'origin')
	const azurite = await hop('storage', 'azurite')
	const rollcall = await hop('server', 'rollcall', azurite.connectionString)
	return [
		await scenario(
			'rollcall',
			{ server: rollcall, base: '/scim/app', others: [azurite] },
			await rollcallOperations(rollcall.port, ca),
		),
		await scenario('plain', { server: origin, base: '/scim', others: [] }, originOperations),
	]
}

const ready = z.object({ port: z.int().default(0), connectionString: z.string().default('') })

/** The process of the bench. It is the client and, on the relayed path, also the sender of the Function. */
const client: Hop = {
	name: 'client',
	cpu: async () => {
		const { user, system } = process.cpuUsage()
		return (user + system) / 1000
	},
}

type BenchedAgent = {
	readonly relayPort: number
	readonly entity: string
	readonly port: number
	readonly base: string
}

const settings = ({ relayPort, entity, port, base }: BenchedAgent) => ({
	relay: { namespace: `localhost:${relayPort}`, hybridConnection: entity, caFile: 'ca.pem' },
	credentials: { type: 'sas', keyName: 'listen', keyFile: 'listen.key' },
	origin: {
		url: `https://localhost:${port}${base}`,
		tls: { mode: 'ca', caFile: 'ca.pem' },
		authorization: { type: 'bearer', tokenFile: 'origin.token' },
	},
})

async function write(folder: string, name: string, text: string): Promise<void> {
	await writeFile(join(folder, name), text)
	await chmod(join(folder, name), 0o600)
}

async function writeFiles(folder: string): Promise<string> {
	const ca = authority('Rollcall bench')
	const { cert, key } = ca.issue(['DNS:localhost', 'IP:127.0.0.1'])
	const files = {
		'ca.pem': ca.cert,
		'cert.pem': cert,
		'key.pem': key,
		'listen.key': 'listenkey',
		'origin.token': token,
	}
	for (const [name, text] of Object.entries(files)) await write(folder, name, text)
	return ca.cert
}

function directSender(port: number, base: string, ca: string): SendScim {
	const agent = new Agent({ keepAlive: true, ca })
	return (method, path, body) =>
		new Promise((resolve, reject) => {
			const length =
				body === undefined ? {} : { 'content-type': 'application/scim+json', 'content-length': body.length }
			const headers = { authorization: `Bearer ${token}`, ...length }
			const outgoing = request({ host: 'localhost', port, method, path: `${base}${path}`, agent, headers })
			outgoing.on('error', reject)
			outgoing.on('response', (response) => {
				const chunks: Buffer[] = []
				response.on('data', (chunk: Buffer) => chunks.push(chunk))
				response.on('end', () => resolve(successful(response.statusCode ?? 0, Buffer.concat(chunks))))
			})
			outgoing.end(body)
		})
}

function throughRelay(port: number, entity: string, ca: string): SendScim {
	const rule = { uri: `http://localhost/${entity}`, keyName: 'send', key: 'sendkey' }
	const send = relaySender({
		namespace: `localhost:${port}`,
		hybridConnection: entity,
		token: async () => sasToken({ ...rule, expires: Date.now() + 3_600_000 }),
		ca,
	})
	const headers = new Headers({ 'content-type': 'application/scim+json' })
	const publicBase = 'https://rollcall.test/scim/demo'
	return async (method, path, body) => {
		const answer = await send({ method, path, headers, requestId: 'bench', publicBase, ...(body && { body }) })
		return successful(answer.status, answer.body)
	}
}

/** Throws on an error status, because a fast refusal would count as an answer. */
function successful(status: number, body: Buffer): Buffer {
	if (status >= 300) throw new Error(`the SCIM server answered ${status}: ${body}`)
	return body
}

let serial = 0

const create = (send: SendScim, path = '/Users') =>
	send('POST', path, Buffer.from(JSON.stringify({ schemas: [urn.user], ...benchUser(`bench-${serial++}`) })))

const originOperations: readonly RelayOperation[] = [
	{ name: 'instant: read', count: 2000, run: (send) => send('GET', '/Users/1') },
	{ name: 'instant: create', count: 2000, run: (send) => create(send) },
	{ name: 'after 10 ms: read', count: 1000, run: (send) => send('GET', '/Users/1?wait=10') },
	{ name: 'after 10 ms: create', count: 1000, run: (send) => create(send, '/Users?wait=10') },
]

/** The operations of a client, for an application server that is another Rollcall. */
async function rollcallOperations(port: number, ca: string): Promise<readonly RelayOperation[]> {
	const send = directSender(port, '/scim/app', ca)
	const { id, userName } = z
		.object({ id: z.string(), userName: z.string() })
		.parse(JSON.parse(String(await create(send))))
	const match = `/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`
	return [
		{ name: 'Rollcall: read', count: 1000, run: (send) => send('GET', `/Users/${id}`) },
		{ name: 'Rollcall: match', count: 1000, run: (send) => send('GET', match) },
		{ name: 'Rollcall: create', count: 500, run: (send) => create(send) },
	]
}

/** Runs the operations until V8 has compiled them, so that compilation is not measured. */
async function warm({ direct, relayed, operations }: Scenario): Promise<void> {
	const quick = operations.filter(({ name }) => !name.includes('ms'))
	for (const { send } of [direct, relayed])
		for (const { run } of quick) await measure(warmUp / quick.length, 16, () => run(send))
}

/** The timing of one path, and the processor time of each hop for one request, in milliseconds. */
type PathSample = { readonly timing: Timing; readonly cpu: ReadonlyMap<string, number> }

async function sampleOf(
	{ send, hops }: RequestPath,
	{ count, run }: RelayOperation,
	concurrency: number,
): Promise<PathSample> {
	const before = await Promise.all(hops.map(({ cpu }) => cpu()))
	const timing = await measure(count, concurrency, () => run(send))
	const after = await Promise.all(hops.map(({ cpu }) => cpu()))
	const cpu = hops.map(({ name }, at) => [name, ((after[at] ?? 0) - (before[at] ?? 0)) / count] as const)
	return { timing, cpu: new Map(cpu) }
}

function middle(samples: readonly PathSample[]): PathSample {
	const sorted = samples.toSorted((one, other) => one.timing.perSecond - other.timing.perSecond)
	return sorted[sorted.length >> 1] as PathSample // sound: there is at least one round
}

/** Measures both paths in turn, so that other load on the machine affects both. The median round counts. */
async function compare(scenarios: readonly Scenario[]): Promise<void> {
	const rates: string[][] = []
	const costs: string[][] = []
	for (const concurrency of [1, 16])
		for (const { direct, relayed, operations } of scenarios)
			for (const operation of operations) {
				const sized = { ...operation, count: concurrency === 1 ? operation.count / 4 : operation.count }
				const samples: (readonly [PathSample, PathSample])[] = []
				for (let round = 0; round < rounds; round++)
					samples.push([await sampleOf(direct, sized, concurrency), await sampleOf(relayed, sized, concurrency)])
				const directSample = middle(samples.map(([one]) => one))
				const relayedSample = middle(samples.map(([, other]) => other))
				rates.push([operation.name, String(concurrency), ...comparison(directSample.timing, relayedSample.timing)])
				costs.push([operation.name, String(concurrency), ...shares(directSample), ...shares(relayedSample, relayHops)])
			}
	printTable(
		['operation', 'at once', 'direct/s', 'p50 ms', 'p95', 'p99', 'relay/s', 'p50 ms', 'p95', 'p99', 'ratio'],
		rates,
	)
	console.log('\nProcessor time of one request in milliseconds, direct and through the relay')
	printTable(
		['operation', 'at once', 'client', 'server', 'storage', 'client+sender', 'relay', 'agent', 'server', 'storage'],
		costs,
	)
}

const directHops = ['client', 'server', 'storage']
const relayHops = ['client', 'stand-in', 'agent', 'server', 'storage']

const shares = ({ cpu }: PathSample, names = directHops): string[] =>
	names.map((name) => cpu.get(name)?.toFixed(2) ?? '-')

const times = ({ p50, p95, p99 }: Timing): string[] => [p50.toFixed(2), p95.toFixed(2), p99.toFixed(2)]

const comparison = (direct: Timing, relayed: Timing): string[] => [
	direct.perSecond.toFixed(0),
	...times(direct),
	relayed.perSecond.toFixed(0),
	...times(relayed),
	(relayed.perSecond / direct.perSecond).toFixed(2),
]

/** Sends requests at fixed times, no matter how long the earlier ones take. */
async function measureSteadyRate(scenarios: readonly Scenario[]): Promise<void> {
	const rows: string[][] = []
	for (const { direct, relayed, operations } of scenarios)
		for (const { name, run } of operations) {
			const directSample = await atSteadyRate(() => run(direct.send))
			const relayedSample = await atSteadyRate(() => run(relayed.send))
			rows.push([
				name,
				...times(directSample),
				...times(relayedSample),
				(relayedSample.p99 - directSample.p99).toFixed(2),
			])
		}
	console.log(`\n${steadyRate} requests a second for ${steadySeconds} s`)
	printTable(['operation', 'direct p50', 'p95', 'p99', 'relay p50', 'p95', 'p99', 'added p99'], rows)
}

function atSteadyRate(work: () => Promise<unknown>): Promise<Timing> {
	const count = steadyRate * steadySeconds
	const started = performance.now()
	return measure(count, count, work, async (index) => {
		const due = started + (index * 1000) / steadyRate
		await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
		await work()
		return performance.now() - due
	})
}
