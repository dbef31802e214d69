import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { codeOf } from '../../shared/cli/usage-error.ts'
import { Shortfall } from './finding.ts'

export type ProviderAnswer = {
	readonly status: number
	/** The media type, without parameters. */
	readonly type: string
	readonly location: string | undefined
	/** The JSON of the body; undefined where it has none. */
	readonly body: unknown
}

export type RequestParts = { readonly body?: unknown; readonly token?: string | undefined }

/** Sends requests as a provisioning client does, to paths below the Tenant URL. */
export type ProvisioningClient = {
	/** @throws Shortfall where no answer comes */
	send(method: string, path: string, sent?: RequestParts): Promise<ProviderAnswer>
}

/** Entra's own limit is not published; a request that takes longer than this is of no use to anybody. */
const requestTimeout = 30_000

/**
 * A client of a Tenant URL, whose query parameters go with every request, as Entra's flags do. Like Entra it may send no
 * User-Agent, and it follows no redirection.
 */
export function createClient(tenantUrl: URL, token: string): ProvisioningClient {
	const base = `${tenantUrl.origin}${tenantUrl.pathname.replace(/\/+$/, '')}`
	return {
		send(method, path, { body, ...parts } = {}) {
			const flags = tenantUrl.search.slice(1)
			const url = `${base}${path}${flags === '' ? '' : `${path.includes('?') ? '&' : '?'}${flags}`}`
			const bearer = 'token' in parts ? parts.token : token
			const headers = {
				Accept: 'application/scim+json, application/json',
				...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
			}
			return exchange(url, { method, headers }, body)
		},
	}
}

type OutgoingRequest = { readonly method: string; readonly headers: Readonly<Record<string, string>> }

async function exchange(url: string, { method, headers }: OutgoingRequest, content: unknown): Promise<ProviderAnswer> {
	const body = content === undefined ? undefined : JSON.stringify(content)
	const described =
		body === undefined
			? {}
			: { 'Content-Type': 'application/scim+json; charset=utf-8', 'Content-Length': Buffer.byteLength(body) }
	const send = url.startsWith('https:') ? requestHttps : requestHttp
	try {
		return await new Promise<ProviderAnswer>((resolve, reject) => {
			const outgoing = send(
				url,
				{ method, headers: { ...headers, ...described }, agent: false, signal: AbortSignal.timeout(requestTimeout) },
				(incoming) => {
					const { statusCode: status = 0, headers: answered } = incoming
					const [type = ''] = (answered['content-type'] ?? '').split(';')
					text(incoming).then(
						(content) =>
							resolve({ status, type: type.trim().toLowerCase(), location: answered.location, body: jsonIn(content) }),
						reject,
					)
				},
			)
			outgoing.on('error', reject).end(body)
		})
	} catch (error) {
		throw shortfallOf(error, new URL(url))
	}
}

/** A body that is not JSON says nothing to a SCIM client. */
function jsonIn(text: string): unknown {
	try {
		return JSON.parse(text)
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}

function shortfallOf(error: unknown, { host, hostname, port }: URL): Shortfall {
	const code = String(codeOf(error))
	if (error instanceof Error && error.name === 'TimeoutError') {
		return new Shortfall(
			`${host} has not answered within ${requestTimeout / 1000} seconds`,
			'look at what it is waiting for',
		)
	}
	const said = error instanceof Error ? error.message : String(error)
	// What answers a handshake with something else, such as a page over plain HTTP.
	if (code === 'EPROTO' && /wrong version number|packet length too long|http request/i.test(said)) {
		return new Shortfall(`${host} does not speak TLS`, 'correct the port, or let it serve HTTPS')
	}
	const remedy =
		remedies.find(([pattern]) => pattern.test(code))?.[1] ?? 'look at the log of whatever stands at that address'
	return new Shortfall(
		`${host}: ${said.trim() || code}`,
		remedy.replace('HOST', hostname).replace('PORT', port || '443'),
	)
}

const remedies: readonly (readonly [RegExp, string])[] = [
	[/^(ENOTFOUND|EAI_AGAIN)$/, 'no name server knows HOST: correct the Tenant URL, or publish the name'],
	[/^ECONNREFUSED$/, 'nothing listens on port PORT of HOST: start it, or correct the port'],
	[/^(ECONNRESET|EPIPE)$/, 'a firewall, or something that does not speak this protocol, hung up'],
	[/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/, 'a firewall or a route keeps this machine from HOST'],
	[
		/^ERR_TLS_CERT_ALTNAME_INVALID$/,
		'get a certificate that names HOST, or use the name that it has in the Tenant URL',
	],
	[/^CERT_HAS_EXPIRED$/, 'renew the certificate'],
	[
		/^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/,
		'Entra trusts public authorities only: get a certificate from one. For an agent on this machine, trust the issuer: NODE_EXTRA_CA_CERTS=FILE',
	],
	[/^UNABLE_TO_/, 'let the server send the whole chain of the certificate, up to a public authority'],
	[/^EPROTO$/, 'let it speak TLS 1.2 or newer on that port'],
]
