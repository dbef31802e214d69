import { X509Certificate } from 'node:crypto'
import type { RequestOptions } from 'node:https'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import type { AgentErrorCode } from '../shared/relay/contract.ts'
import { type Config, readText } from './config.ts'
import { readSecret } from './secret-file.ts'

type TlsOptions = Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'checkServerIdentity'> & {
	readonly allowPartialTrustChain?: boolean
}

const hint = 'Name a PEM file.'

/** The certificate that the server showed is valid but not the pinned one. */
class PinError extends Error {
	readonly code = 'ORIGIN_PIN'
}

/** How the SCIM server's certificate is judged. There is no way not to. */
export function originTls({ origin }: Config): TlsOptions {
	const { tls, clientCertificate } = origin
	return {
		...(clientCertificate !== undefined && {
			cert: readText(clientCertificate.certificateFile, hint),
			key: readSecret(clientCertificate.keyFile),
		}),
		...(tls.serverName !== undefined && { servername: tls.serverName }),
		...(tls.mode === 'ca' && { ca: readText(tls.caFile, hint) }),
		...(tls.mode === 'pin' && pinned(new X509Certificate(readText(tls.certificateFile, hint)))),
		...(tls.mode !== 'pin' && tls.serverName !== undefined && namedAs(tls.serverName)),
	}
}

const namedAs = (name: string): TlsOptions => ({
	checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
})

/** Only this certificate, whoever issued it and whatever it is named; its expiry still counts. */
const pinned = (pin: X509Certificate): TlsOptions => ({
	ca: pin.toString(),
	allowPartialTrustChain: true,
	checkServerIdentity: (_host, { fingerprint256 }: PeerCertificate) =>
		fingerprint256 === pin.fingerprint256 ? undefined : new PinError(`the certificate is ${fingerprint256}`),
})

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

/** OpenSSL's words, which are steadier than the codes that versions of Node give them. */
const byWords: readonly (readonly [RegExp, AgentErrorCode])[] = [
	[/certificate required|bad certificate|unknown ca|certificate unknown/i, 'origin_tls_client_cert'],
	[/wrong version number|packet length too long|http request|record layer failure/i, 'origin_not_tls'],
	[
		/protocol version|unsupported protocol|no protocols available|handshake failure|no shared cipher/i,
		'origin_tls_protocol',
	],
]

/** The name of what failed between the agent and the SCIM server; `isSent` when the request was on its way. */
export function originFault(
	error: Error & { readonly code?: string },
	{ mode, isSent }: { mode: string; isSent: boolean },
): AgentErrorCode {
	const { code = '', message } = error
	const words = byWords.find(([pattern]) => pattern.test(message) || pattern.test(code.replaceAll('_', ' ')))
	const fault = byCode[code] ?? words?.[1]
	// A certificate that the pin does not vouch for is another certificate.
	if (fault === 'origin_tls_untrusted' && mode === 'pin') return 'origin_tls_pin'
	if (fault !== undefined) return fault
	if (code.startsWith('HPE_')) return 'origin_bad_response'
	return isSent ? 'origin_reset' : 'origin_refused'
}
