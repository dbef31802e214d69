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
	/** The agent that listens now; another one after the settings were read again. */
	readonly agent: () => Agent | undefined
	readonly metrics: Metrics
	readonly version: string
}

/**
 * Tells who is on this machine how the agent does: `/ready`, `/status` and `/metrics`. It has no secret to tell and
 * nothing that it could be told to do. Throws a UsageError when the port cannot be had.
 */
export async function startAdmin(port: number, sources: AdminSources): Promise<Admin> {
	const server = createServer((request, response) => {
		answer(request, sources).then(
			(reply) => send(response, reply),
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
	new UsageError(`admin.port ${port} cannot be listened on: ${codeOf(error) ?? error.message}`, {
		hint: 'Choose another one in admin.port, or leave admin out.',
		cause: error,
	})

type AdminResponse = { readonly status: number; readonly body: object | string }

async function answer(
	{ method, url = '', headers }: IncomingMessage,
	{ agent, metrics, version }: AdminSources,
): Promise<AdminResponse> {
	// A page in a browser of this machine may reach the port by a name of its own that leads here.
	if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? '')) return refusal(403, 'this is for 127.0.0.1 alone')
	if (method !== 'GET' && method !== 'HEAD') return refusal(405, 'there is nothing to do here but to look')
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
			return refusal(404, 'there are /ready, /status and /metrics')
	}
}

const refusal = (status: number, detail: string): AdminResponse => ({ status, body: { detail } })

/** An agent that listens for a SCIM server that does not answer is of no use. */
const stateOf = (state: string, origin: OriginHealth): string =>
	state === 'online' && !isAnswering(origin) ? 'degraded' : state

const gauges = ({ state, channels, underway }: ReturnType<Agent['status']>) => ({
	online: { help: 'Whether the agent listens.', value: state === 'online' ? 1 : 0 },
	channels: { help: 'Control channels that are open.', value: channels },
	requests_underway: { help: 'Requests that are being answered.', value: underway },
})

function send(response: ServerResponse, { status, body }: AdminResponse): void {
	const isText = typeof body === 'string'
	const type = isText ? 'text/plain; version=0.0.4; charset=utf-8' : 'application/json'
	const content = isText ? body : `${JSON.stringify(body)}\n`
	response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(content)
}
