import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { Agent, request } from 'node:https'
import { readBody } from '../shared/relay/body.ts'
import type { Clock } from '../shared/relay/clock.ts'
import {
	type AgentErrorCode,
	answerHeaders,
	bodyLimit,
	isValidHeaderValue,
	requestHeaders,
} from '../shared/relay/contract.ts'
import type { Config } from './config.ts'
import { briefly } from './log.ts'
import { originFault, originTls } from './origin-tls.ts'
import { readToken } from './secret-file.ts'

export type OriginRequest = {
	readonly method: string
	/** Path and query, already judged. */
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly body: Buffer
	/** Milliseconds until the request is given up. */
	readonly deadline: number
	/** Aborted when nobody waits for the answer any more. */
	readonly signal?: AbortSignal
}

export type OriginAnswer =
	| { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer }
	| { readonly fault: AgentErrorCode; readonly detail: string; readonly originStatus?: number }

/** Asks the SCIM server. Never throws: a failure is a fault with a name. */
export type Forward = (request: OriginRequest) => Promise<OriginAnswer>

const connectLimit = 5000
const interimLimit = 10
const abandoned: OriginAnswer = { fault: 'origin_timeout', detail: 'nobody waits for the answer any more' }

/**
 * How long a connection is kept without use. A write that goes out just when the server closes it is lost, and may not be
 * repeated; the shortest time after which a known server closes is 2 s, of gunicorn. A handshake for each write instead
 * costs 4 ms and two thirds of the requests a second.
 */
const idleTimeout = 1000

type OriginAddress = { readonly host: string; readonly port: number }

export function originOf({ origin }: Config): OriginAddress & { readonly basePath: string } {
	const { hostname, port, pathname } = new URL(origin.url)
	// Sockets take an IPv6 address without its brackets.
	return {
		host: hostname.replace(/^\[(.*)\]$/, '$1'),
		port: Number(port || 443),
		basePath: pathname.replace(/\/$/, ''),
	}
}

export function forwardTo(config: Config, clock: Clock): Forward {
	const { host, port } = originOf(config)
	const { secureContext, ...tls } = originTls(config)
	const options = { host, port, ...tls }
	// One more than requests, for the question how the SCIM server does, which would else wait for its turn among slow ones.
	const maxSockets = config.concurrency + 1
	const agent = new Agent({ keepAlive: true, maxSockets, timeout: idleTimeout, secureContext })
	const authorization = authorizationOf(config)
	const { mode } = config.origin.tls

	return ({ method, path, headers, body, deadline, signal }) =>
		new Promise((resolve) => {
			if (signal?.aborted) return resolve(abandoned)
			let isSent = false
			let isAgreed = false
			let isDone = false
			const sent = { ...allowed(headers), ...authorization(headers), 'accept-encoding': 'identity' }
			const length = body.length > 0 || method !== 'GET' ? { 'content-length': String(body.length) } : {}
			const outgoing = request({ ...options, method, path, agent, headers: { ...sent, ...length } })
			const finish = (answer: OriginAnswer) => {
				if (isDone) return
				isDone = true
				for (const cancel of timers) cancel()
				signal?.removeEventListener('abort', abort)
				resolve(answer)
				if ('fault' in answer) outgoing.destroy()
			}
			const fail = (fault: AgentErrorCode, detail: string) => finish({ fault, detail })
			const abort = () => finish(abandoned)
			signal?.addEventListener('abort', abort)
			const timers = [
				clock.after(
					connectLimit,
					() => isSent || fail('origin_connect_timeout', `no connection within ${connectLimit} ms`),
				),
				clock.after(deadline, () =>
					fail(isSent ? 'origin_timeout' : 'origin_connect_timeout', `no answer within ${deadline} ms`),
				),
			]
			let interim = 0
			outgoing.on(
				'information',
				() => ++interim > interimLimit && fail('origin_bad_response', 'too many interim answers'),
			)
			outgoing.on('socket', (socket) => {
				if (outgoing.reusedSocket) isSent = true
				else {
					// The first keys tell that both sides agree on protocol and cipher; nobody looks at them.
					socket.once('keylog', () => (isAgreed = true))
					socket.once('secureConnect', () => (isSent = true))
				}
			})
			const broken = (error: Error) => fail(originFault(error, { mode, isSent, isAgreed }), briefly(error))
			outgoing.on('error', broken)
			// Nobody has asked for another protocol, and Node tells of it by nothing else.
			outgoing.on('upgrade', (response, socket) => {
				socket.destroy()
				finish(bad(response, `the status is ${response.statusCode}`))
			})
			outgoing.on('response', (response) => {
				receive(response).then(finish, broken)
			})
			outgoing.end(body.length > 0 ? body : undefined)
		})
}

/** The header that opens the SCIM server. By default it is the agent's own, and the cloud's is dropped. */
function authorizationOf({
	origin,
}: Config): (headers: Readonly<Record<string, string>>) => Readonly<Record<string, string>> {
	const { authorization } = origin
	switch (authorization.type) {
		case 'bearer': {
			const token = readToken(authorization.tokenFile)
			return () => ({ authorization: `Bearer ${token}` })
		}
		case 'passThrough':
			return ({ authorization: own }) => (own === undefined || !isValidHeaderValue(own) ? {} : { authorization: own })
		case 'clientCertificate':
			return () => ({})
	}
}

const allowed = (headers: Readonly<Record<string, string>>): Record<string, string> =>
	Object.fromEntries(
		Object.entries(headers).filter(
			([name, value]) => requestHeaders.has(name) && name !== 'authorization' && isValidHeaderValue(value),
		),
	)

async function receive(response: IncomingMessage): Promise<OriginAnswer> {
	const body = await readBody(response, bodyLimit)
	if (body === undefined) return bad(response, `the answer is longer than ${bodyLimit} bytes`)
	const status = response.statusCode ?? 0
	if (status === 502 || status === 504)
		return { ...bad(response, 'a gateway before it failed'), fault: 'origin_unavailable' }
	if (status < 200 || STATUS_CODES[status] === undefined) return bad(response, `the status is ${status}`)
	// That credentials were refused is true whatever it is wrapped in; the administrator is to see it.
	const isTruth = status === 401 || status === 403 || status === 429
	if (body.length > 0 && !isTruth && !isJson(response.headers['content-type'], body))
		return bad(response, `${status} with a body that is not JSON`)
	return { status, headers: kept(response.headers), body }
}

const bad = ({ statusCode = 0 }: IncomingMessage, what: string) =>
	({ fault: 'origin_bad_response', detail: what, originStatus: statusCode }) as const

function isJson(type: string | undefined, body: Buffer): boolean {
	if (!/^application\/(scim\+)?json\b/i.test(type ?? '')) return false
	try {
		JSON.parse(body.toString())
		return true
	} catch (error) {
		if (error instanceof SyntaxError) return false
		throw error
	}
}

const kept = (headers: IncomingMessage['headers']): Record<string, string> =>
	Object.fromEntries(
		Object.entries(headers).flatMap(([name, value]) => {
			const joined = Array.isArray(value) ? value.join(', ') : (value ?? '')
			return answerHeaders.has(name) && isValidHeaderValue(joined) ? [[name, joined]] : []
		}),
	)
