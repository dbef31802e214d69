import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import * as nodeTls from 'node:tls'
import {
	type ConnectionOptions,
	checkServerIdentity,
	createSecureContext,
	type PeerCertificate,
	type SecureContext,
	type SecureContextOptions,
} from 'node:tls'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { AgentErrorCode } from '../shared/relay/contract.ts'
import { type Config, readText } from './config.ts'
import { briefly } from './log.ts'
import { readSecret } from './secret-file.ts'

type TlsOptions = Pick<ConnectionOptions, 'servername' | 'checkServerIdentity'> & {
	readonly secureContext: SecureContext
}

const hint = 'Name a PEM file.'

/** The certificate that the server showed is valid but not the pinned one. */
class PinError extends Error {
	readonly code = 'ORIGIN_PIN'
}

/**
 * How the SCIM server's certificate is judged. There is no way not to. Certificates are read into one context: given as
 * options they would be read again for each connection, and are part of the name by which an agent finds a kept one.
 */
export function originTls(config: Config): TlsOptions {
	const { tls } = config.origin
	// Only names are asked for (RFC 6066 section 3); an address is checked all the same.
	const name = tls.serverName !== undefined && isIP(tls.serverName) === 0 && { servername: tls.serverName }
	if (tls.mode === 'pin') {
		const pin = certificateIn(tls.certificateFile)
		const secureContext = contextOf(config, { ca: pin.toString(), allowPartialTrustChain: true })
		return { secureContext, ...name, checkServerIdentity: isPinned(pin) }
	}
	return {
		secureContext: contextOf(config, tls.mode === 'ca' ? named(tls.caFile) : usual()),
		...name,
		...(tls.serverName !== undefined && { checkServerIdentity: isNamed(tls.serverName) }),
	}
}

/** From 22.15 on, Node tells which authorities the machine trusts; before, it knows those that come with it and no others. */
export const readsTrustStore: boolean = 'getCACertificates' in nodeTls

/** Those that come with Node, those of NODE_EXTRA_CA_CERTS, and those that were added to the machine. */
function usual(): SecureContextOptions {
	if (!readsTrustStore) return {}
	const { getCACertificates } = nodeTls
	return { ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system')])] }
}

/** Who is named is trusted, also where another authority is above it. */
const named = (file: string): SecureContextOptions => ({ ca: readText(file, hint), allowPartialTrustChain: true })

type IdentityCheck = NonNullable<ConnectionOptions['checkServerIdentity']>

const isNamed =
	(name: string): IdentityCheck =>
	(_host, certificate) =>
		checkServerIdentity(name, certificate)

/** Only this certificate, whoever issued it and whatever it is named; its expiry still counts. */
const isPinned =
	(pin: X509Certificate): IdentityCheck =>
	(_host, { fingerprint256 }: PeerCertificate) =>
		fingerprint256 === pin.fingerprint256 ? undefined : new PinError(`the certificate is ${fingerprint256}`)

/** With the agent's own certificate, where the settings name one. */
export function contextOf({ origin }: Config, options: SecureContextOptions): SecureContext {
	const { clientCertificate } = origin
	const own = clientCertificate !== undefined && {
		cert: readText(clientCertificate.certificateFile, hint),
		key: readSecret(clientCertificate.keyFile),
	}
	try {
		return createSecureContext({ ...own, ...options })
	} catch (error) {
		throw new UsageError(`origin.clientCertificate cannot be used: ${briefly(error)}`, { hint, cause: error })
	}
}

/** Throws a UsageError when there is none. */
export function certificateIn(file: string): X509Certificate {
	const pem = readText(file, hint)
	try {
		return new X509Certificate(pem)
	} catch (error) {
		throw new UsageError(`${file} is no certificate: ${briefly(error)}`, { hint, cause: error })
	}
}

const byCode: Readonly<Record<string, AgentErrorCode>> = {
	ENOTFOUND: 'origin_dns',
	EAI_AGAIN: 'origin_dns',
	ECONNREFUSED: 'origin_refused',
	EHOSTUNREACH: 'origin_refused',
	ENETUNREACH: 'origin_refused',
	ETIMEDOUT: 'origin_connect_timeout',
	ORIGIN_PIN: 'origin_tls_pin',
	ERR_TLS_CERT_ALTNAME_INVALID: 'origin_tls_name',
	CERT_HAS_EXPIRED: 'origin_tls_expired',
	CERT_NOT_YET_VALID: 'origin_tls_expired',
	DEPTH_ZERO_SELF_SIGNED_CERT: 'origin_tls_untrusted',
	SELF_SIGNED_CERT_IN_CHAIN: 'origin_tls_untrusted',
	UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'origin_tls_untrusted',
	UNABLE_TO_GET_ISSUER_CERT: 'origin_tls_untrusted',
	UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'origin_tls_untrusted',
	CERT_SIGNATURE_FAILURE: 'origin_tls_untrusted',
}

/** What is wrong with a certificate whatever is trusted, such as its purpose or the length of its key, which has no code. */
const unfit: ReadonlySet<string> = new Set([
	...[
		'INVALID_PURPOSE',
		'INVALID_CA',
		'PATH_LENGTH_EXCEEDED',
		'CERT_CHAIN_TOO_LONG',
		'CERT_UNTRUSTED',
		'CERT_REJECTED',
	],
	...['CERT_REVOKED', 'UNSPECIFIED'],
])

/** OpenSSL's words, which are steadier than the codes that versions of Node give them. */
const byWords: readonly (readonly [RegExp, AgentErrorCode])[] = [
	[/certificate required|bad certificate|unknown ca|certificate unknown/i, 'origin_tls_client_cert'],
	[/wrong version number|packet length too long|http request|record layer failure/i, 'origin_not_tls'],
	[/protocol version|unsupported protocol|no protocols available|no shared cipher/i, 'origin_tls_protocol'],
]

/** TLS 1.2 has one word for there being no cipher in common and, later, for a client that shows no certificate. */
function failedHandshake(says: (words: RegExp) => boolean, isAgreed: boolean): AgentErrorCode | undefined {
	if (!says(/handshake failure/i)) return undefined
	return isAgreed ? 'origin_tls_client_cert' : 'origin_tls_protocol'
}

/** What tells of a request that has not arrived where it comes before the request, and nothing where it comes after. */
const connecting: ReadonlySet<AgentErrorCode> = new Set([
	'origin_dns',
	'origin_refused',
	'origin_connect_timeout',
	'origin_not_tls',
])

type Progress = {
	readonly mode: string
	/** Both sides had agreed on protocol and cipher. */
	readonly isAgreed: boolean
	/** The request was on its way. */
	readonly isSent: boolean
}

/** The name of what failed between the agent and the SCIM server. */
export function originFault(
	error: Error & { readonly code?: string },
	{ mode, isAgreed, isSent }: Progress,
): AgentErrorCode {
	const { code = '', message } = error
	const says = (words: RegExp) => words.test(message) || words.test(code.replaceAll('_', ' '))
	const fault = byCode[code] ?? byWords.find(([words]) => says(words))?.[1] ?? failedHandshake(says, isAgreed)
	if (unfit.has(code)) return 'origin_tls_untrusted'
	// A certificate that the pin does not vouch for is another certificate.
	if (fault === 'origin_tls_untrusted' && mode === 'pin') return 'origin_tls_pin'
	if (fault !== undefined) return isSent && connecting.has(fault) ? 'origin_reset' : fault
	if (code.startsWith('HPE_')) return 'origin_bad_response'
	return isSent ? 'origin_reset' : 'origin_refused'
}
