import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { createServices } from '../functions/services.ts'
import { addToken } from '../shared/auth/file-source.ts'
import { urn } from '../shared/scim/urn.ts'
import { startChild } from './child.ts'
import { printTable, quantile } from './measure.ts'

const seconds = 10
const busyRate = 500
const quietRate = 25
/** What the busy tenant may add to the p95 of the quiet one, in milliseconds. */
const addedTarget = 100
const token = 'a-token-for-the-bench-alone'

/**
 * Sends the worst allowed requests of one tenant 500 times a second, and reads of another one 25 times a second, to one
 * process with the rates of the app. Prints what the second tenant sees alone and beside the first. The exit code is 1 if the
 * second tenant sees a 429 or a 503, or if its p95 is more than 100 ms above that alone.
 */
export async function fairness(): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-fairness-'))
	const simulator = await startChild('./simulator.js', {
		args: [],
		read: z.object({ connectionString: z.string() }).parse,
		execArgv: ['--max-old-space-size=8000'],
	})
	try {
		const file = join(folder, 'tokens.json')
		const { connectionString } = simulator.ready
		await fillTenants(connectionString, file, (order) => simulator.ask(order))
		await compare([connectionString, file, 'limited'])
	} finally {
		simulator.stop()
		await rm(folder, { recursive: true })
	}
}

/** The users of the busy tenant are as large as a user may be. */
async function fillTenants(
	connectionString: string,
	file: string,
	fill: (order: unknown) => Promise<unknown>,
): Promise<void> {
	const services = await createServices({ tables: { connectionString }, tokens: { file } })
	for (const name of ['busy', 'quiet']) {
		await addToken(file, name, { value: token, created: new Date().toISOString() })
		const tenant = await services.tenants.createTenant({ name, mode: 'store', settings: {} })
		if (tenant === 'exists') throw new Error('the tenant exists')
		const padding = { bytes: 2 ** 20 - 2000, of: 'letter' }
		await fill({ tenant: { name, table: tenant.table }, users: 50, ...(name === 'busy' && { padding }) })
	}
}

async function compare(args: readonly string[]): Promise<void> {
	const host = await startChild('./host.js', { args, read: z.object({ url: z.url() }).parse })
	try {
		const { url } = host.ready
		await readQuietly(url)
		const alone = await readQuietly(url)
		const stop = new AbortController()
		const flooding = flood(url, stop.signal)
		const beside = await readQuietly(url)
		stop.abort()
		print(alone, beside, await flooding)
	} finally {
		host.stop()
	}
}

/** What a tenant sees: the times in milliseconds, and how many answers have each status. */
type ReadTimes = { readonly p50: number; readonly p95: number; readonly statuses: StatusCounts }

type StatusCounts = Map<number, number>

const countIn = (statuses: StatusCounts, status: number): void => {
	statuses.set(status, (statuses.get(status) ?? 0) + 1)
}

/** Each tenant has connections of its own, as clients have. */
const [quiet, busy] = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true, maxSockets: 1000 })]

type SendOptions = { readonly method: string; readonly body?: string; readonly signal?: AbortSignal }

/** Answers the status; 0 if no answer came. */
const send = (url: string, agent: Agent, { body, ...options }: SendOptions): Promise<number> =>
	new Promise((resolve) => {
		const sent = request(url, { ...options, agent, headers })
		sent.on('error', () => resolve(0))
		sent.on('response', (response) => {
			response.on('error', () => resolve(0)).on('end', () => resolve(response.statusCode ?? 0))
			response.resume()
		})
		sent.end(body)
	})

const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }

/** Sends at a steady rate, whether answers come or not. */
async function readQuietly(url: string): Promise<ReadTimes> {
	const times: number[] = []
	const statuses: StatusCounts = new Map()
	const read = async () => {
		const started = performance.now()
		const status = await send(`${url}/scim/quiet/Users?filter=userName+eq+%22x%22`, quiet, { method: 'GET' })
		times.push(performance.now() - started)
		countIn(statuses, status)
	}
	await steadily(quietRate, quietRate * seconds, read)
	return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), statuses }
}

/** Begins work at a steady rate. If the clock shows that some are late, they begin together. */
async function steadily(rate: number, count: number, work: (index: number) => Promise<void>): Promise<void> {
	const pending: Promise<void>[] = []
	const started = performance.now()
	while (pending.length < count) {
		await sleep(1)
		const due = Math.min(count, Math.floor(((performance.now() - started) * rate) / 1000))
		while (pending.length < due) pending.push(work(pending.length))
	}
	await Promise.all(pending)
}

const filter = Array.from({ length: 20 }, (_, index) => `nickName co "y${index}"`).join(' or ')
const worstSearches: readonly string[] = [
	{ schemas: [urn.searchRequest], filter },
	{ schemas: [urn.searchRequest], sortBy: 'nickName', count: 1000 },
	{ schemas: [urn.searchRequest], count: 1000 },
].map((search) => JSON.stringify(search))

/** Answers how many requests of the busy tenant were answered with each status, until the signal. */
async function flood(url: string, signal: AbortSignal): Promise<StatusCounts> {
	const statuses: StatusCounts = new Map()
	const search = async (index: number) => {
		const body = worstSearches[index % worstSearches.length] ?? ''
		const status = await send(`${url}/scim/busy/Users/.search`, busy, { method: 'POST', signal, body })
		countIn(statuses, status)
	}
	await steadily(busyRate, busyRate * seconds, search)
	return statuses
}

const text = (statuses: StatusCounts): string =>
	[...statuses].map(([status, count]) => `${count} times ${status}`).join(', ')

function print(alone: ReadTimes, beside: ReadTimes, flooded: StatusCounts): void {
	const added = beside.p95 - alone.p95
	const isMissed = [...beside.statuses.keys()].some((status) => status !== 200) || added > addedTarget
	if (isMissed) process.exitCode = 1
	console.log(`one process: ${busyRate} requests a second of one tenant, ${quietRate} reads of another one\n`)
	const row = (name: string, { p50, p95, statuses }: ReadTimes) => [
		name,
		p50.toFixed(1),
		p95.toFixed(1),
		text(statuses),
	]
	printTable(['the other one', 'p50 ms', 'p95 ms', 'answers'], [row('alone', alone), row('beside it', beside)])
	console.log(
		`\nthe busy one: ${text(flooded)}\np95: ${added.toFixed(0)} ms more (target ${addedTarget})${isMissed ? ' MISSED' : ''}`,
	)
}
