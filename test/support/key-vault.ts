import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TokenCredential } from '@azure/identity'
import { afterAll, beforeAll } from 'vitest'
import * as z from 'zod'
import { selfSigned } from './relay-stand-in/certificates.ts'

/** One version of a secret. Times are seconds since 1970, as in the protocol. */
export type SecretVersion = {
	readonly value: string
	readonly created: number
	readonly enabled?: boolean
	readonly notBefore?: number
	readonly expires?: number
	readonly contentType?: string
	readonly tags?: Readonly<Record<string, string>>
}

/** The fate of a request: a broken connection, no answer at all, or an error of Key Vault. */
export type Fault =
	| 'reset'
	| 'silent'
	| {
			readonly status: number
			readonly code: string
			readonly innerCode?: string
			readonly headers?: Readonly<Record<string, string>>
	  }

/**
 * A Key Vault on loopback, over TLS. It implements exactly the part of the REST protocol that reads, writes, deletes and
 * recovers secrets. Its certificate also covers names in `vault.azure.net`.
 */
export type KeyVault = {
	readonly url: string
	/** The certificate of the vault, in PEM. */
	readonly certificate: string
	readonly credential: TokenCredential
	/** The versions of the secrets, by name and version. */
	readonly secrets: Map<string, Map<string, SecretVersion>>
	/** The deleted secrets that can be recovered. */
	readonly deleted: Map<string, Map<string, SecretVersion>>
	/** The paths of all requests with a bearer token, in order. */
	readonly requests: string[]
	/** Decides the fate of every request with a bearer token. */
	faultOf: (path: string) => Fault | undefined
	/** Called when a client closes the connection before the answer. */
	onHangUp: () => void
	/** Adds a version to a secret and returns its name. */
	add(name: string, version: SecretVersion): string
	close(): Promise<void>
}

const apiVersions = ['2025-07-01', '2026-04-01']
/** Real pages have up to 25 items. */
const pageSize = 2
export const accessToken = 'an-access-token'
const authority = 'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555'

async function startKeyVault(): Promise<KeyVault> {
	const { cert, key } = selfSigned(['IP:127.0.0.1', 'DNS:*.vault.azure.net'])
	let count = 0
	const server = createServer({ cert, key }, async (request, response) => {
		response.on('close', () => response.writableFinished || vault.onHangUp())
		send(answerTo(vault, request, await text(request)), response)
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on a port
	const vault: KeyVault = {
		url: `https://127.0.0.1:${port}`,
		certificate: cert,
		credential: { getToken },
		secrets: new Map(),
		deleted: new Map(),
		requests: [],
		faultOf: () => undefined,
		onHangUp: () => {},
		add(name, version) {
			// Versions are hexadecimal and sorted by name. Their order says nothing about their age.
			const id = createHash('md5').update(`${++count}`).digest('hex')
			vault.secrets.set(name, new Map([...(vault.secrets.get(name) ?? []), [id, version]]))
			return id
		},
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve())
				server.closeAllConnections()
			}),
	}
	return vault
}

/** Starts one vault for a test file, and clears its secrets and faults after each test. Call the result inside a test. */
export function useKeyVault(): () => KeyVault {
	let running: KeyVault | undefined
	beforeAll(async () => {
		running = await startKeyVault()
	})
	afterAll(() => running?.close())
	return () => {
		if (running === undefined) throw new Error('the vault runs only while tests run')
		running.secrets.clear()
		running.deleted.clear()
		running.requests.length = 0
		running.faultOf = () => undefined
		running.onHangUp = () => {}
		return running
	}
}

/** Sends the access token only after the challenge. */
const getToken: TokenCredential['getToken'] = async (scopes, { tenantId } = {}) => {
	const asked = JSON.stringify([scopes, tenantId])
	const expected = JSON.stringify([['https://vault.azure.net/.default'], authority.split('/').at(-1)])
	if (asked !== expected) throw new Error(`an access token for ${asked} instead of ${expected}`)
	return { token: accessToken, expiresOnTimestamp: Date.now() + 3_600_000 }
}

type Answer = Fault | { readonly status: 200; readonly body: unknown }

const refusal = (status: number, code: string, innerCode?: string): Fault =>
	innerCode === undefined ? { status, code } : { status, code, innerCode }

const challenge = {
	status: 401,
	code: 'Unauthorized',
	headers: { 'WWW-Authenticate': `Bearer authorization="${authority}", resource="https://vault.azure.net"` },
}

function answerTo(vault: KeyVault, { method, url: target = '/', headers }: IncomingMessage, body: string): Answer {
	const url = new URL(target, `https://${headers.host}`)
	if (headers.authorization !== `Bearer ${accessToken}`) return challenge
	vault.requests.push(url.pathname)
	const fault = vault.faultOf(url.pathname)
	if (fault !== undefined) return fault
	if (!apiVersions.includes(url.searchParams.get('api-version') ?? '')) return refusal(400, 'BadParameter')
	const path = /^\/(secrets|deletedsecrets)\/([0-9a-zA-Z-]{1,127})(\/[0-9a-z]*)?$/.exec(url.pathname)
	if (path === null) return refusal(400, 'BadParameter')
	const [, collection = '', name = '', rest = ''] = path
	const asked = { name, url, version: rest.slice(1), body }
	switch (`${method} ${collection}`) {
		case 'GET secrets':
			return read(vault, asked)
		case 'PUT secrets':
			return set(vault, asked)
		case 'PATCH secrets':
			return update(vault, asked)
		case 'DELETE secrets':
			return move(asked, vault.secrets, vault.deleted)
		case 'GET deletedsecrets':
			return vault.deleted.has(name) ? bundle(asked, '', {}) : refusal(404, 'SecretNotFound')
		case 'POST deletedsecrets':
			return asked.version === 'recover' ? move(asked, vault.deleted, vault.secrets) : refusal(400, 'BadParameter')
		default:
			return refusal(400, 'BadParameter')
	}
}

type Asked = { readonly name: string; readonly url: URL; readonly version: string; readonly body: string }

function read(vault: KeyVault, asked: Asked): Answer {
	const { name, url, version } = asked
	// A secret that does not exist has an empty list of versions.
	const versions = vault.secrets.get(name) ?? new Map<string, SecretVersion>()
	if (version === 'versions') return { status: 200, body: page({ name, url, versions }) }
	const latest = [...versions.keys()].at(-1)
	const secret = versions.get(version || (latest ?? ''))
	if (secret === undefined) return refusal(404, 'SecretNotFound')
	if (secret.enabled === false) return refusal(403, 'Forbidden', 'SecretDisabled')
	return bundle(asked, version, secret)
}

/** The properties of a version in a request. Times are in seconds. */
const sent = z.strictObject({
	value: z.string().optional(),
	contentType: z.string().optional(),
	tags: z.record(z.string(), z.string()).optional(),
	attributes: z
		.strictObject({ enabled: z.boolean().optional(), nbf: z.int().optional(), exp: z.int().optional() })
		.optional(),
})

function set(vault: KeyVault, asked: Asked): Answer {
	if (vault.deleted.has(asked.name)) return refusal(409, 'Conflict', 'ObjectIsDeletedButRecoverable')
	const { value, contentType, tags, attributes } = sent.parse(JSON.parse(asked.body))
	if (value === undefined || asked.version !== '') return refusal(400, 'BadParameter')
	const secret = changed(
		{
			value,
			created: Math.floor(Date.now() / 1000),
			...(contentType !== undefined && { contentType }),
			...(tags && { tags }),
		},
		attributes,
	)
	return bundle(asked, vault.add(asked.name, secret), secret)
}

function update(vault: KeyVault, asked: Asked): Answer {
	const secret = vault.secrets.get(asked.name)?.get(asked.version)
	if (secret === undefined) return refusal(404, 'SecretNotFound')
	const next = changed(secret, sent.parse(JSON.parse(asked.body)).attributes)
	vault.secrets.get(asked.name)?.set(asked.version, next)
	return { status: 200, body: item(asked.url, `${asked.name}/${asked.version}`, next) }
}

const changed = (secret: SecretVersion, attributes: z.infer<typeof sent>['attributes'] = {}): SecretVersion => ({
	...secret,
	...(attributes.enabled !== undefined && { enabled: attributes.enabled }),
	...(attributes.nbf !== undefined && { notBefore: attributes.nbf }),
	...(attributes.exp !== undefined && { expires: attributes.exp }),
})

/** Deletes or recovers a secret with all its versions. */
function move(asked: Asked, from: KeyVault['secrets'], to: KeyVault['secrets']): Answer {
	const versions = from.get(asked.name)
	if (versions === undefined) return refusal(404, 'SecretNotFound')
	from.delete(asked.name)
	to.set(asked.name, versions)
	return bundle(asked, '', {})
}

function bundle({ name, url }: Asked, version: string, secret: Partial<SecretVersion>): Answer {
	const { value } = secret
	const recoveryId = `${url.origin}/deletedsecrets/${name}`
	return { status: 200, body: { value, recoveryId, ...item(url, `${name}/${version}`, { created: 0, ...secret }) } }
}

type Listing = { readonly name: string; readonly url: URL; readonly versions: ReadonlyMap<string, SecretVersion> }

function page({ name, url, versions }: Listing) {
	const from = Number(url.searchParams.get('$skiptoken') ?? '0')
	const sorted = [...versions].sort(([a], [b]) => (a < b ? -1 : 1))
	const next = new URL(url)
	next.searchParams.set('$skiptoken', String(from + pageSize))
	return {
		value: sorted.slice(from, from + pageSize).map(([version, secret]) => item(url, `${name}/${version}`, secret)),
		nextLink: from + pageSize < sorted.length ? next.href : null,
	}
}

const item = (
	{ origin }: URL,
	path: string,
	{ created, enabled = true, notBefore, expires, contentType, tags }: Omit<SecretVersion, 'value'>,
) => ({
	id: `${origin}/secrets/${path}`,
	contentType,
	tags,
	attributes: { enabled, created, updated: created, nbf: notBefore, exp: expires, recoveryLevel: 'Recoverable' },
})

function send(answer: Answer, response: ServerResponse): void {
	if (answer === 'silent') return
	if (answer === 'reset') {
		response.destroy()
		return
	}
	const type = { 'Content-Type': 'application/json' }
	if ('body' in answer) {
		response.writeHead(200, type).end(JSON.stringify(answer.body))
		return
	}
	const { status, code, innerCode, headers } = answer
	const innererror = innerCode === undefined ? undefined : { code: innerCode }
	const error = { code, message: `the stand-in says ${code}`, innererror }
	response.writeHead(status, { ...headers, ...type }).end(JSON.stringify({ error }))
}
