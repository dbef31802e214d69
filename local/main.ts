import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type RequestEvent, respondWith } from '../functions/respond.ts'
import { createServices, type Services } from '../functions/services.ts'
import { burstOf } from '../functions/settings.ts'
import { sweepAll, sweepEvery } from '../functions/sweep.ts'
import { addToken, tokensIn } from '../shared/auth/file-source.ts'
import { onEnter } from '../shared/cli/on-enter.ts'
import { codeOf, explained, UsageError } from '../shared/cli/usage-error.ts'
import { startAzurite } from './azurite.ts'
import { readCertificate } from './certificate.ts'
import { serveConsole } from './console.ts'
import { howTo } from './how-to.ts'
import { keepUrl } from './last-url.ts'
import { help, type LocalOptions, parseOptions } from './options.ts'
import { requestLine } from './request-line.ts'
import { type RunningServer, type ServerOptions, startServer } from './server.ts'

// Standard output has the how-to and one line for each request. Errors go to standard error as `error: …` and `hint: …`.
// Exit codes: 0 stopped, 1 failed, 2 a problem that the user can fix.

try {
	const options = parseOptions(process.argv.slice(2))
	if (options === 'help') console.log(help)
	else await serve(options)
} catch (error) {
	if (error instanceof UsageError) console.error(`error: ${error.message}\nhint: ${error.hint}`)
	else console.error(error)
	process.exit(error instanceof UsageError ? 2 : 1)
}

async function serve(options: LocalOptions): Promise<void> {
	const tls = options.tls && (await readCertificate(options.tls))
	const dataFolder = await dataFolderOf(options)
	const azurite = await startAzurite(dataFolder.isKept ? { folder: dataFolder.folder } : { memory: true })
	const stop = async ({ server, services, page }: Running = {}): Promise<void> => {
		await Promise.all([server?.close(), page?.close()])
		await Promise.all([services?.lastUses.flush(), services?.refusals.flush(), services?.observations.flush()])
		await azurite.close()
		await dataFolder.remove()
	}
	try {
		const file = join(dataFolder.folder, 'tokens.json')
		const tenants = await provideTokens(file, options)
		const { connectionString } = azurite
		const { rate: perSecond } = options
		const rate = perSecond === undefined ? {} : { rate: { perSecond, burst: burstOf(perSecond) } }
		const services = await createServices({ tables: { connectionString }, tokens: { file }, ...rate })
		for (const { name } of tenants) await services.tenants.createTenant({ name, mode: 'store', settings: {} })
		const respond = respondWith(services)
		sweepNowAndThen(services)
		const server = await listen({ port: options.port, respond, log: logLine, ...(tls && { tls }) })
		const data = dataFolder.isKept ? dataFolder.folder : undefined
		const page = options.hasConsole
			? await serveConsole({
					...{ connectionString, tokensFile: file, tenants: services.tenants, origin: server.url, data },
					port: options.port === 0 ? 0 : undefined,
				})
			: undefined
		stopOnSignal(() => stop({ server, services, page }))
		if (data !== undefined && options.port !== 0) await keepUrl(data, server.url)
		console.log(howTo({ url: server.url, tenants, data, consoleLink: page?.newLink() }))
		newLinkOnEnter(page)
	} catch (error) {
		await stop()
		throw error
	}
}

type ConsolePage = Awaited<ReturnType<typeof serveConsole>>

type Running = {
	readonly server?: RunningServer
	readonly services?: Services
	readonly page?: ConsolePage | undefined
}

/** A link works once, so that Enter in the terminal prints another one. */
function newLinkOnEnter(page: ConsolePage | undefined): void {
	if (page !== undefined) onEnter(process.stdin, () => console.log(`Console       ${page.newLink()}`))
}

/** Sweeps at the start and at intervals, as the timer does in Azure. The start finishes what a killed process has left. */
function sweepNowAndThen(services: Services): void {
	const sweep = (): void => {
		sweepAll(services, ({ tenant, errors }) => {
			for (const error of errors) console.error(`sweep of ${tenant}:`, error)
		}).catch((error: unknown) => console.error('sweep:', error))
	}
	sweep()
	setInterval(sweep, sweepEvery).unref()
}

type DataFolder = { readonly folder: string; readonly isKept: boolean; remove(): Promise<void> }

/** The folder for data and tokens. If the data is in memory, a temporary folder for the tokens. */
async function dataFolderOf({ data }: LocalOptions): Promise<DataFolder> {
	if (data !== undefined) return { folder: resolve(data), isKept: true, remove: async () => {} }
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-'))
	return { folder, isKept: false, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** Makes sure that every tenant has a token, and returns the newest one of each. */
function provideTokens(file: string, { tenants, token }: LocalOptions) {
	const provide = async (name: string) => {
		const now = Date.now()
		const existing = await tokensIn(file, name, now)
		const value = token ?? existing[0] ?? randomBytes(32).toString('base64url')
		if (!existing.includes(value)) await addToken(file, name, { value, created: new Date(now).toISOString() })
		return { name, token: value }
	}
	return explained('the tokens cannot be used', 'correct the file, or choose another folder with --data', async () => {
		const provided = []
		for (const name of tenants) provided.push(await provide(name))
		return provided
	})
}

async function listen(options: ServerOptions): Promise<RunningServer> {
	try {
		return await startServer(options)
	} catch (error) {
		const problem = { EADDRINUSE: 'is in use', EACCES: 'needs more rights' }[String(codeOf(error))]
		if (problem === undefined) throw error
		throw new UsageError(`port ${options.port} ${problem}`, { hint: 'choose another port with --port', cause: error })
	}
}

/** The first signal waits for requests in progress. A second signal ends the process at once. */
function stopOnSignal(stop: () => Promise<void>): void {
	let isStopping = false
	const onSignal = (): void => {
		if (isStopping) process.exit(1)
		isStopping = true
		stop().then(
			() => process.exit(0),
			(error: unknown) => {
				console.error(error)
				process.exit(1)
			},
		)
	}
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
}

function logLine(event: RequestEvent): void {
	console.log(requestLine(event))
	const { requestId, detail, error } = event
	// The sentence of a refusal is in the line. Its stack would say nothing more.
	const isSaid = error instanceof Error && error.message === detail
	if (error !== undefined && !isSaid) console.error(`request ${requestId}:`, error)
}
