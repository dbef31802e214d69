import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { type RequestEvent, respondWith } from '../../functions/respond.ts'
import { createServices, type Services } from '../../functions/services.ts'
import { type RunningServer, startServer } from '../../local/server.ts'
import type { ClientSecret, OAuthClient, Trust } from '../../shared/auth/client.ts'
import { addToken, changeTokens, signingKeysFile } from '../../shared/auth/file-source.ts'
import { storedDigestOf } from '../../shared/auth/tokens.ts'
import { insertClient } from '../../shared/storage/clients.ts'
import { connectTables, type Table, type Tables } from '../../shared/storage/table/tables.ts'
import { useAzurite } from './azurite.ts'
import { createMeter, type Meter } from './meter.ts'
import { never, noFold } from './never.ts'

/** A process with one new tenant, on a loopback port, with a clock that the test moves. */
export type OAuthHost = {
	readonly name: string
	/** `http://127.0.0.1:<port>/scim/<tenant>` */
	readonly url: string
	readonly clock: { time: number }
	readonly events: RequestEvent[]
	readonly meter: Meter
	readonly services: Services
	/** The tenant's own table, as another process sees it. */
	readonly table: Table
	readonly tables: Tables
	/** Stores a client, as `rollcall client add` does. */
	add(client: OAuthClient): Promise<void>
	/** Disables the signing key and adds another one. */
	endKey(): Promise<void>
	/** Asks the token endpoint with a form. */
	ask(form: Readonly<Record<string, string>> | string, headers?: Readonly<Record<string, string>>): Promise<TokenReply>
	/** Asks for users with a token, and answers the status. */
	use(token: string, method?: string): Promise<number>
}

export type TokenReply = {
	readonly status: number
	readonly headers: Headers
	// biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
	readonly body: any
}

export const start = Date.UTC(2026, 0, 1)

export const secretOf = (value: string, options: Partial<ClientSecret> = {}): ClientSecret => ({
	id: `id-of-${value}`,
	digest: storedDigestOf(value),
	created: new Date(start).toISOString(),
	expires: new Date(start + 365 * 86_400_000).toISOString(),
	...options,
})

export const secretClient = (
	id: string,
	secrets: readonly ClientSecret[],
	more: Partial<OAuthClient> = {},
): OAuthClient =>
	({
		kind: 'secret',
		id,
		scope: 'scim',
		created: new Date(start).toISOString(),
		secrets: [...secrets],
		...more,
	}) as OAuthClient // sound: the callers give properties that clients with secrets have

export const trustingClient = (kind: 'federation' | 'reader', id: string, trust: Trust): OAuthClient => ({
	kind,
	id,
	scope: kind === 'reader' ? 'scim.read' : 'scim',
	created: new Date(start).toISOString(),
	trust,
})

type Options = {
	readonly fetch?: typeof fetch
	/** Starts another process for a tenant that another host has made. */
	readonly beside?: OAuthHost
	/** Without a signing key. */
	readonly withoutKey?: true
}

/** Call the result inside a test. */
export function useOAuthHost(): (options?: Options) => Promise<OAuthHost> {
	const azurite = useAzurite()
	const running: RunningServer[] = []
	let folder = ''
	let tenants = 0
	beforeAll(async () => {
		folder = await mkdtemp(join(tmpdir(), 'rollcall-oauth-'))
	})
	afterAll(async () => {
		for (const server of running) await server.close()
		await rm(folder, { recursive: true })
	})

	return async ({ fetch: get, beside, withoutKey } = {}) => {
		const { connectionString } = azurite()
		const tables: Tables = connectTables({ connectionString })
		const name = beside?.name ?? `tenant-${++tenants}`
		const file = join(folder, `${name}.json`)
		const clock = beside?.clock ?? { time: start }
		const meter = createMeter()
		const events: RequestEvent[] = []
		const services = await createServices(
			{ tables: { connectionString }, tokens: { file } },
			{
				intercept: meter.intercept,
				now: () => clock.time,
				later: never,
				random: noFold,
				...(get !== undefined && { fetch: get }),
			},
		)
		if (beside === undefined) {
			await services.tenants.createTenant({ name, mode: 'store', settings: {} })
			await addToken(file, name, { value: `a-token-of-${name}`, created: new Date(start).toISOString() })
			if (withoutKey === undefined) {
				const value = randomBytes(32).toString('base64url')
				await addToken(signingKeysFile(file), name, { value, created: new Date(start).toISOString() })
			}
		}
		const tenant = await services.tenants.getTenant(name)
		if (tenant === undefined) throw new Error('the tenant was created')
		const table = tables.table(tenant.table, name)
		const server = await startServer({ port: 0, respond: respondWith(services), log: (event) => events.push(event) })
		running.push(server)
		const url = `${server.url}/scim/${name}`
		return {
			...{ name, url, clock, events, meter, services, table, tables },
			add: (client) => insertClient(table, tables.pause, { id: client.id, json: JSON.stringify(client) }),
			endKey: () =>
				changeTokens(signingKeysFile(file), name, () => [
					{ value: randomBytes(32).toString('base64url'), created: new Date(clock.time).toISOString() },
				]),
			async ask(form, headers = {}) {
				const body = typeof form === 'string' ? form : new URLSearchParams(form).toString()
				const type = { 'Content-Type': 'application/x-www-form-urlencoded' }
				const response = await fetch(`${url}/oauth2/token`, { method: 'POST', headers: { ...type, ...headers }, body })
				return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
			},
			async use(token, method = 'GET') {
				const response = await fetch(`${url}/Users${method === 'DELETE' ? '/x' : '?startIndex=1&count=1'}`, {
					method,
					headers: { Authorization: `Bearer ${token}` },
				})
				await response.text()
				return response.status
			},
		}
	}
}
