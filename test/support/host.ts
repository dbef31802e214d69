import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import type { RelaySettings } from '../../functions/relay/relay.ts'
import { type RequestEvent, respondWith } from '../../functions/respond.ts'
import { createServices, type Services } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { type RunningServer, startServer } from '../../local/server.ts'
import { addToken } from '../../shared/auth/file-source.ts'
import { keyVaultSource } from '../../shared/auth/key-vault-source.ts'
import { tokenVerifier } from '../../shared/auth/tokens.ts'
import { parseOwnSchemas } from '../../shared/scim/own-schema.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import type { Pause } from '../../shared/storage/table/retry.ts'
import type { Send } from '../../shared/storage/table/tables.ts'
import type { IndexDefinition } from '../../shared/tenants/index-definition.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import type { KeyVault } from './key-vault.ts'
import { createMeter, type Meter } from './meter.ts'
import { never, noFold } from './never.ts'

export type ScimAnswer = {
	readonly status: number
	readonly headers: Headers
	/** The JSON value of the body; undefined if there is none. */
	// biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
	readonly body: any
}

export type RequestOptions = {
	/** A value is sent as JSON, strings and bytes unchanged. */
	readonly body?: unknown
	readonly headers?: Readonly<Record<string, string>>
}

/** A new tenant on the running loopback host. */
export type Host = {
	/** `http://127.0.0.1:<port>/scim/<tenant>` */
	readonly baseUrl: string
	readonly token: string
	/** The events that the host has logged for this tenant. */
	readonly events: readonly RequestEvent[]
	/** Counts the requests to the table service, of all tenants. */
	readonly meter: Meter
	/** Gives the tenant's data another format. The host learns it within a minute. */
	setFormat(number: number): Promise<void>
	/** Sends one request. `path` is below the base URL and is sent unchanged. */
	request(method: string, path: string, options?: RequestOptions): Promise<ScimAnswer>
	/** The tenant's directory, as the app opens it. */
	directory(): Promise<ResourceStore>
	/** Declares these schemas in place of all schemas of the tenant. */
	declare(schemas: unknown): Promise<void>
	/** Creates a resource and returns it. */
	create(endpoint: '/Users' | '/Groups', body: unknown): Promise<ScimAnswer['body']>
}

type Options = {
	readonly intercept?: (send: Send) => Send
	/** Read when the host starts. */
	readonly relay?: () => RelaySettings
	/** Replaces the pauses between retries of a request to the table service. */
	readonly pause?: Pause
	/** The settings of the tokens, instead of a file; read when the host starts. */
	readonly vault?: () => KeyVault
	/** The origin of the URLs in answers, instead of the address of the host. */
	readonly publicOrigin?: string
	/** Milliseconds since 1970, instead of the machine's clock. */
	readonly now?: () => number
	/** Gets every event of the host, including those without a tenant. */
	readonly log?: (event: RequestEvent) => void
}

type TenantDraft = Partial<Pick<Tenant, 'mode' | 'settings'>> & {
	/** The format of the tenant's data; that of new tenants if left out. */
	readonly format?: number
	/** Documents of the tenant's own schemas. */
	readonly schemas?: unknown
	readonly indexes?: readonly IndexDefinition[]
}

/** Starts the loopback host on an emulated table service for a test file. Each call of the result creates a tenant. */
export function useHost({
	intercept = (send) => send,
	relay,
	pause,
	vault,
	publicOrigin,
	now,
	log = () => {},
}: Options = {}): (draft?: TenantDraft) => Promise<Host> {
	const meter = createMeter()
	const events: RequestEvent[] = []
	const record = (event: RequestEvent): void => {
		events.push(event)
		log(event)
	}
	let running: { folder: string; server: RunningServer; azurite: Awaited<ReturnType<typeof startAzurite>> } | undefined
	let services: Services | undefined
	let made = 0

	beforeAll(async () => {
		const folder = await mkdtemp(join(tmpdir(), 'rollcall-test-'))
		const azurite = await startAzurite({ memory: true })
		const settings = {
			tables: { connectionString: azurite.connectionString },
			tokens: { file: join(folder, 'tokens.json') },
			...(relay && { relay: relay() }),
			...(publicOrigin && { publicOrigin }),
		}
		const created = await createServices(settings, {
			intercept: (send) => meter.intercept(intercept(send)),
			...(pause && { pause }),
			...(now && { now }),
			later: never,
			random: noFold,
		})
		services = vault === undefined ? created : { ...created, authenticate: verifierOf(vault(), created) }
		const server = await startServer({ port: 0, respond: respondWith(services), log: record })
		running = { folder, server, azurite }
	})

	afterAll(async () => {
		await running?.server.close()
		await running?.azurite.close()
		if (running !== undefined) await rm(running.folder, { recursive: true })
	})

	return async ({
		mode = 'store',
		settings = mode === 'store' ? { unknownAttributes: 'ignore' } : {},
		schemas,
		indexes,
		format,
	} = {}) => {
		if (running === undefined || services === undefined) throw new Error('the host runs only while tests run')
		const name = `tenant-${++made}`
		const token = `a-token-of-${name}`
		const now = new Date()
		if (vault === undefined) {
			await addToken(join(running.folder, 'tokens.json'), name, { value: token, created: now.toISOString() })
		} else vault().add(`scim-token-${name}`, { value: token, created: Math.floor(now.getTime() / 1000) })
		await services.tenants.createTenant({ name, mode, settings })
		const { tenants, open } = services
		const setFormat = async (number: number): Promise<void> => {
			await tenants.updateFormat(name, () => ({ number, stage: 'complete', since: 0, position: '' }))
		}
		if (format !== undefined) await setFormat(format)
		const declare: Host['declare'] = async (documents) => {
			await tenants.updateSchemas(name, () => (documents === undefined ? [] : parseOwnSchemas(documents)))
		}
		if (schemas !== undefined) await declare(schemas)
		if (indexes !== undefined) await services.tenants.updateIndexes(name, () => indexes)
		const baseUrl = `${running.server.url}/scim/${name}`
		const request: Host['request'] = (method, path, options = {}) =>
			send(`${baseUrl}${path}`, { method, token, ...options })
		return {
			baseUrl,
			token,
			get events() {
				return events.filter(({ tenant }) => tenant === name)
			},
			meter,
			setFormat,
			request,
			declare,
			async directory() {
				const tenant = await tenants.getTenant(name)
				if (tenant === undefined) throw new Error('there is a tenant')
				return open(tenant)
			},
			async create(endpoint, body) {
				const created = await request('POST', endpoint, { body })
				if (created.status !== 201) throw new Error(`${endpoint}: ${created.status} ${JSON.stringify(created.body)}`)
				return created.body
			},
		}
	}
}

/** Verifies tokens as the app does in Azure, except for the certificate of the vault and the identity of the app. */
function verifierOf({ url, certificate, credential }: KeyVault, { tenants, now }: Services) {
	const client = {
		disableChallengeResourceVerification: true,
		tlsOptions: { ca: certificate },
		retryOptions: { maxRetries: 2, retryDelayInMs: 0, maxRetryDelayInMs: 0 },
	}
	const source = keyVaultSource({ vaultUrl: url, credential, client })
	return tokenVerifier({ source, isTenant: async (name) => (await tenants.getTenant(name)) !== undefined, now })
}

type Sent = RequestOptions & { readonly method: string; readonly token: string }

async function send(url: string, { method, token, body, headers = {} }: Sent): Promise<ScimAnswer> {
	const response = await fetch(url, {
		method,
		headers: {
			authorization: `Bearer ${token}`,
			...(body !== undefined && { 'content-type': 'application/scim+json; charset=utf-8' }),
			...headers,
		},
		...(body !== undefined && { body: contentOf(body) }),
	})
	const text = await response.text()
	return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}

function contentOf(body: unknown): string | Uint8Array<ArrayBuffer> {
	if (body instanceof Uint8Array) return new Uint8Array(body)
	return typeof body === 'string' ? body : JSON.stringify(body)
}
