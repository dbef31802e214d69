import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { Clock } from '../shared/relay/clock.ts'
import { type AgentErrorCode, isValidHeaderValue, requestHeaders } from '../shared/relay/contract.ts'
import type { Config } from './config.ts'
import { briefly } from './log.ts'
import { badResponse, type OriginAnswer, readOriginAnswer } from './origin-answer.ts'
import { originFault, originTls } from './origin-tls.ts'
import { readToken } from './secret-file.ts'
import type { StartCheck } from './start-check.ts'

export type OriginRequest = {
	readonly method: string
	/** Path and query. The caller has checked them. */
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly body: Buffer
	/** Milliseconds until the request fails with a timeout. */
	readonly deadline: number
	/** Aborted when the answer is no longer needed. */
	readonly signal?: AbortSignal
	/** Asked when the connection is open, before the first byte. */
	readonly check?: StartCheck | undefined
	/** Gets the answer that comes after the deadline, or the failure. If absent, or too many are late, the request ends. */
	readonly late?: ((answer: OriginAnswer) => void) | undefined
}

/** Sends a request to the SCIM server. Never rejects: a failure is a `fault`. */
export type Forward = (request: OriginRequest) => Promise<OriginAnswer>

const connectLimit = 5000
const interimLimit = 10
const abandoned: OriginAnswer = { fault: 'origin_timeout', detail: 'the sender has disconnected' }

/**
 * Milliseconds after which an idle connection is closed, before the server closes it. If the server closes during a write,
 * the write is lost and must not be repeated. The shortest known timeout of a server is 2 s (gunicorn). Without kept
 * connections each write costs a handshake of 4 ms, and throughput falls by two thirds.
 */
const idleTimeout = 1000

/** How many writes may wait for a late answer, and for how many milliseconds each. */
const lingerLimit = 16
const lingerTime = 600_000

type OriginAddress = { readonly host: string; readonly port: number }

export function originOf({ origin }: Pick<Config, 'origin'>): OriginAddress & { readonly basePath: string } {
	const { hostname, port, pathname } = new URL(origin.url)
	// A socket needs an IPv6 address without brackets.
	return {
		host: hostname.replace(/^\[(.*)\]$/, '$1'),
		port: Number(port || 443),
		basePath: pathname.replace(/\/$/, ''),
	}
}

export function forwardTo(config: Pick<Config, 'origin' | 'concurrency'>, clock: Clock): Forward {
	const { host, port } = originOf(config)
	const { secureContext, ...tls } = originTls(config)
	const options = { host, port, ...tls }
	// One more than needed, so that the health check does not wait behind slow requests.
	const maxSockets = config.concurrency + lingerLimit + 1
	const agent = new Agent({ keepAlive: true, maxSockets, timeout: idleTimeout, secureContext })
	const authorization = authorizationOf(config)
	const { mode } = config.origin.tls

	let lingering = 0

	return ({ method, path, headers, body, deadline, signal, check, late }) =>
		new Promise((resolve) => {
			if (signal?.aborted) return resolve(abandoned)
			let isConnected = false
			let isSent = false
			let isAgreed = false
			let isDone = false
			const outgoingHeaders = { ...forwardedHeaders(headers), ...authorization(headers), 'accept-encoding': 'identity' }
			const length = body.length > 0 || method !== 'GET' ? { 'content-length': String(body.length) } : {}
			const outgoing = request({ ...options, method, path, agent, headers: { ...outgoingHeaders, ...length } })
			let deliver: typeof late
			const finish = (answer: OriginAnswer) => {
				if (isDone) return deliver?.(answer)
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
					() => isConnected || fail('origin_connect_timeout', `no connection within ${connectLimit} ms`),
				),
				clock.after(deadline, () => {
					const detail = `no answer within ${deadline} ms`
					if (!isSent) return fail('origin_connect_timeout', detail)
					if (late !== undefined && lingering < lingerLimit) return linger(detail)
					fail('origin_timeout', detail)
					return late?.({ fault: 'origin_timeout', detail })
				}),
			]
			/** Answers the cloud in time, and still waits for the SCIM server. */
			const linger = (detail: string) => {
				isDone = true
				lingering++
				const end = clock.after(lingerTime, () => outgoing.destroy(new Error('no answer within ten minutes')))
				deliver = (answer) => {
					deliver = undefined
					lingering--
					end()
					late?.(answer)
				}
				signal?.removeEventListener('abort', abort)
				resolve({ fault: 'origin_timeout', detail })
			}
			let interim = 0
			outgoing.on(
				'information',
				() => ++interim > interimLimit && fail('origin_bad_response', 'too many interim answers'),
			)
			const connected = async () => {
				isConnected = true
				if (check !== undefined) {
					const problem = await check.before()
					if (isDone) return
					if (problem !== undefined) return finish(problem)
					outgoing.end(body)
					check.after()
				}
				isSent = true
			}
			outgoing.on('socket', (socket) => {
				if (outgoing.reusedSocket) void connected()
				else {
					// The first keys show that both sides agree on protocol and cipher. The keys themselves are not used.
					socket.once('keylog', () => (isAgreed = true))
					socket.once('secureConnect', () => void connected())
				}
			})
			const failWith = (error: Error) => fail(originFault(error, { mode, isSent, isAgreed }), briefly(error))
			let answer: IncomingMessage | undefined
			// What follows a complete answer belongs to no request, such as a body after the head of a 204.
			outgoing.on('error', (error) => answer?.complete || failWith(error))
			// The request asked for no other protocol. Without this listener Node would not report the answer at all.
			outgoing.on('upgrade', (response, socket) => {
				socket.destroy()
				finish(badResponse(response, `the status is ${response.statusCode}`))
			})
			outgoing.on('response', (response) => {
				answer = response
				readOriginAnswer(response).then(finish, failWith)
			})
			// Node sends nothing before `end`, also on an open connection.
			if (check === undefined) outgoing.end(body.length > 0 ? body : undefined)
		})
}

/** The Authorization header for the SCIM server. The header of the cloud is dropped unless the type is `passThrough`. */
function authorizationOf({
	origin,
}: Pick<Config, 'origin'>): (headers: Readonly<Record<string, string>>) => Readonly<Record<string, string>> {
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

const forwardedHeaders = (headers: Readonly<Record<string, string>>): Record<string, string> =>
	Object.fromEntries(
		Object.entries(headers).filter(
			([name, value]) => requestHeaders.has(name) && name !== 'authorization' && isValidHeaderValue(value),
		),
	)
