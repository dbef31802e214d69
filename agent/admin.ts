import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { codeOf, UsageError } from '../shared/cli/usage-error.ts'
import type { ServerState, SettingsRefusal } from './fleet.ts'
import type { Metrics } from './metrics.ts'
import { agentStatus, type ServerStatus, serverStatus } from './server-status.ts'

export type Admin = {
	readonly port: number
	close(): Promise<void>
}

type AdminSources = {
	/** The servers of the settings with their current agents. A reload of the settings replaces these. */
	readonly servers: () => readonly ServerState[]
	/** Reads the settings again. Returns what was refused. */
	readonly reload: () => Promise<readonly SettingsRefusal[]>
	readonly metrics: Metrics
	readonly version: string
}

/**
 * Serves `/ready`, `/status` and `/metrics` on 127.0.0.1. The answers contain no secret. Nothing can be changed but by
 * `POST /reload`, which reads the settings file again and takes nothing from the request.
 * Throws a UsageError if the port cannot be opened.
 */
export async function startAdmin(port: number, sources: AdminSources): Promise<Admin> {
	const server = createServer((request, response) => {
		respond(request, sources).then(
			(result) => send(response, result),
			(error: unknown) => send(response, { status: 500, body: { detail: String(error) } }),
		)
	})
	const address = await new Promise<ReturnType<typeof server.address>>((resolve, reject) => {
		server.once('error', (error) => reject(unusable(port, error)))
		server.listen(port, '127.0.0.1', () => resolve(server.address()))
	})
	return {
		port: typeof address === 'object' && address !== null ? address.port : port,
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve())
				server.closeIdleConnections()
			}),
	}
}

const unusable = (port: number, error: Error) =>
	new UsageError(`cannot listen on admin.port ${port}: ${codeOf(error) ?? error.message}`, {
		hint: 'Choose another port in admin.port, or remove admin.',
		cause: error,
	})

type AdminResponse = { readonly status: number; readonly body: object | string }

async function respond(
	{ method, url = '', headers }: IncomingMessage,
	{ servers, reload, metrics, version }: AdminSources,
): Promise<AdminResponse> {
	// A web page can point its own host name at 127.0.0.1 and so reach this port through a local browser (DNS rebinding).
	if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? ''))
		return refusal(403, 'only requests to 127.0.0.1 or localhost are answered')
	if (method === 'POST' && url === reloadPath) return reloaded(headers[commandHeader], reload)
	if (method !== 'GET' && method !== 'HEAD') return refusal(405, 'only GET and HEAD are supported')
	const all = servers()
	if (all.length === 0) return refusal(503, 'the agent is starting')
	const { pathname, searchParams } = new URL(url, 'http://127.0.0.1')
	const name = searchParams.get('server')
	const selected = name === null ? all : all.filter(({ config }) => config.name === name)
	if (selected.length === 0) return refusal(404, `no server has this name; the servers are: ${namesOf(all)}`)
	switch (pathname) {
		case '/ready': {
			const statuses = await Promise.all(selected.map(serverStatus))
			const isReady = statuses.every(({ state }) => state === 'online')
			return { status: isReady ? 200 : 503, body: bodyOf(statuses) }
		}
		case '/status':
			return { status: 200, body: { version, ...bodyOf(await Promise.all(selected.map(serverStatus))) } }
		case '/metrics':
			return { status: 200, body: metrics.text(gauges(all.map(agentStatus))) }
		default:
			return refusal(404, 'the paths are /ready, /status and /metrics')
	}
}

export const reloadPath = '/reload'

/** A web page of another origin cannot send this header without asking first, and this port refuses to be asked. */
export const commandHeader = 'rollcall-relay-command'

async function reloaded(command: unknown, reload: AdminSources['reload']): Promise<AdminResponse> {
	if (command !== 'reload') return refusal(403, `a reload needs the header ${commandHeader}: reload`)
	const refused = (await reload()).map(({ cause: _, ...details }) => details)
	return { status: refused.length === 0 ? 200 : 409, body: { refused } }
}

const refusal = (status: number, detail: string): AdminResponse => ({ status, body: { detail } })

const namesOf = (servers: readonly ServerState[]): string =>
	servers.map(({ config }) => config.name ?? 'one without a name').join(', ')

/** The status of one server as it is, and of several in a list with the worst state of them. */
function bodyOf(statuses: readonly ServerStatus[]): object {
	const [first] = statuses
	if (statuses.length === 1 && first !== undefined) return first
	const state = states.find((candidate) => statuses.some((status) => status.state === candidate))
	return { state, servers: statuses }
}

const states: readonly ServerStatus['state'][] = ['failed', 'stopped', 'draining', 'connecting', 'degraded', 'online']

const gauges = (statuses: readonly ServerStatus[]) => {
	const samples = (measure: (status: ServerStatus) => number) =>
		statuses.map((status) => ({ server: status.server, value: measure(status) }))
	return {
		online: { help: 'Whether the agent listens.', samples: samples(({ state }) => (state === 'online' ? 1 : 0)) },
		channels: { help: 'Open control channels.', samples: samples(({ channels }) => channels) },
		requests_underway: { help: 'Requests in progress.', samples: samples(({ underway }) => underway) },
	}
}

function send(response: ServerResponse, { status, body }: AdminResponse): void {
	const isText = typeof body === 'string'
	const type = isText ? 'text/plain; version=0.0.4; charset=utf-8' : 'application/json'
	const content = isText ? body : `${JSON.stringify(body)}\n`
	response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', connection: 'close' }).end(content)
}
