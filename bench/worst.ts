import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { createServices } from '../functions/services.ts'
import { addToken } from '../shared/auth/file-source.ts'
import { groupType, userType } from '../shared/scim/resource-type.ts'
import { urn } from '../shared/scim/urn.ts'
import { startChild } from './child.ts'
import { printTable } from './measure.ts'

const mebibyte = 2 ** 20
const largeUsers = { letter: 400, noise: 100 }
const members = 100_000

/** What a request may take above the idle host, in MB. */
const memoryTarget = 150

/** What Node.js 24 chooses by itself on an instance of 2,048 MB, the default of the parameters. */
const instanceOptions = ['--max-old-space-size=1024', '--max-semi-space-size=32']

type WorstRequest = { readonly name: string; readonly method?: string; readonly path: string; readonly body?: unknown }

/**
 * Prints the processor time, the longest hold of the event loop and the peak memory of the worst requests, each alone, with
 * the storage in another process. Then prints the peak memory of several at once, by which `perInstanceConcurrency` is chosen.
 * The exit code is 1 if a request takes more memory than the target.
 *
 * @param only requests with this text in their names, or `together` for several at once; all if it is empty
 */
export async function worst(only: string): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-worst-'))
	const file = join(folder, 'tokens.json')
	const execArgv = ['--max-old-space-size=8000']
	const ready = z.object({ connectionString: z.string() }).parse
	const simulator = await startChild('./simulator.js', { args: [], read: ready, execArgv })
	const { connectionString } = simulator.ready
	try {
		await addToken(file, 'worst', { value: token, created: new Date().toISOString() })
		const services = await createServices({ tables: { connectionString }, tokens: { file } })
		const tenant = await services.tenants.createTenant({ name: 'worst', mode: 'store', settings: {} })
		if (tenant === 'exists') throw new Error('the tenant exists')
		const { id } = await services.open(tenant).create(groupType, { attributes: { displayName: 'Everyone' } })
		const rows = { name: tenant.name, table: tenant.table }
		for (const of of ['letter', 'noise'] as const) {
			await simulator.ask({ tenant: rows, users: largeUsers[of], padding: { bytes: mebibyte - 2000, of } })
		}
		await simulator.ask({ tenant: rows, group: { id, members } })
		const [userId] = await services
			.open(tenant)
			.query(userType, { page: { startIndex: 1, count: 1 } })
			.then(({ resources }) => resources.map((user) => user.id))
		const results: (readonly string[])[] = []
		for (const request of requests(id, userId ?? '').filter(({ name }) => name.includes(only)))
			results.push(await measureAlone(request, [connectionString, file]))
		console.log(
			`${largeUsers.letter + largeUsers.noise} users of 1 MiB, a group of ${members.toLocaleString('en')}; each request alone in a new process\nwith ${instanceOptions.join(' ')}\n`,
		)
		printTable(
			['request', 'status', 's', 'CPU ms', 'longest hold ms', `MB above idle (target ${memoryTarget})`],
			results,
		)
		if (only !== '' && only !== 'together') return
		const together: (readonly string[])[] = []
		for (const count of [4, 16])
			together.push(await measureTogether(count, requests(id, userId ?? ''), [connectionString, file]))
		console.log()
		printTable(['of the worst at once', 'MB above idle', 'MB of each'], together)
	} finally {
		simulator.stop()
		await rm(folder, { recursive: true })
	}
}

const token = 'a-token-for-the-bench-alone'
const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }

async function send(url: string, { method = 'GET', path, body }: WorstRequest): Promise<number> {
	const options = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
	const response = await fetch(`${url}/scim/worst${path}`, options)
	// Read in pieces, so that this process needs no memory for it either.
	for await (const _ of response.body ?? []);
	return response.status
}

const startHost = (args: readonly string[]) =>
	startChild('./host.js', { args, read: z.object({ url: z.url() }).parse, execArgv: instanceOptions })

async function measureAlone(request: WorstRequest, args: readonly string[]): Promise<readonly string[]> {
	const host = await startHost(args)
	try {
		const { url } = host.ready
		for (let warm = 0; warm < 30; warm++)
			await send(url, { name: 'warm', path: '/Users?count=1&filter=userName+eq+"x"' })
		const before = await usage(host)
		const started = performance.now()
		const status = await send(url, request)
		const seconds = (performance.now() - started) / 1000
		const after = await usage(host)
		const above = after.peakMegabytes - before.peakMegabytes
		if (above > memoryTarget) process.exitCode = 1
		return [
			request.name,
			String(status),
			seconds.toFixed(2),
			(after.cpuMilliseconds - before.cpuMilliseconds).toFixed(0),
			after.holdMilliseconds.toFixed(0),
			`${above.toFixed(0)}${above > memoryTarget ? ' MISSED' : ''}`,
		]
	} finally {
		host.stop()
	}
}

/** Requests of all kinds under way at once. A host without a rate begins all of them. */
async function measureTogether(
	count: number,
	all: readonly WorstRequest[],
	args: readonly string[],
): Promise<readonly string[]> {
	const host = await startHost(args)
	try {
		const { url } = host.ready
		for (let warm = 0; warm < 30; warm++)
			await send(url, { name: 'warm', path: '/Users?count=1&filter=userName+eq+"x"' })
		const before = await usage(host)
		const sent = Array.from({ length: count }, (_, index) => all[index % all.length])
		await Promise.all(sent.map((request) => request && send(url, request)))
		const above = (await usage(host)).peakMegabytes - before.peakMegabytes
		return [String(count), above.toFixed(0), (above / count).toFixed(0)]
	} finally {
		host.stop()
	}
}

const usageOf = z.object({ cpuMilliseconds: z.number(), peakMegabytes: z.number(), holdMilliseconds: z.number() })

const usage = async (host: { ask(): Promise<unknown> }) => usageOf.parse(await host.ask())

function requests(groupId: string, userId: string): readonly WorstRequest[] {
	const terms = Array.from({ length: 100 }, (_, index) => `nickName co "y${index}"`).join(' or ')
	const large = 'z'.repeat(mebibyte - 5000)
	const operations = Array.from({ length: 1000 }, (_, index) => ({
		op: 'replace',
		path: `emails[value co "a${index}" or type eq "work"].display`,
		value: `Display ${index}`,
	}))
	return [
		{ name: 'GET a page of 1,000', path: '/Users?count=1000' },
		{ name: 'GET by cursor', path: '/Users?count=1000&cursor' },
		{ name: 'GET a page far on', path: '/Users?count=1000&startIndex=450' },
		{ name: 'sort by title, descending', path: '/Users?count=1000&sortBy=title&sortOrder=descending' },
		{ name: 'sort by a value of 1 MiB', path: '/Users?count=1000&sortBy=nickName' },
		{ name: 'filter without an index', path: '/Users?count=1000&filter=nickName+co+"y"' },
		{
			name: 'filter of 100 terms',
			method: 'POST',
			path: '/Users/.search',
			body: { schemas: [urn.searchRequest], filter: terms },
		},
		{ name: 'filter by the groups of users', path: `/Users?count=1000&filter=groups+eq+"${groupId}"` },
		{ name: 'GET the group', path: `/Groups/${groupId}` },
		{ name: 'GET groups with members', path: '/Groups?count=1000' },
		{
			name: 'POST of 4 MiB',
			method: 'POST',
			path: '/Users',
			body: { schemas: [urn.user], userName: 'large', nickName: 'n'.repeat(4 * mebibyte - 5000) },
		},
		{
			name: 'POST of 1 MiB',
			method: 'POST',
			path: '/Users',
			body: { schemas: [urn.user], userName: 'one', nickName: large },
		},
		{
			name: 'PATCH of 1,000 operations',
			method: 'PATCH',
			path: `/Users/${userId}`,
			body: { schemas: [urn.patchOp], Operations: operations },
		},
		{
			name: 'Bulk of 1,000 operations',
			method: 'POST',
			path: '/Bulk',
			body: {
				schemas: [urn.bulkRequest],
				Operations: Array.from({ length: 1000 }, (_, index) => ({
					method: 'POST',
					path: '/Users',
					bulkId: `b${index}`,
					data: { schemas: [urn.user], userName: `bulk-${index}`, nickName: 'b'.repeat(3500) },
				})),
			},
		},
	]
}
