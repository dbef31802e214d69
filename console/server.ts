import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { recorded } from '../cli/administration.ts'
import { codeOf } from '../shared/cli/usage-error.ts'
import { allProblems, wording } from '../shared/scim/wording.ts'
import { formatProblem } from '../shared/tenants/format.ts'
import { type ConsoleAnswer, ConsoleError, refusalOf } from './answer.ts'
import { pageFile } from './files.ts'
import { refuseAtGate } from './gate.ts'
import { type ConsoleContext, type ConsoleRequest, type ConsoleRoute, matchRoute } from './route.ts'
import { consoleRoutes } from './routes.ts'
import type { Sessions } from './sessions.ts'

export type ConsoleOptions = ConsoleContext & {
	/** 0 for any free port. */
	readonly port: number
	readonly sessions: Sessions
	/** Gets what went wrong inside the console. */
	readonly log: (error: unknown) => void
	/** The endpoints, for tests. */
	readonly routes?: readonly ConsoleRoute[]
}

export type RunningConsole = {
	/** `http://127.0.0.1:<port>` */
	readonly url: string
	/** A new link that works once, such as `http://127.0.0.1:7072/#kQ0…`. The older link works no longer. */
	newLink(): string
	/** Ends every session. Resolves when no connection is left. */
	close(): Promise<void>
}

/**
 * Serves the console on 127.0.0.1 and, if this machine has it, on ::1.
 *
 * @throws Error with the code EADDRINUSE if the port is in use
 */
export async function startConsole(options: ConsoleOptions): Promise<RunningConsole> {
	let port = options.port
	const newServer = (): Server =>
		createServer({ requestTimeout, maxHeaderSize, requireHostHeader: false }, (incoming, outgoing) => {
			void answer(incoming, outgoing, { ...options, port })
		})
	const server = newServer()
	await listen(server, port, '127.0.0.1')
	port = (server.address() as AddressInfo).port // sound: it listens on a port, not on a pipe
	const second = newServer()
	const servers = (await listenIfThereIs(second, port, '::1').catch(async (error: unknown) => {
		await close(server)
		throw error
	}))
		? [server, second]
		: [server]
	const url = `http://127.0.0.1:${port}`
	return {
		url,
		newLink: () => `${url}/#${options.sessions.newLink()}`,
		close: async () => {
			await Promise.all(servers.map(close))
		},
	}
}

const requestTimeout = 60_000
const maxHeaderSize = 32 * 1024

/** The largest body of a request, in bytes. */
const maxBody = 1024 * 1024

const listen = (server: Server, port: number, host: string): Promise<void> =>
	new Promise((resolve, reject) => {
		server.once('error', reject)
		server.listen(port, host, () => {
			server.off('error', reject)
			resolve()
		})
	})

/** Whether this machine has the address. */
async function listenIfThereIs(server: Server, port: number, host: string): Promise<boolean> {
	try {
		await listen(server, port, host)
		return true
	} catch (error) {
		if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(String(codeOf(error)))) return false
		throw error
	}
}

/** An open page keeps its connections alive. The connections must not keep the process alive. */
const close = (server: Server): Promise<void> =>
	new Promise((resolve, reject) => {
		server.close((error) => (error === undefined ? resolve() : reject(error)))
		server.closeAllConnections()
	})

type ConsoleServing = ConsoleOptions & { readonly port: number }

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, serving: ConsoleServing): Promise<void> {
	try {
		send(incoming, outgoing, await answerOf(incoming, serving))
	} catch (error) {
		const { status, problem } = refusalOf(error)
		if (status === 500) serving.log(error)
		if (outgoing.headersSent) outgoing.destroy()
		else send(incoming, outgoing, jsonAnswer(status, problem))
	}
}

async function answerOf(incoming: IncomingMessage, serving: ConsoleServing): Promise<ConsoleAnswer> {
	const refused = refuseAtGate(incoming, serving.port)
	if (refused !== undefined) throw new ConsoleError(refused.error, { status: refused.status })
	const { method = '', url = '' } = incoming
	const { pathname, searchParams } = new URL(url, 'http://localhost')
	if (!pathname.startsWith('/console/')) return pageFile({ method, path: pathname, page: serving.page })
	if (pathname === '/console/session') return exchangeLink(incoming, serving)
	if (pathname === '/console/link') return linkForOwner(incoming, serving)
	await checkSession(incoming, serving)
	const path = pathname.startsWith(apiPrefix) ? pathname.slice(apiPrefix.length) : ''
	const match = matchRoute(serving.routes ?? consoleRoutes, { method, path })
	if ('allowed' in match) throw unmatched(match.allowed, pathname)
	const { route, params } = match
	const request = { params, query: searchParams, body: await bodyOf(incoming, route), tenant: undefined }
	return jsonAnswer(200, await answerRoute(route, request, serving))
}

const apiPrefix = '/console/api'

function unmatched(allowed: readonly string[], path: string): ConsoleError {
	return allowed.length === 0
		? new ConsoleError(`the console has no ${path}`, { status: 404 })
		: new ConsoleError(`${path} takes ${allowed.join(', ')} only`, { status: 405 })
}

/** Answers a route. What changes something is recorded in the table of its tenant, as the command line does. */
async function answerRoute(route: ConsoleRoute, request: ConsoleRequest, context: ConsoleContext): Promise<unknown> {
	const { tenant: named } = request.params
	const tenant = named === undefined ? undefined : await tenantNamed(context, named)
	const work = () => route.answer({ ...request, tenant }, context)
	const { command } = route
	return command === undefined
		? work()
		: recorded(context.target, { command, name: named ?? route.nameIn?.(request.body) ?? '', work })
}

/** @throws ConsoleError 404 if there is no such tenant, 409 if this version cannot read its data */
async function tenantNamed({ target }: ConsoleContext, name: string) {
	const tenant = await target.tenants.getTenant(name)
	if (tenant === undefined) throw new ConsoleError(`there is no tenant ${name}`, { status: 404 })
	const problem = formatProblem(tenant.format)
	if (problem !== undefined) throw new ConsoleError(problem, { status: 409 })
	return tenant
}

/** Exchanges the key of a link for a session. */
async function exchangeLink(incoming: IncomingMessage, { sessions }: ConsoleServing): Promise<ConsoleAnswer> {
	if (incoming.method !== 'POST') throw new ConsoleError('/console/session takes POST only', { status: 405 })
	const { authorization = '' } = incoming.headers
	const key = /^Link (\S{1,100})$/.exec(authorization)?.[1]
	if (key === undefined) throw new ConsoleError('the request has no key of a link', { status: 401 })
	const session = await sessions.exchange(key)
	if (session === 'busy') throw tooManyWrongKeys()
	if (session === 'refused')
		throw new ConsoleError('this link was used already, or a newer one replaced it', { status: 401, hint: newLinkHint })
	return jsonAnswer(200, { session })
}

/** Makes a link for another program of the owner: `rollcall console` on a folder that `npm start` serves. */
async function linkForOwner(incoming: IncomingMessage, { sessions }: ConsoleServing): Promise<ConsoleAnswer> {
	if (incoming.method !== 'POST') throw new ConsoleError('/console/link takes POST only', { status: 405 })
	const ownerKey = /^Owner (\S{1,100})$/.exec(incoming.headers.authorization ?? '')?.[1] ?? ''
	const key = await sessions.newLinkFor(ownerKey)
	if (key === 'busy') throw tooManyWrongKeys()
	if (key === 'refused') throw new ConsoleError('the key is not that of the owner', { status: 401 })
	return jsonAnswer(200, { key })
}

async function checkSession({ headers }: IncomingMessage, { sessions }: ConsoleServing): Promise<void> {
	const session = /^Bearer (\S{1,100})$/.exec(headers.authorization ?? '')?.[1]
	if (session === undefined) throw new ConsoleError('the request has no session', { status: 401, hint: newLinkHint })
	const state = await sessions.check(session, headers['rollcall-timer'] === undefined ? 'person' : 'timer')
	if (state === 'busy') throw tooManyWrongKeys()
	if (state === 'refused') throw new ConsoleError('the session has ended', { status: 401, hint: newLinkHint })
}

const newLinkHint = 'press Enter in the terminal of the console: it prints a new link'

const tooManyWrongKeys = (): ConsoleError =>
	new ConsoleError('too many wrong keys came at a time: try again in a second', { status: 429 })

/** The parsed body of a request; undefined for a route without one. */
async function bodyOf(incoming: IncomingMessage, { body: shape }: ConsoleRoute): Promise<unknown> {
	const bytes = await readAll(incoming)
	if (shape === undefined) {
		if (bytes.length > 0) throw new ConsoleError('the request takes no body', { status: 400 })
		return undefined
	}
	const type = (incoming.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
	if (type !== 'application/json')
		throw new ConsoleError('the body must have the Content-Type application/json', { status: 415 })
	const { data, error } = shape.safeParse(jsonIn(bytes), { error: wording })
	if (error !== undefined) throw new ConsoleError(allProblems(error, 'the body'), { status: 400 })
	return data
}

/** Reads a body. A larger one is read to its end and dropped, so that the browser gets the answer. */
async function readAll(incoming: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = []
	let size = 0
	for await (const chunk of incoming) {
		size += chunk.length
		if (size <= maxBody) chunks.push(chunk)
		else chunks.length = 0
	}
	if (size > maxBody) throw new ConsoleError(`the body is larger than ${maxBody} bytes`, { status: 413 })
	return Buffer.concat(chunks)
}

function jsonIn(bytes: Buffer): unknown {
	try {
		return JSON.parse(bytes.toString('utf8'))
	} catch (error) {
		if (error instanceof SyntaxError) throw new ConsoleError('the body is not JSON', { status: 400, cause: error })
		throw error
	}
}

const jsonAnswer = (status: number, value: unknown): ConsoleAnswer =>
	value === undefined
		? { status: 204 }
		: { status, headers: { 'Content-Type': 'application/json; charset=utf-8' }, body: JSON.stringify(value) }

/** No script, style, frame, form or request from or to anything but the console itself. */
const policy = [
	"default-src 'none'",
	...['script-src', 'style-src', 'connect-src', 'img-src'].map((directive) => `${directive} 'self'`),
	...['base-uri', 'form-action', 'frame-ancestors', 'trusted-types'].map((directive) => `${directive} 'none'`),
	"require-trusted-types-for 'script'",
].join('; ')

const everyAnswer = {
	'Content-Security-Policy': policy,
	'X-Content-Type-Options': 'nosniff',
	'X-Frame-Options': 'DENY',
	'Referrer-Policy': 'no-referrer',
	'Cross-Origin-Opener-Policy': 'same-origin',
	'Cross-Origin-Resource-Policy': 'same-origin',
	'Cache-Control': 'no-store',
}

function send({ method }: IncomingMessage, outgoing: ServerResponse, { status, headers, body }: ConsoleAnswer): void {
	outgoing.writeHead(status, {
		...everyAnswer,
		...headers,
		...(body !== undefined && { 'Content-Length': Buffer.byteLength(body) }),
	})
	outgoing.end(method === 'HEAD' ? undefined : body)
}
