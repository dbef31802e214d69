import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { codeOf, UsageError } from '../shared/cli/usage-error.ts'
import type { Agent } from './agent.ts'
import type { Metrics } from './metrics.ts'
import { isAnswering, type OriginHealth } from './probe.ts'

export type Admin = {
	readonly port: number
	close(): Promise<void>
}

type AdminSources = {
	/** The current agent. A reload of the settings replaces it. */
	readonly agent: () => Agent | undefined
	readonly metrics: Metrics
	readonly version: string
}

/**
 * Serves `/ready`, `/status` and `/metrics` on 127.0.0.1. The answers contain no secret, and no request changes anything.
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
				server.closeAllConnections()
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
	{ agent, metrics, version }: AdminSources,
): Promise<AdminResponse> {
	// A web page can point its own host name at 127.0.0.1 and so reach this port through a local browser (DNS rebinding).
	if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? ''))
		return refusal(403, 'only requests to 127.0.0.1 or localhost are answered')
	if (method !== 'GET' && method !== 'HEAD') return refusal(405, 'only GET and HEAD are supported')
	const current = agent()
	if (current === undefined) return refusal(503, 'the agent is starting')
	const status = current.status()
	switch (url.replace(/\?.*/, '')) {
		case '/ready': {
			const origin = await current.probe()
			const isReady = status.state === 'online' && isAnswering(origin)
			return { status: isReady ? 200 : 503, body: { ...status, state: stateOf(status.state, origin), origin } }
		}
		case '/status': {
			const origin = await current.probe()
			return { status: 200, body: { version, ...status, state: stateOf(status.state, origin), origin } }
		}
		case '/metrics':
			return { status: 200, body: metrics.text(gauges(status)) }
		default:
			return refusal(404, 'the paths are /ready, /status and /metrics')
	}
}

const refusal = (status: number, detail: string): AdminResponse => ({ status, body: { detail } })

/** An agent that listens is degraded while its SCIM server does not respond. */
const stateOf = (state: string, origin: OriginHealth): string =>
	state === 'online' && !isAnswering(origin) ? 'degraded' : state

const gauges = ({ state, channels, underway }: ReturnType<Agent['status']>) => ({
	online: { help: 'Whether the agent listens.', value: state === 'online' ? 1 : 0 },
	channels: { help: 'Open control channels.', value: channels },
	requests_underway: { help: 'Requests in progress.', value: underway },
})

function send(response: ServerResponse, { status, body }: AdminResponse): void {
	const isText = typeof body === 'string'
	const type = isText ? 'text/plain; version=0.0.4; charset=utf-8' : 'application/json'
	const content = isText ? body : `${JSON.stringify(body)}\n`
	response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(content)
}
