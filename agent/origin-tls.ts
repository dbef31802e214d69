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
import { type Config, pinFiles, readText } from './config.ts'
import { briefly } from './log.ts'
import { readSecret } from './secret-file.ts'

type TlsOptions = Pick<ConnectionOptions, 'servername' | 'checkServerIdentity'> & {
	readonly secureContext: SecureContext
}

const hint = 'Name a PEM file.'

/** The certificate of the server is valid, but it is not the pinned one. */
class PinError extends Error {
	readonly code = 'ORIGIN_PIN'
}

/**
 * TLS options that verify the SCIM server's certificate. No setting turns the verification off.
 * Certificates go into one context. As options, each connection would parse them again, and an https.Agent would compare
 * them to find a kept connection.
 */
export function originTls(config: Pick<Config, 'origin'>): TlsOptions {
	const { tls } = config.origin
	// SNI carries only names (RFC 6066 section 3). The certificate is checked for an address all the same.
	const name = tls.serverName !== undefined && isIP(tls.serverName) === 0 && { servername: tls.serverName }
	if (tls.mode === 'pin') {
		const pins = pinFiles(tls).map(certificateIn)
		const secureContext = contextOf(config, { ca: pins.map(String), allowPartialTrustChain: true })
		return { secureContext, ...name, checkServerIdentity: isPinned(pins) }
	}
	return {
		secureContext: contextOf(config, tls.mode === 'ca' ? trusting(tls.caFile) : defaultTrust()),
		...name,
		...(tls.serverName !== undefined && { checkServerIdentity: isNamed(tls.serverName) }),
	}
}

/** Node reads the authorities that the machine trusts from 22.15 on. Earlier versions know only Node's own. */
export const readsTrustStore: boolean = 'getCACertificates' in nodeTls

/** The authorities of Node, of NODE_EXTRA_CA_CERTS and of the machine. */
export function defaultTrust(): { readonly ca?: string[] } {
	if (!readsTrustStore) return {}
	const { getCACertificates } = nodeTls
	return { ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system')])] }
}

/** Trusts the authority in the file, even if another authority issued it. */
const trusting = (file: string): SecureContextOptions => ({ ca: readText(file, hint), allowPartialTrustChain: true })

type IdentityCheck = NonNullable<ConnectionOptions['checkServerIdentity']>

const isNamed =
	(name: string): IdentityCheck =>
	(_host, certificate) =>
		checkServerIdentity(name, certificate)

/** Accepts only these certificates, with any issuer and any name. Expiry is still checked. */
const isPinned =
	(pins: readonly X509Certificate[]): IdentityCheck =>
	(_host, { fingerprint256 }: PeerCertificate) =>
		pins.some((pin) => pin.fingerprint256 === fingerprint256)
			? undefined
			: new PinError(`the certificate is ${fingerprint256}`)

/** A context with the agent's own certificate if the settings name one. Throws a UsageError if it cannot be used. */
export function contextOf({ origin }: Pick<Config, 'origin'>, options: SecureContextOptions): SecureContext {
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

/** The first certificate of a PEM file. Throws a UsageError if there is none. */
export function certificateIn(file: string): X509Certificate {
	const pem = readText(file, hint)
	try {
		return new X509Certificate(pem)
	} catch (error) {
		throw new UsageError(`${file} is not a certificate: ${briefly(error)}`, { hint, cause: error })
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

/** Faults of a certificate that trust cannot repair, such as a wrong purpose. A short key has the code UNSPECIFIED. */
const unfit: ReadonlySet<string> = new Set([
	'INVALID_PURPOSE',
	'INVALID_CA',
	'PATH_LENGTH_EXCEEDED',
	'CERT_CHAIN_TOO_LONG',
	'CERT_UNTRUSTED',
	'CERT_REJECTED',
	'CERT_REVOKED',
	'UNSPECIFIED',
])

/** Messages of OpenSSL. They are more stable than the error codes, which differ between Node versions. */
const byWords: readonly (readonly [RegExp, AgentErrorCode])[] = [
	[/certificate required|bad certificate|unknown ca|certificate unknown/i, 'origin_tls_client_cert'],
	[/wrong version number|packet length too long|http request|record layer failure/i, 'origin_not_tls'],
	[/protocol version|unsupported protocol|no protocols available|no shared cipher/i, 'origin_tls_protocol'],
]

/** TLS 1.2 sends the same alert for "no common cipher" and, later in the handshake, for a missing client certificate. */
function failedHandshake(matches: (words: RegExp) => boolean, isAgreed: boolean): AgentErrorCode | undefined {
	if (!matches(/handshake failure/i)) return undefined
	return isAgreed ? 'origin_tls_client_cert' : 'origin_tls_protocol'
}

/** These faults prove that the request did not arrive only if they come before the request was sent. */
const connecting: ReadonlySet<AgentErrorCode> = new Set([
	'origin_dns',
	'origin_refused',
	'origin_connect_timeout',
	'origin_not_tls',
])

type Progress = {
	readonly mode: string
	/** Both sides have agreed on protocol and cipher. */
	readonly isAgreed: boolean
	/** The request may have left. */
	readonly isSent: boolean
}

/** The error code for a failed connection to the SCIM server. */
export function originFault(
	error: Error & { readonly code?: string },
	{ mode, isAgreed, isSent }: Progress,
): AgentErrorCode {
	const { code = '', message } = error
	const matches = (words: RegExp) => words.test(message) || words.test(code.replaceAll('_', ' '))
	const fault = byCode[code] ?? byWords.find(([words]) => matches(words))?.[1] ?? failedHandshake(matches, isAgreed)
	if (unfit.has(code)) return 'origin_tls_untrusted'
	// If the pin does not verify the certificate, it is a different certificate.
	if (fault === 'origin_tls_untrusted' && mode === 'pin') return 'origin_tls_pin'
	if (fault !== undefined) return isSent && connecting.has(fault) ? 'origin_reset' : fault
	if (code.startsWith('HPE_')) return 'origin_bad_response'
	return isSent ? 'origin_reset' : 'origin_refused'
}
