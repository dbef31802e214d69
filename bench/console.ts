import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { servedTarget } from '../cli/target.ts'
import { startConsole } from '../console/server.ts'
import { createSessions } from '../console/sessions.ts'
import { createServices } from '../functions/services.ts'
import { groupType, userType } from '../shared/scim/resource-type.ts'
import { startChild } from './child.ts'
import { printTable } from './measure.ts'

const users = 200_000
const members = 1_000_000
const times = 7

/**
 * Prints how long the console takes to answer what its pages ask, for a tenant with 200,000 people and a group of a million
 * members. The table service is the simulator, behind HTTP in another process.
 */
export async function consolePages(): Promise<void> {
	const read = z.object({ connectionString: z.string() }).parse
	const simulator = await startChild('./simulator.js', { args: [], read, execArgv: ['--max-old-space-size=12000'] })
	try {
		const { connectionString } = simulator.ready
		const services = await createServices({ tables: { connectionString }, tokens: { file: 'unused' } })
		const tenant = await services.tenants.createTenant({ name: 'large', mode: 'store', settings: {} })
		if (tenant === 'exists') throw new Error('the tenant exists')
		const store = services.open(tenant)
		const group = await store.create(groupType, { attributes: { displayName: 'Everyone' } })
		const joy = await store.create(userType, { attributes: { userName: 'joy@example.com', displayName: 'Joy Li' } })
		const { name, table } = tenant
		await simulator.ask({ tenant: { name, table }, users, group: { id: group.id, members } })
		const served = { connectionString, tokensFile: 'unused', origin: 'http://127.0.0.1', tenants: services.tenants }
		const target = await servedTarget({ ...served, commandLine: (command) => `rollcall ${command}` })
		const sessions = createSessions({ now: Date.now, randomBytes, pause: async () => {} })
		const console = await startConsole({ target, place: 'a bench', now: Date.now, port: 0, sessions, log: () => {} })
		try {
			const ask = await sessionOf(console)
			const rows = await inOrder(pagesOf({ joy: joy.id, group: group.id }), async ([page, path]) => [
				page,
				...(await timed(ask, path)),
			])
			printTable(['200,000 people, a group of a million', 'first ms', 'median ms'], rows)
		} finally {
			await console.close()
		}
	} finally {
		simulator.stop()
	}
}

type ConsoleClient = (path: string) => Promise<void>

async function sessionOf({ url, newLink }: Awaited<ReturnType<typeof startConsole>>): Promise<ConsoleClient> {
	const link = await fetch(`${url}/console/session`, {
		method: 'POST',
		headers: { Authorization: `Link ${newLink().split('#')[1] ?? ''}`, Origin: url },
	})
	const { session } = z.object({ session: z.string() }).parse(await link.json())
	return async (path) => {
		const answer = await fetch(`${url}/console/api/tenants/large${path}`, {
			headers: { Authorization: `Bearer ${session}` },
		})
		const text = await answer.text()
		if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`)
	}
}

const pagesOf = ({
	joy,
	group,
}: {
	readonly joy: string
	readonly group: string
}): readonly (readonly [string, string])[] => [
	['how the tenant is doing', '/summary'],
	['what happens', '/activity'],
	['a search', '/search?text=filled-1'],
	['a person', `/resources/${joy}`],
	['groups of a person', `/resources/${joy}/groups`],
	['timeline of a person', `/resources/${joy}/history`],
	['first members', `/resources/${group}/members`],
	['last members', `/resources/${group}/members?before=`],
	['timeline of a group', `/resources/${group}/history`],
	['failures', '/failures'],
]

async function inOrder<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
	const results: R[] = []
	for (const item of items) results.push(await work(item))
	return results
}

/** The time of the first answer, and the median. */
async function timed(ask: ConsoleClient, path: string): Promise<readonly [string, string]> {
	const taken: number[] = []
	for (let time = 0; time < times; time++) {
		const begun = performance.now()
		await ask(path)
		taken.push(performance.now() - begun)
	}
	const [first = 0] = taken
	const median = taken.toSorted((a, b) => a - b)[Math.floor(times / 2)] ?? 0
	return [first.toFixed(1), median.toFixed(1)]
}
