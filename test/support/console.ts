import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { type DeploymentTarget, servedTarget } from '../../cli/target.ts'
import type { TokenStore } from '../../cli/token-store.ts'
import type { ConsoleRoute } from '../../console/route.ts'
import { type RunningConsole, startConsole } from '../../console/server.ts'
import { createSessions } from '../../console/sessions.ts'
import { respondWith } from '../../functions/respond.ts'
import { createServices, type Services } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { type RunningServer, startServer } from '../../local/server.ts'
import { addToken } from '../../shared/auth/file-source.ts'
import type { Send } from '../../shared/storage/table/tables.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'

type ConsoleOptions = {
	/** Milliseconds since 1970, instead of the machine's clock. */
	readonly now?: () => number
	/** What a wrong key waits for. */
	readonly pause?: (milliseconds: number) => Promise<void>
	/** Endpoints that are served besides those of the console. */
	readonly routes?: readonly ConsoleRoute[]
	/** Sees every request of the console to the tables, and may answer it. */
	readonly intercept?: (send: Send) => Send
	/** The tokens, in place of a file. */
	readonly tokens?: () => TokenStore
	/** The folder of the built page. */
	readonly page?: () => URL
}

/** A console with the server and the storage that it stands on. Each test has its own. */
export type TestConsole = {
	readonly console: RunningConsole
	readonly target: DeploymentTarget
	readonly services: Services
	/** The server of the Tenant URLs. */
	readonly server: RunningServer
	/** What the console logged. */
	readonly errors: readonly unknown[]
	/** The session of a new link. */
	session(): Promise<string>
	/** Asks the API in a session of its own. `path` is below `/console/api`. */
	ask(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }>
	/** Adds a tenant with a token, and sends SCIM requests to it. */
	addTenant(name: string, draft?: Partial<Pick<Tenant, 'mode' | 'settings'>>): Promise<ScimClient>
}

type ScimClient = { send(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> }

/** Starts a console for each test of a file. */
export function useConsole(options: ConsoleOptions = {}): () => TestConsole {
	let running: (TestConsole & { readonly end: () => Promise<void> }) | undefined
	beforeEach(async () => {
		running = await start(options)
	})
	afterEach(async () => {
		await running?.end()
	})
	return () => {
		if (running === undefined) throw new Error('the console runs only while tests run')
		return running
	}
}

async function start({ now = Date.now, pause = async () => {}, routes, intercept, tokens, page }: ConsoleOptions) {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-console-'))
	const tokensFile = join(folder, 'tokens.json')
	const azurite = await startAzurite({ memory: true })
	const { connectionString } = azurite
	const services = await createServices({ tables: { connectionString }, tokens: { file: tokensFile } })
	const server = await startServer({ port: 0, respond: respondWith(services) })
	const { tenants } = services
	const commandLine = (command: string) => `rollcall ${command}`
	const opened = await servedTarget({
		...{ connectionString, tokensFile, origin: server.url, tenants, commandLine },
		...(intercept !== undefined && { options: { intercept, pause: async () => {} } }),
	})
	const target = tokens === undefined ? opened : { ...opened, tokens: tokens() }
	const errors: unknown[] = []
	const console = await startConsole({
		...{ target, place: 'the folder data', now, port: 0, sessions: createSessions({ now, randomBytes, pause }) },
		log: (error) => errors.push(error),
		...(routes !== undefined && { routes }),
		...(page !== undefined && { page: page() }),
	})
	const session = async (): Promise<string> => {
		const key = console.newLink().split('#')[1] ?? ''
		const response = await fetch(`${console.url}/console/session`, {
			method: 'POST',
			headers: { Authorization: `Link ${key}`, Origin: console.url },
		})
		const { session } = (await response.json()) as { session: string } // sound: the console's answer
		return session
	}
	return {
		...{ console, target, services, server, errors, session },
		async ask(method: string, path: string, body?: unknown) {
			const response = await fetch(`${console.url}/console/api${path}`, {
				method,
				headers: {
					Authorization: `Bearer ${await session()}`,
					...{ Origin: console.url, ...(body !== undefined && { 'Content-Type': 'application/json' }) },
				},
				...(body !== undefined && { body: JSON.stringify(body) }),
			})
			return answerIn(response)
		},
		async addTenant(name: string, { mode = 'store', settings = {} }: Partial<Tenant> = {}) {
			await tenants.createTenant({ name, mode, settings })
			const value = `a-token-of-${name}`
			await addToken(tokensFile, name, { value, created: new Date().toISOString() })
			return {
				send: async (method: string, path: string, body?: unknown) =>
					answerIn(
						await fetch(`${server.url}/scim/${name}${path}`, {
							method,
							headers: { Authorization: `Bearer ${value}`, 'Content-Type': 'application/scim+json' },
							...(body !== undefined && { body: JSON.stringify(body) }),
						}),
					),
			}
		},
		async end() {
			// A test may have closed it.
			await console.close().catch(() => {})
			await server.close().catch(() => {})
			await Promise.all([services.lastUses.flush(), services.refusals.flush(), services.observations.flush()])
			await azurite.close()
			await rm(folder, { recursive: true })
		},
	}
}

async function answerIn(response: Response): Promise<{ status: number; body: unknown }> {
	const text = await response.text()
	return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

/** Builds the page for a test file. */
export function usePage(): () => URL {
	let folder = ''
	beforeAll(async () => {
		await mkdir('node_modules/.cache', { recursive: true })
		folder = await mkdtemp(resolve('node_modules/.cache/rollcall-page-'))
		const script = `import { buildPage } from './build-page.mjs'; await buildPage(${JSON.stringify(folder)})`
		execFileSync(process.execPath, ['--input-type=module', '--eval', script])
	})
	afterAll(() => rm(folder, { recursive: true }))
	return () => pathToFileURL(`${folder}/`)
}
