import { AsyncLocalStorage } from 'node:async_hooks'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { createServices, type Services } from '../functions/services.ts'
import { addToken } from '../shared/auth/file-source.ts'
import { parseFilter } from '../shared/scim/filter/parse.ts'
import type { ResourceId, StoredResource } from '../shared/scim/resource.ts'
import { groupType, userType } from '../shared/scim/resource-type.ts'
import { urn } from '../shared/scim/urn.ts'
import type { Revision } from '../shared/storage/resource/update.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { startChild } from './child.ts'
import { type BenchTask, measure, printTable, type Timing } from './measure.ts'
import { benchUser } from './user.ts'

/** A request of Entra, over HTTP to the host, and the same work on the storage alone, for comparison. */
type TrafficOperation = {
	readonly name: string
	readonly count: number
	readonly http: BenchTask
	readonly storage: BenchTask
}

const bigGroup = 2000

/** Prints the cost of requests in relation to the raw cost of their storage calls in the same run. */
export async function traffic(): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'))
	const tokens = join(folder, 'tokens.json')
	const token = 'a-token-for-the-bench-alone'
	await addToken(tokens, 'bench', { value: token, created: new Date().toISOString() })
	const azurite = await startChild('./azurite.js', { args: [], read: z.object({ connectionString: z.string() }).parse })
	const host = await startChild('./host.js', {
		args: [azurite.ready.connectionString, tokens],
		read: z.object({ url: z.url() }).parse,
	})
	const cpu = async () => z.object({ cpuMilliseconds: z.number() }).parse(await host.ask()).cpuMilliseconds
	try {
		const { services, storageTime } = await timedServices(azurite.ready.connectionString, tokens)
		const direct = await services.tenants.createTenant({ name: 'direct', mode: 'store', settings: {} })
		const served = await services.tenants.createTenant({ name: 'bench', mode: 'store', settings: {} })
		if (direct === 'exists' || served === 'exists') throw new Error('the tenants exist')
		const client = createClient(`${host.ready.url}/scim/bench`, token)
		const rows: string[][] = []
		const costs = await warmUp(services.open(direct), client, cpu)
		const listed = costs.map((cost) => cost.toFixed(2)).join(', ')
		console.log(`host CPU ms of create, match, patch and delete together, ${roundsOfPart} rounds each: ${listed}\n`)
		for (const concurrency of [1, 16]) {
			for (const operation of await operations({ services, direct, served, client, concurrency })) {
				const raw = await measure(operation.count, concurrency, operation.storage, storageTime)
				const before = await cpu()
				const total = await measure(operation.count, concurrency, operation.http)
				rows.push(row(operation, concurrency, { raw, total, cpu: (await cpu()) - before }))
			}
		}
		printTable(
			['operation', 'at once', 'requests/s', 'p50 ms', 'p95', 'p99', 'storage p50', 'ratio', 'host CPU ms'],
			rows,
		)
	} finally {
		host.stop()
		azurite.stop()
		await rm(folder, { recursive: true })
	}
}

/** Rounds of each part of the warm-up. After three parts, Node.js compiles hardly any code anew. */
const roundsOfPart = 500

/**
 * Runs all code often enough, so that compilation does not count as the cost of a request. Answers what a round costs on a
 * host that has just started, and later: the processor time of each part, in milliseconds a round.
 */
async function warmUp(store: ResourceStore, client: TrafficClient, cpu: () => Promise<number>): Promise<number[]> {
	const costs: number[] = []
	for (let part = 0; part < 3; part++) {
		const before = await cpu()
		await warmUpPart(part, store, client)
		costs.push(((await cpu()) - before) / roundsOfPart)
	}
	return costs
}

async function warmUpPart(part: number, store: ResourceStore, client: TrafficClient): Promise<void> {
	for (let i = part * roundsOfPart; i < (part + 1) * roundsOfPart; i++) {
		const userName = `warm-${i}@example.com`
		const filter = parseFilter(`userName eq "${userName}"`)
		await store.create(userType, { attributes: benchUser(`warm-${i}`) })
		await store.query(userType, { filter, page: { startIndex: 1, count: 100 } })
		const { id } = await client('POST', '/Users', benchUser(`warm-${i}`))
		await client('GET', `/Users?filter=userName+eq+%22${userName}%22`)
		await client('PATCH', `/Users/${id}`, patch('title', `Title ${i}`))
		await client('DELETE', `/Users/${id}`)
	}
}

type Measurement = { readonly raw: Timing; readonly total: Timing; readonly cpu: number }

const row = ({ name, count }: TrafficOperation, concurrency: number, { raw, total, cpu }: Measurement): string[] => [
	name,
	String(concurrency),
	total.perSecond.toFixed(0),
	total.p50.toFixed(2),
	total.p95.toFixed(2),
	total.p99.toFixed(2),
	raw.p50.toFixed(2),
	(total.p50 / raw.p50).toFixed(2),
	(cpu / count).toFixed(2),
]

/** Services that measure the time of the storage calls of each piece of work. */
async function timedServices(connectionString: string, tokens: string) {
	const clock = new AsyncLocalStorage<{ milliseconds: number }>()
	const services = await createServices(
		{ tables: { connectionString }, tokens: { file: tokens } },
		{
			intercept: (send) => async (storageRequest) => {
				const started = performance.now()
				const response = await send(storageRequest)
				const spent = clock.getStore()
				if (spent !== undefined) spent.milliseconds += performance.now() - started
				return response
			},
		},
	)
	const storageTime = (index: number, work: BenchTask): Promise<number> =>
		clock.run({ milliseconds: 0 }, async () => {
			await work(index)
			return clock.getStore()?.milliseconds ?? 0
		})
	return { services, storageTime }
}

type TrafficClient = (method: string, path: string, body?: unknown) => Promise<{ readonly id: string }>

function createClient(baseUrl: string, token: string): TrafficClient {
	const agent = new Agent({ keepAlive: true })
	const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }
	return (method, path, body) =>
		new Promise((resolve, reject) => {
			const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
			const sent = request(`${baseUrl}${path}`, {
				method,
				agent,
				headers: content === undefined ? headers : { ...headers, 'content-length': content.length },
			})
			sent.on('error', reject)
			sent.on('response', (response) => {
				const chunks: Buffer[] = []
				response.on('data', (chunk: Buffer) => chunks.push(chunk))
				response.on('end', () => {
					const text = Buffer.concat(chunks).toString()
					if ((response.statusCode ?? 500) >= 400)
						reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
					else resolve(text === '' ? { id: '' } : JSON.parse(text))
				})
			})
			sent.end(content)
		})
}

const patch = (path: string, value: unknown) => ({
	schemas: [urn.patchOp],
	Operations: [{ op: 'Replace', path, value }],
})

type TrafficScenario = {
	readonly services: Services
	readonly direct: Tenant
	readonly served: Tenant
	readonly client: TrafficClient
	readonly concurrency: number
}

/** The operations in the order of a provisioning cycle. Each concurrency has its own users and groups. */
async function operations({
	services,
	direct,
	served,
	client,
	concurrency,
}: TrafficScenario): Promise<readonly TrafficOperation[]> {
	const count = 400
	const store = services.open(direct)
	const behind = services.open(served)
	const [own, theirs] = [await populate(store, concurrency, count), await populate(behind, concurrency, count)]
	const revise =
		(change: Record<string, unknown>) =>
		(current: StoredResource): Revision => ({
			attributes: { ...current.attributes, ...change },
		})
	const memberPatch = (op: string, id: string) => ({
		schemas: [urn.patchOp],
		Operations: [{ op, path: 'members', value: [{ $ref: null, value: id }] }],
	})
	const add = (name: string, group: 'empty' | 'big'): TrafficOperation => ({
		name,
		count,
		http: (i) => client('PATCH', `/Groups/${theirs[group]}`, memberPatch('Add', at(theirs.users, i))),
		storage: (i) => store.changeMembers(own[group], { add: [{ value: at(own.users, i) }], remove: [] }),
	})
	return [
		{
			name: 'create user',
			count,
			http: (i) => client('POST', '/Users', { schemas: [urn.user], ...benchUser(`new-${concurrency}-${i}`) }),
			storage: (i) => store.create(userType, { attributes: benchUser(`new-${concurrency}-${i}`) }),
		},
		{
			name: 'match userName',
			count,
			http: (i) => client('GET', `/Users?filter=userName+eq+%22new-${concurrency}-${i}@EXAMPLE.com%22`),
			storage: (i) =>
				store.query(userType, {
					filter: parseFilter(`userName eq "new-${concurrency}-${i}@EXAMPLE.com"`),
					page: { startIndex: 1, count: 100 },
				}),
		},
		{
			name: 'patch user',
			count,
			http: (i) => client('PATCH', `/Users/${at(theirs.users, i)}`, patch('title', `Title ${i}`)),
			storage: (i) => store.update(userType, at(own.users, i), { revise: revise({ title: `Title ${i}` }) }),
		},
		add('add member to an empty group', 'empty'),
		add(`add member to a group of ${bigGroup}`, 'big'),
		{
			name: 'remove member',
			count,
			http: (i) => client('PATCH', `/Groups/${theirs.big}`, memberPatch('Remove', at(theirs.users, i))),
			storage: (i) => store.changeMembers(own.big, { add: [], remove: [at(own.users, i)] }),
		},
		{
			name: 'list 100 users',
			count: 20,
			http: () => client('GET', '/Users?startIndex=1&count=100'),
			storage: () => store.query(userType, { page: { startIndex: 1, count: 100 } }),
		},
		{
			name: 'disable user',
			count,
			http: (i) => client('PATCH', `/Users/${at(theirs.users, i)}`, patch('active', 'False')),
			storage: (i) => store.update(userType, at(own.users, i), { revise: revise({ active: false }) }),
		},
		{
			name: 'delete user',
			count,
			http: (i) => client('DELETE', `/Users/${at(theirs.users, i)}`),
			storage: (i) => store.delete(userType, at(own.users, i)),
		},
	]
}

const at = (ids: readonly ResourceId[], index: number): ResourceId => ids[index] ?? ids[0] ?? ('' as ResourceId) // sound: there are enough ids

/** Creates users to work on, an empty group and a big group. */
async function populate(store: ResourceStore, round: number, count: number) {
	const users: ResourceId[] = []
	for (let i = 0; i < count; i++) {
		users.push((await store.create(userType, { attributes: benchUser(`user-${round}-${i}`) })).id)
	}
	const members: { value: ResourceId }[] = []
	while (members.length < bigGroup) {
		const userName = `member-${round}-${members.length}@example.com`
		members.push({ value: (await store.create(userType, { attributes: { userName } })).id })
	}
	const empty = await store.create(groupType, { attributes: { displayName: `Empty ${round}` } })
	const big = await store.create(groupType, { attributes: { displayName: `Big ${round}` }, members })
	return { users, empty: empty.id, big: big.id }
}
