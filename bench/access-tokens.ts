import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { respondWith } from '../functions/respond.ts'
import { createServices } from '../functions/services.ts'
import type { OAuthClient } from '../shared/auth/client.ts'
import { addToken, signingKeysFile } from '../shared/auth/file-source.ts'
import { storedDigestOf } from '../shared/auth/tokens.ts'
import { insertClient } from '../shared/storage/clients.ts'
import { connectTables } from '../shared/storage/table/tables.ts'
import { startChild } from './child.ts'
import { printTable, quantile } from './measure.ts'

const rounds = 2000

type Measured = { readonly cpu: number; readonly p50: number; readonly p95: number; readonly storage: number }

/** Prints what a request costs with a static token and with an access token, and what an access token costs. */
export async function accessTokens(): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'))
	const file = join(folder, 'tokens.json')
	const azurite = await startChild('./azurite.js', { args: [], read: z.object({ connectionString: z.string() }).parse })
	try {
		const ask = await start(azurite.ready.connectionString, file)
		const { body } = await ask.token()
		const token = String(JSON.parse(body).access_token)
		const measured = {
			'a static token': await measure(ask, () => ask.read('a-static-token')),
			'an access token': await measure(ask, () => ask.read(token)),
			'making an access token': await measure(ask, () => ask.token()),
		}
		printTable(
			['', 'CPU ms', 'p50 ms', 'p95 ms', 'storage requests'],
			Object.entries(measured).map(([name, { cpu, p50, p95, storage }]) => [
				...[name, cpu.toFixed(3), p50.toFixed(2), p95.toFixed(2), String(storage)],
			]),
		)
	} finally {
		azurite.stop()
		await rm(folder, { recursive: true })
	}
}

type BenchEdge = Awaited<ReturnType<typeof start>>

async function start(connectionString: string, file: string) {
	const counted = { requests: 0 }
	const services = await createServices(
		{ tables: { connectionString }, tokens: { file } },
		{
			later: () => () => {},
			intercept: (send) => (request) => {
				counted.requests++
				return send(request)
			},
		},
	)
	const tenant = await services.tenants.createTenant({ name: 'bench', mode: 'store', settings: {} })
	if (tenant === 'exists') throw new Error('the tenant is new')
	const now = new Date()
	const created = now.toISOString()
	await addToken(file, 'bench', { value: 'a-static-token', created })
	await addToken(signingKeysFile(file), 'bench', { value: randomBytes(32).toString('base64url'), created })
	const expires = new Date(now.getTime() + 86_400_000).toISOString()
	const secret = { id: 's', digest: storedDigestOf('a-secret'), created, expires }
	const client: OAuthClient = { kind: 'secret', id: 'client', scope: 'scim', created, secrets: [secret] }
	const tables = connectTables({ connectionString })
	const stored = { id: client.id, json: JSON.stringify(client) }
	await insertClient(tables.table(tenant.table, tenant.name), tables.pause, stored)

	const respond = respondWith(services)
	const send = async (method: string, path: string, headers: Record<string, string>, text = '') => {
		const bytes = new TextEncoder().encode(text)
		const url = `https://localhost/scim/bench/${path}`
		const request = { method, url, headers: new Headers(headers), arrayBuffer: async () => bytes.slice().buffer }
		const answer = await respond(request, randomUUID(), () => {})
		if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.body}`)
		return { body: String(answer.body) }
	}
	const form = 'grant_type=client_credentials&client_id=client&client_secret=a-secret'
	return {
		counted,
		read: (token: string) => send('GET', 'ServiceProviderConfig', { authorization: `Bearer ${token}` }),
		token: () => send('POST', 'oauth2/token', { 'content-type': 'application/x-www-form-urlencoded' }, form),
	}
}

/** The cost of one request, at at most 90 a second, which is less than a client may ask for. */
async function measure({ counted }: BenchEdge, work: () => Promise<unknown>): Promise<Measured> {
	for (let count = 0; count < 50; count++) await paced(work)
	counted.requests = 0
	const times: number[] = []
	let cpu = 0
	for (let count = 0; count < rounds; count++) {
		const { milliseconds, processor } = await paced(work)
		times.push(milliseconds)
		cpu += processor
	}
	return { cpu: cpu / rounds, p50: quantile(times, 0.5), p95: quantile(times, 0.95), storage: counted.requests }
}

async function paced(work: () => Promise<unknown>) {
	const before = process.cpuUsage()
	const started = performance.now()
	await work()
	const milliseconds = performance.now() - started
	const { user, system } = process.cpuUsage(before)
	await new Promise((resolve) => setTimeout(resolve, 11))
	return { milliseconds, processor: (user + system) / 1000 }
}
