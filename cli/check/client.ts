import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { codeOf } from '../../shared/cli/usage-error.ts'
import { jsonIn } from '../../shared/json-in.ts'
import { Shortfall } from './finding.ts'

export type ProviderAnswer = {
	/** The request for a remedy: method, path without query, and the check. */
	readonly request: string
	readonly status: number
	/** The media type, without parameters. */
	readonly type: string
	readonly location: string | undefined
	/** The JSON value of the body; undefined if the body is not JSON. */
	readonly body: unknown
}

export type RequestParts = { readonly body?: unknown; readonly token?: string | undefined }

/** Sends requests to paths below the Tenant URL, as a provisioning client does. */
export type ProvisioningClient = {
	/** @throws Shortfall if no answer arrives */
	send(method: string, path: string, sent?: RequestParts): Promise<ProviderAnswer>
	/** The same client for another check, which remedies name. */
	during(check: string): ProvisioningClient
}

/** In milliseconds. Entra's own limit is not published, but a slower answer is of no use. */
const requestTimeout = 30_000

/**
 * Makes a client for a Tenant URL. Every request gets the query parameters of the Tenant URL, as Entra's feature flags do.
 * Like Entra, the client sends no User-Agent and follows no redirects.
 */
export function createClient(tenantUrl: URL, token: string, check = ''): ProvisioningClient {
	const base = `${tenantUrl.origin}${tenantUrl.pathname.replace(/\/+$/, '')}`
	return {
		during: (other) => createClient(tenantUrl, token, other),
		send(method, path, { body, ...parts } = {}) {
			const flags = tenantUrl.search.slice(1)
			const url = `${base}${path}${flags === '' ? '' : `${path.includes('?') ? '&' : '?'}${flags}`}`
			const bearer = 'token' in parts ? parts.token : token
			const headers = {
				Accept: 'application/scim+json, application/json',
				...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
			}
			const name = `${method} ${path.replace(/\?.*/s, '')} in the check "${check}"`
			return exchange(url, { name, method, headers }, body)
		},
	}
}

type OutgoingRequest = {
	readonly name: string
	readonly method: string
	readonly headers: Readonly<Record<string, string>>
}

async function exchange(
	url: string,
	{ name, method, headers }: OutgoingRequest,
	content: unknown,
): Promise<ProviderAnswer> {
	const body = content === undefined ? undefined : JSON.stringify(content)
	const contentHeaders =
		body === undefined
			? {}
			: { 'Content-Type': 'application/scim+json; charset=utf-8', 'Content-Length': Buffer.byteLength(body) }
	const send = url.startsWith('https:') ? requestHttps : requestHttp
	try {
		return await new Promise<ProviderAnswer>((resolve, reject) => {
			const outgoing = send(
				url,
				{
					method,
					headers: { ...headers, ...contentHeaders },
					agent: false,
					signal: AbortSignal.timeout(requestTimeout),
				},
				(incoming) => {
					const { statusCode: status = 0, headers: responseHeaders } = incoming
					const [type = ''] = (responseHeaders['content-type'] ?? '').split(';')
					text(incoming).then(
						(content) =>
							resolve({
								request: name,
								status,
								type: type.trim().toLowerCase(),
								location: responseHeaders.location,
								body: jsonIn(content),
							}),
						reject,
					)
				},
			)
			outgoing.on('error', reject).end(body)
		})
	} catch (error) {
		throw shortfallOf(error, new URL(url), name)
	}
}

function shortfallOf(error: unknown, { host, hostname, port, protocol }: URL, request: string): Shortfall {
	const code = String(codeOf(error))
	if (error instanceof Error && error.name === 'TimeoutError') {
		return new Shortfall(
			`${host} has not answered within ${requestTimeout / 1000} seconds`,
			`find out what the server waits for in ${request}`,
		)
	}
	const said = String(error)
	// The server answers the TLS handshake with other data, such as a page over plain HTTP.
	if (code === 'EPROTO' && /wrong version number|packet length too long|http request/i.test(said)) {
		return new Shortfall(`${host} does not speak TLS`, 'correct the port, or serve HTTPS there')
	}
	const [, seen = 'the connection failed', remedy = 'look at the log of the server for REQUEST'] =
		faults.find(([pattern]) => pattern.test(code)) ?? []
	return new Shortfall(
		`${host}: ${seen} (${codeOf(error) === undefined ? 'no error code' : code})`,
		remedy
			.replace('HOST', hostname)
			.replace('PORT', port || (protocol === 'https:' ? '443' : '80'))
			.replace('REQUEST', request),
	)
}

/** The codes of failed connections, what they mean, and the remedy. */
const faults: readonly (readonly [codes: RegExp, seen: string, remedy: string])[] = [
	[
		/^(ENOTFOUND|EAI_AGAIN)$/,
		'no address is known for this name',
		'the name HOST does not exist in DNS: correct the Tenant URL, or publish the name',
	],
	[
		/^ECONNREFUSED$/,
		'the connection was refused',
		'no server listens on port PORT of HOST: start the server, or correct the port',
	],
	[
		/^(ECONNRESET|EPIPE)$/,
		'the connection was closed before an answer',
		'a firewall, or a server with another protocol, closed the connection of REQUEST',
	],
	[
		/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/,
		'no connection is possible',
		'a firewall or a route blocks the way from this machine to HOST',
	],
	[
		/^ERR_TLS_CERT_ALTNAME_INVALID$/,
		'the certificate is for another name',
		'get a certificate for HOST, or use the name in the certificate as the host of the Tenant URL',
	],
	[/^CERT_HAS_EXPIRED$/, 'the certificate has expired', 'renew the certificate'],
	[
		/^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/,
		'the certificate is self-signed',
		'Entra trusts only public authorities: get a certificate from one. To test a server with a private one, trust its issuer: NODE_EXTRA_CA_CERTS=FILE',
	],
	[
		/^UNABLE_TO_/,
		'the certificate leads to no known authority',
		'let the server send the whole certificate chain, up to a public authority',
	],
	[/^EPROTO$/, 'the TLS handshake failed', 'let the server use TLS 1.2 or newer on that port'],
	[/^HPE_/, 'the answer is not HTTP', 'another program listens on port PORT of HOST: correct the port'],
]
