import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import { shellWord } from '../../shared/cli/shell-word.ts'
import type { AgentErrorCode } from '../../shared/relay/contract.ts'
import { type Config, pinFiles } from '../config.ts'
import { originOf } from '../forward.ts'
import { certificateIn, readsTrustStore } from '../origin-tls.ts'
import { day, type ServerCertificate, serverNameIn } from './certificate.ts'

/** Settings and the path of their file. */
export type LoadedConfig = { readonly config: Config; readonly file: string }

/** A failed connection to the SCIM server, and the certificate of that server if it sent one. */
export type OriginProblem = {
	readonly fault: AgentErrorCode
	readonly detail: string
	readonly certificate: ServerCertificate | undefined
}

/** How to repair the failure. If a setting is wrong, the text contains the line to paste. */
export function remedyFor(failure: OriginProblem, loaded: LoadedConfig): string {
	const { fault, certificate } = failure
	const { origin } = loaded.config
	switch (fault) {
		case 'origin_dns':
			return `This machine cannot resolve the name in origin.url. If the server runs here, set "url": "${atHost(origin.url, 'localhost')}" in origin.`
		case 'origin_refused':
			return `Start the SCIM server. Or: Correct the port: "url": "${origin.url.replace(/^(https:\/\/(?:\[[^\]]*\]|[^/:]+))(:\d+)?/, '$1:PORT')}" in origin.`
		case 'origin_connect_timeout':
			return 'The server does not answer. Check firewalls, whether the server hangs, and whether this port speaks TLS.'
		case 'origin_tls_untrusted':
			return untrusted(failure, loaded)
		case 'origin_tls_name':
			return certificate === undefined ? `Pin it: ${pinning(loaded)}.` : otherName(certificate, loaded)
		case 'origin_tls_expired':
			return expired(certificate)
		case 'origin_tls_pin':
			return unpinned(certificate, loaded)
		case 'origin_tls_protocol':
			return oldProtocol(failure)
		case 'origin_tls_client_cert':
			return origin.clientCertificate === undefined
				? `The SCIM server requires a client certificate: add "clientCertificate": { "certificateFile": "client.pem", "keyFile": "client.key" } to origin.`
				: `The SCIM server refuses ${origin.clientCertificate.certificateFile}. Let it trust the issuer of this certificate. Or: Name another one in "clientCertificate".`
		case 'origin_not_tls':
			return 'This port does not speak TLS, perhaps plain HTTP. Enable TLS on the SCIM server, and use its TLS port in origin.url.'
		case 'origin_bad_response':
			return `The answer is not SCIM. Check that "url": "${origin.url}" is the root of the SCIM endpoints.`
		case 'origin_unavailable':
			return 'A gateway in front of the SCIM server cannot reach it. Check the gateway.'
		case 'origin_reset':
			return "The SCIM server closed the connection. See its own log: it may refuse the agent's certificate, or fail on the request."
		case 'origin_timeout':
			return 'The SCIM server received the request and did not answer. See its own log.'
		default:
			return "See the SCIM server's own log."
	}
}

/** The URL with another host. */
export const atHost = (url: string, host: string): string =>
	url.replace(/^https:\/\/(\[[^\]]*\]|[^/:]+)/, `https://${isIP(host) === 6 ? `[${host}]` : host}`)

type Tls = Config['origin']['tls']

/** The setting as one line of JSON. */
const lineOf = (tls: Tls): string => `"tls": ${JSON.stringify(tls, null, 1).replaceAll(/\n\s*/g, ' ')}`

/** The command and the line that pin the current certificate. */
function pinning({ config, file }: LoadedConfig): string {
	const { tls } = config.origin
	const [own] = tls.mode === 'pin' ? pinFiles(tls) : []
	const pem = own ?? join(dirname(file), 'origin.pem')
	return `${saving(config, file, pem)}, compare its SHA-256 with that of the server, and set ${lineOf({ mode: 'pin', certificateFile: own ?? 'origin.pem' })} in origin`
}

export const saving = ({ name }: Config, file: string, pem: string): string =>
	`rollcall-relay doctor --config ${shellWord(file)}${name === undefined ? '' : ` --server ${name}`} --save-certificate ${shellWord(pem)}`

/** The name that the certificate must contain. */
export const expectedName = (config: Config): string => config.origin.tls.serverName ?? originOf(config).host

function untrusted({ detail, certificate }: OriginProblem, loaded: LoadedConfig): string {
	const { tls } = loaded.config.origin
	if (/purpose/.test(detail))
		return 'The certificate is not for servers. Issue a new one with extendedKeyUsage=serverAuth. No setting accepts this one.'
	if (/too (weak|short|small)/.test(detail))
		return 'The key of the certificate or of its authority is too short. Issue a new one with RSA 2048 or P-256. No setting accepts this one.'
	const pin = pinning(loaded)
	if (certificate === undefined) return `Pin it: ${pin}.`
	if (certificate.isSelfSigned) return `The certificate is self-signed, so pin it: ${pin}.`
	if (tls.mode === 'ca')
		return `Its issuer, ${certificate.issuer}, is not in ${tls.caFile}. Add the certificate of that authority. Or: Pin it: ${pin}.`
	const node = readsTrustStore
		? ''
		: ` Node ${process.versions.node} ignores authorities that were added to this machine; Node 22.15 reads them. NODE_EXTRA_CA_CERTS can name the file, too.`
	const line = lineOf({ mode: 'ca', caFile: 'ca.pem', ...serverName(certificate, loaded.config) })
	return `This machine does not trust the issuer, ${certificate.issuer}. Save the certificate of that authority as ca.pem beside ${loaded.file}, and set ${line} in origin.${node} Or: Pin it: ${pin}.`
}

/** The `serverName` to set if the certificate is for another name. */
function serverName(certificate: ServerCertificate, config: Config): { readonly serverName?: string } {
	const expected = expectedName(config)
	const name = certificate.isFor(expected) ? config.origin.tls.serverName : serverNameIn(certificate, expected)
	return name === undefined ? {} : { serverName: name }
}

function otherName(certificate: ServerCertificate, loaded: LoadedConfig): string {
	const { tls } = loaded.config.origin
	const expected = expectedName(loaded.config)
	const name = serverNameIn(certificate, expected)
	const ways = [
		...(name === undefined ? [] : [`Set ${lineOf({ ...tls, serverName: name })} in origin.`]),
		reissue(certificate, expected),
		`Pin it: ${pinning(loaded)}.`,
	]
	return ways.join(' Or: ')
}

function reissue({ names }: ServerCertificate, expected: string): string {
	if (isIP(expected) === 0) return `Issue a new certificate with the name DNS:${expected} (subjectAltName).`
	const reissueRemedy = `Issue a new certificate with IP:${expected} (subjectAltName).`
	return names.includes(`DNS:${expected}`)
		? `The certificate has DNS:${expected}, but an address must be an IP entry. ${reissueRemedy}`
		: reissueRemedy
}

function expired(certificate: ServerCertificate | undefined): string {
	const clock = `The clock of this machine says ${new Date().toISOString().slice(0, 16)}Z. If that is wrong, set it (see H2)`
	if (certificate !== undefined && certificate.validFrom.getTime() > Date.now())
		return `The certificate is not valid before ${certificate.validFrom.toISOString()}. ${clock}. Or: Issue a new one. No setting accepts this one.`
	if (certificate !== undefined && certificate.validTo.getTime() > Date.now())
		return `The certificate of the authority ${certificate.expiredAuthority ?? certificate.issuer} has expired. Renew it on the SCIM server and in "caFile". ${clock}.`
	const fact =
		certificate === undefined ? 'The certificate has expired' : `The certificate expired on ${day(certificate.validTo)}`
	return `${fact}. Renew it on the SCIM server. No setting accepts this one. ${clock}.`
}

function unpinned(certificate: ServerCertificate | undefined, loaded: LoadedConfig): string {
	const { tls } = loaded.config.origin
	const renewed = `If the certificate was renewed, pin the new one: ${pinning(loaded)}.`
	if (tls.mode !== 'pin' || certificate === undefined) return renewed
	const pins = pinFiles(tls).map((file) => ({ file, pin: certificateIn(file) }))
	const authority = pins.find(({ pin }) => !certificate.isSelfSigned && certificate.isIssuedBy(pin))
	if (authority !== undefined)
		return `${authority.file} is the certificate of the issuing authority. Set ${lineOf({ mode: 'ca', caFile: authority.file, ...serverName(certificate, loaded.config) })} in origin.`
	const known = pins.map(({ file, pin }) => `The pin in ${file} is ${pin.fingerprint256}`).join('. ')
	return `${known}, the server has ${certificate.fingerprint}. ${renewed}`
}

function oldProtocol({ detail, certificate }: OriginProblem): string {
	if (certificate !== undefined && /^(TLSv1(\.1)?|SSLv3)$/.test(certificate.protocol))
		return `The SCIM server supports at most ${certificate.protocol}. Enable TLS 1.2 or later there (Windows: SCHANNEL\\Protocols\\TLS 1.2\\Server, Enabled = 1).`
	if (/handshake failure|shared cipher/.test(detail))
		return 'The SCIM server and the agent have no common cipher. On the server, enable TLS 1.3, or ECDHE with AES-GCM for TLS 1.2.'
	return 'The SCIM server does not support TLS 1.2. Enable TLS 1.2 or later there (Windows: SCHANNEL\\Protocols\\TLS 1.2\\Server, Enabled = 1).'
}
