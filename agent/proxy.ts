import { type ClientRequest, type RequestOptions, request as requestPlain } from 'node:http'
import { Agent, request as requestSecure } from 'node:https'
import { type ConnectionOptions, connect as connectTls, createSecureContext, rootCertificates } from 'node:tls'
import type { Clock } from '../shared/relay/clock.ts'
import { type Config, readText } from './config.ts'
import { defaultTrust } from './origin-tls.ts'
import { readSecret } from './secret-file.ts'

type RelayConfig = Config['relay']

/** The proxy refused to connect. `status` is its answer to CONNECT. */
export class ProxyError extends Error {
	override readonly name = 'ProxyError'
	readonly status: number
	/** The ways to authenticate that the proxy accepts, in lower case, such as `ntlm`. */
	readonly schemes: readonly string[]

	constructor(status: number, reason: string, schemes: readonly string[] = []) {
		const isUnsupported = status === 407 && schemes.length > 0 && !schemes.includes('basic')
		const note = isUnsupported ? `; it accepts only ${schemes.join(', ')}, and the agent speaks only basic` : ''
		super(`the proxy answered ${status} ${reason}${note}`)
		this.status = status
		this.schemes = schemes
	}
}

/** Milliseconds for which refused credentials are not sent again. A few wrong attempts lock an account in many domains. */
const refusedFor = 3_600_000

/** One agent for the same settings, so that all connections of a process know whether the proxy refused the credentials. */
const agents = new WeakMap<RelayConfig, Agent>()

/**
 * Connects through the proxy of the settings by CONNECT (RFC 9110 section 9.3.6). Returns undefined without a proxy.
 * After a 407 to credentials, every connection fails for an hour, unless the file with the password changes.
 */
export function proxyAgent(relay: RelayConfig, clock: Clock): Agent | undefined {
	if (relay.proxy === undefined) return undefined
	const known = agents.get(relay)
	if (known !== undefined) return known
	const agent = agentOf(relay, relay.proxy, clock)
	agents.set(relay, agent)
	return agent
}

function agentOf(relay: RelayConfig, proxy: string, clock: Clock): Agent {
	const openProxy = openerOf(relay, proxy)
	let refused: { readonly credentials: string; readonly error: ProxyError; readonly until: number } | undefined
	const agent = new Agent({ keepAlive: false })
	agent.createConnection = (options, callback) => {
		const fail = (error: Error) => callback?.(error, undefined as never) // sound: the callback ignores it beside an error
		try {
			const credentials = credentialsFor(relay, proxy)
			if (refused !== undefined && refused.credentials === credentials && clock.now() < refused.until) {
				fail(refused.error)
				return undefined
			}
			const target = `${options.host}:${options.port ?? 443}`
			const authorization = credentials === '' ? {} : { 'Proxy-Authorization': `Basic ${credentials}` }
			const opening = openProxy({ path: target, headers: { Host: target, ...authorization } })
			opening.on('connect', (response, socket) => {
				if (response.statusCode === 200)
					return callback?.(null, connectTls({ ...options, host: options.host ?? '', socket } as ConnectionOptions)) // sound: node:https passes what node:tls takes
				socket.destroy()
				const { statusCode = 0, statusMessage = '', headers } = response
				const error = new ProxyError(statusCode, statusMessage, schemesIn(headers['proxy-authenticate']))
				if (statusCode === 407 && credentials !== '') refused = { credentials, error, until: clock.now() + refusedFor }
				return fail(error)
			})
			opening.on('timeout', () => opening.destroy(new Error('the proxy did not answer within 10 s')))
			opening.on('error', fail)
			opening.end()
		} catch (error) {
			fail(error as Error) // sound: reading a file and opening a connection throw errors
		}
		return undefined
	}
	return agent
}

type Opener = (options: RequestOptions) => ClientRequest

/** A function that opens a connection to the proxy, with TLS for an https URL. */
function openerOf({ caFile }: RelayConfig, proxy: string): Opener {
	const { protocol, hostname, port } = new URL(proxy)
	const host = hostname.replace(/^\[(.*)\]$/, '$1')
	const common = { host, method: 'CONNECT', timeout: 10_000 } as const
	if (protocol === 'http:') return (options) => requestPlain({ ...common, port: port || 80, agent: false, ...options })
	const agent = new Agent({ keepAlive: false, secureContext: createSecureContext(trustWith(caFile)) })
	return (options) => requestSecure({ ...common, port: port || 443, agent, ...options })
}

/** The public authorities and those of the machine. The authorities for Azure may also have issued the proxy's certificate. */
function trustWith(caFile: string | undefined) {
	if (caFile === undefined) return defaultTrust()
	const { ca = rootCertificates } = defaultTrust()
	return { ca: [...ca, readText(caFile, 'relay.caFile must be a PEM file.')] }
}

/** User and password in base64, or `''` without a user. Reads the file again, so that a new password needs no restart. */
function credentialsFor({ proxyPasswordFile }: RelayConfig, proxy: string): string {
	const { username, password } = new URL(proxy)
	if (username === '') return ''
	const secret = proxyPasswordFile === undefined ? decodeURIComponent(password) : readSecret(proxyPasswordFile)
	return Buffer.from(`${decodeURIComponent(username)}:${secret}`).toString('base64')
}

/** The schemes of Proxy-Authenticate: a scheme begins the value or follows a comma, and no `=` follows it. */
const schemesIn = (challenges: readonly string[] | string = ''): readonly string[] => {
	const unquoted = String(challenges).replaceAll(/"(?:[^"\\]|\\.)*"/g, '')
	const found = [...unquoted.matchAll(/(?:^|,)\s*([a-z][\w-]*)(?=\s+[^=\s,]|\s*,|\s*$)/gi)]
	return [...new Set(found.map(([, scheme = '']) => scheme.toLowerCase()))]
}
