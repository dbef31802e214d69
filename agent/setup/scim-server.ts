import { lookup } from 'node:dns/promises'
import { hostname } from 'node:os'
import { UsageError } from '../../shared/cli/usage-error.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import { type Config, originUrl } from '../config.ts'
import { daysUntil, type ServerCertificate, showCertificate } from '../doctor/certificate.ts'
import { plainly } from '../doctor/check.ts'
import { reach } from '../doctor/reach.ts'
import { isScim } from '../doctor/scim-answer.ts'
import { forwardTo, originOf } from '../forward.ts'
import type { OriginAnswer } from '../origin-answer.ts'
import type { Prompt } from './prompt.ts'

type OriginSettings = Config['origin']

/** The port on which application servers beside Microsoft's agent listen for SCIM. */
const usualPort = 11_015
const usualPaths = ['/scim', '/scim/v2']
const deadline = 10_000

export type FoundServer = {
	/** Without a path, if the path is to be found, too. */
	readonly url: string
	readonly certificate: ServerCertificate
}

type SearchPorts = { readonly port?: number }

/**
 * Looks for a server with TLS on the usual port of this machine, or at the URL that the administrator names. Sends no
 * request. Throws a UsageError that lists what was tried.
 */
export async function findServer(
	origin: string | undefined,
	{ port = usualPort }: SearchPorts = {},
): Promise<FoundServer> {
	const candidates = origin === undefined ? candidatesAt(port) : [rootIn(origin)]
	const tried: string[] = []
	for (const url of candidates) {
		const result = await certificateAt(url)
		if (typeof result !== 'string') return { url, certificate: result }
		tried.push(`${url}: ${result}`)
	}
	throw new UsageError(`no SCIM server was found. Tried ${tried.join('; ')}`, {
		hint: 'Start the SCIM server, or name its URL: --origin https://HOST:PORT/scim',
	})
}

/** An address without a path is fine, because the path can be found. Another URL must be one of the settings. */
function rootIn(origin: string): string {
	const bare = /^https:\/\/[^/?#@]+\/?$/.test(origin) ? origin.replace(/\/$/, '') : undefined
	if (bare === undefined && !originUrl.safeParse(origin).success)
		throw new UsageError(`--origin ${origin} must be an https URL with /scim in its path`, {
			hint: 'Write it as https://localhost:11015/scim.',
		})
	return bare ?? origin
}

const candidatesAt = (port: number): readonly string[] =>
	[...new Set(['localhost', hostname()])].map((host) => `https://${host}:${port}`)

/** The certificate, or why there is none. */
async function certificateAt(url: string): Promise<ServerCertificate | string> {
	const origin: OriginSettings = { url, tls: { mode: 'system' }, authorization: { type: 'passThrough' } }
	const { host, port } = originOf({ origin })
	try {
		const addresses = await lookup(host, { all: true })
		const failures = await Promise.all(addresses.map(({ address }) => reach(address, port)))
		const failure = failures.every((each) => each !== undefined) ? failures[0] : undefined
		if (failure !== undefined) return failure.code === 'ECONNREFUSED' ? 'nothing listens' : failure.detail
		return await showCertificate({ origin })
	} catch (error) {
		return plainly(error)
	}
}

/** How the certificate is verified, and the PEM to save if it is pinned. */
export type TrustDecision = { readonly mode: 'system' } | { readonly mode: 'pin'; readonly pem: string }

type TrustOptions = {
	/** The fingerprint that the administrator has compared, in place of the question. */
	readonly fingerprint: string | undefined
	readonly prompt: Prompt
	readonly clock: Clock
}

/**
 * Shows the certificate and asks whether to trust it. A certificate that the machine trusts needs no question. Throws a
 * UsageError without trust: no option accepts whatever certificate there is.
 */
export async function decideTrust(
	{ url, certificate }: FoundServer,
	{ fingerprint, prompt, clock }: TrustOptions,
): Promise<TrustDecision> {
	prompt.say(`The SCIM server at ${url} has this certificate:\n  ${certificate.text}`)
	if (daysUntil(certificate.validTo) < 0)
		throw new UsageError('the certificate has expired', { hint: 'Renew it on the SCIM server. No setting accepts it.' })
	const pin = { mode: 'pin', pem: certificate.pem } as const
	if (fingerprint !== undefined) {
		if (plainFingerprint(fingerprint) === plainFingerprint(certificate.fingerprint)) return pin
		throw new UsageError(`the certificate has the SHA-256 ${certificate.fingerprint}, not ${fingerprint}`, {
			hint: 'Compare it with that of the server. Another program may listen on this port.',
		})
	}
	if (await isTrustedByMachine(url, clock)) {
		prompt.say('This machine trusts it.')
		return { mode: 'system' }
	}
	if (!prompt.canAsk)
		throw new UsageError('this machine does not trust the certificate of the SCIM server', {
			hint: `Compare the SHA-256 with that of the server, and repeat with: --trust-fingerprint ${certificate.fingerprint}`,
		})
	const answer = await prompt.ask(
		'Does its SHA-256 equal that of the server, and shall the agent trust this certificate? (yes/no) ',
	)
	if (/^y(es)?$/i.test(answer)) return pin
	throw new UsageError('the certificate is not trusted', {
		hint: 'Ask the administrator of the SCIM server for its SHA-256. See docs/relay-certificates.md.',
	})
}

/** `sha256:ab:cd` and `ABCD` are one fingerprint. */
const plainFingerprint = (text: string): string =>
	text
		.replace(/^sha-?256[:= ]/i, '')
		.replaceAll(/[:\s]/g, '')
		.toUpperCase()

async function isTrustedByMachine(url: string, clock: Clock): Promise<boolean> {
	const answer = await get({ url, tls: { mode: 'system' }, authorization: { type: 'passThrough' } }, '', clock)
	return !('fault' in answer) || answer.originStatus !== undefined
}

/** A request without a token, unless the settings name one. */
function get(origin: OriginSettings, path: string, clock: Clock): Promise<OriginAnswer> {
	const { basePath } = originOf({ origin })
	const headers = { accept: 'application/scim+json' }
	const forward = forwardTo({ origin, concurrency: 1 }, clock)
	return forward({ method: 'GET', path: `${basePath}${path}` || '/', headers, body: Buffer.alloc(0), deadline })
}

/**
 * Finds the root of the SCIM server, if the administrator has not named it. A root answers /ServiceProviderConfig with
 * SCIM, or asks for a token. Throws a UsageError that lists what was tried.
 */
export async function findRoot(origin: OriginSettings, clock: Clock): Promise<string> {
	const hasPath = new URL(origin.url).pathname !== '/'
	const tried: string[] = []
	for (const url of hasPath ? [origin.url] : usualPaths.map((path) => `${origin.url}${path}`)) {
		const answer = await get({ ...origin, url }, '/ServiceProviderConfig', clock)
		if (isRoot(answer)) return url
		tried.push(`${url}: ${outcomeOf(answer)}`)
	}
	throw new UsageError(`no SCIM was found there. Tried ${tried.join('; ')}`, {
		hint: 'Name the root of the SCIM server: --origin https://HOST:PORT/PATH/scim',
	})
}

const isRoot = (answer: OriginAnswer): boolean =>
	!('fault' in answer) &&
	(answer.status === 401 || answer.status === 403 || (answer.status === 200 && isScim(answer.body.toString())))

const outcomeOf = (answer: OriginAnswer): string =>
	'fault' in answer ? `${answer.fault}: ${plainly(answer.detail)}` : `answers ${answer.status}`

/** Why the SCIM server does not accept the token in the settings; undefined if it does. */
export async function tokenProblem(origin: OriginSettings, clock: Clock): Promise<string | undefined> {
	const answer = await get(origin, '/Users?count=1', clock)
	if (!('fault' in answer) && answer.status === 200 && isScim(answer.body.toString())) return undefined
	const isRefused = !('fault' in answer) && (answer.status === 401 || answer.status === 403)
	return isRefused ? `the SCIM server refuses the token (${answer.status})` : `GET /Users?count=1: ${outcomeOf(answer)}`
}
