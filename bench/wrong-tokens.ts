import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { respondWith } from '../functions/respond.ts'
import { createServices } from '../functions/services.ts'
import { addToken } from '../shared/auth/file-source.ts'
import { startChild } from './child.ts'
import { printTable, quantile } from './measure.ts'

const tenants = 50
const floodSize = 2000

/** Prints the times of wrong tokens for tenants and for made-up names side by side, before and during a flood. */
export async function wrongTokens(): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'))
	const tokens = join(folder, 'tokens.json')
	const azurite = await startChild('./azurite.js', { args: [], read: z.object({ connectionString: z.string() }).parse })
	try {
		const { connectionString } = azurite.ready
		const { tenants: registry } = await createServices({ tables: { connectionString }, tokens: { file: tokens } })
		for (let index = 0; index < tenants; index++) {
			const name = `tenant-${index}`
			await registry.createTenant({ name, mode: 'store', settings: {} })
			await addToken(tokens, name, { value: `the-token-of-${name}`, created: new Date().toISOString() })
		}
		const start = () => startEdge(connectionString, tokens)
		const warm = await start()
		for (let index = 0; index < tenants; index++) await warm(`tenant-${index}`)
		for (let index = 0; index < floodSize; index++) await warm(`flood-${index}`)
		printTable(
			['wrong token for', 'tenant p50 ms', 'made up p50', 'tenant p95', 'made up p95'],
			[
				await row('a name that is asked for the first time', await start(), tenants / 2),
				await row('a name that is asked for again, during a flood', warm, tenants),
			],
		)
	} finally {
		azurite.stop()
		await rm(folder, { recursive: true })
	}
}

type WrongToken = (tenant: string) => Promise<unknown>

/** A process that has just started, as a function that sends a wrong token. */
async function startEdge(connectionString: string, file: string): Promise<WrongToken> {
	const respond = respondWith(await createServices({ tables: { connectionString }, tokens: { file } }))
	const headers = new Headers({ authorization: 'Bearer a-wrong-token' })
	return async (tenant) => {
		const url = `https://localhost/scim/${tenant}/Users`
		const request = { method: 'GET', url, headers, arrayBuffer: async () => new ArrayBuffer(0) }
		const { status } = await respond(request, randomUUID(), () => {})
		if (status !== 401) throw new Error(`${tenant}: ${status}`)
	}
}

/** Asks for tenants and made-up names by turns, so that both meet the same machine. */
async function row(name: string, ask: WrongToken, count: number): Promise<string[]> {
	const tenant: number[] = []
	const madeUp: number[] = []
	for (let index = 0; index < count; index++) {
		tenant.push(await millisecondsOf(() => ask(`tenant-${index}`)))
		madeUp.push(await millisecondsOf(() => ask(`made-up-${index}`)))
	}
	const shown = [quantile(tenant, 0.5), quantile(madeUp, 0.5), quantile(tenant, 0.95), quantile(madeUp, 0.95)]
	return [name, ...shown.map((milliseconds) => milliseconds.toFixed(3))]
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
	const started = performance.now()
	await work()
	return performance.now() - started
}
