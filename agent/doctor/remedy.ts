import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import type { AgentErrorCode } from '../../shared/relay/contract.ts'
import type { Config } from '../config.ts'
import { originOf } from '../forward.ts'
import { certificateIn, readsTrustStore } from '../origin-tls.ts'
import { quoted } from '../program.ts'
import { day, type ServerCertificate, serverNameIn } from './certificate.ts'

/** Settings, and the file that they are in. */
export type LoadedConfig = { readonly config: Config; readonly file: string }

/** What failed between the agent and the SCIM server, and the certificate that this showed. */
export type OriginFailure = {
	readonly fault: AgentErrorCode
	readonly detail: string
	readonly shown: ServerCertificate | undefined
}

/** One sentence and, where a setting is wrong, the line that puts it right. */
export function remedyFor(failure: OriginFailure, loaded: LoadedConfig): string {
	const { fault, shown } = failure
	const { origin } = loaded.config
	switch (fault) {
		case 'origin_dns':
			return `The name in origin.url has no address here: "url": "${atHost(origin.url, 'localhost')}" if the server runs on this machine.`
		case 'origin_refused':
			return `Start the SCIM server, or correct the port: "url": "${origin.url.replace(/^(https:\/\/(?:\[[^\]]*\]|[^/:]+))(:\d+)?/, '$1:PORT')}", PORT being the one that it listens on.`
		case 'origin_connect_timeout':
			return 'It does not answer: look for a firewall that drops the connection, and whether the SCIM server hangs or waits for something else than TLS on this port.'
		case 'origin_tls_untrusted':
			return untrusted(failure, loaded)
		case 'origin_tls_name':
			return shown === undefined ? `Pin it: ${pinning(loaded)}.` : named(shown, loaded)
		case 'origin_tls_expired':
			return outOfDate(shown)
		case 'origin_tls_pin':
			return otherThanPinned(shown, loaded)
		case 'origin_tls_protocol':
			return oldProtocol(failure)
		case 'origin_tls_client_cert':
			return origin.clientCertificate === undefined
				? `It wants a certificate of the agent: add "clientCertificate": { "certificateFile": "client.pem", "keyFile": "client.key" } to origin, with one that it accepts.`
				: `It does not accept ${origin.clientCertificate.certificateFile}: let the SCIM server trust whoever issued it, or name another in "clientCertificate".`
		case 'origin_not_tls':
			return 'What answers on this port does not speak TLS, but plain HTTP perhaps: enable TLS on the SCIM server, and use the port that has it in origin.url.'
		case 'origin_bad_response':
			return `What answers is not SCIM: does "url": "${origin.url}" end where its SCIM endpoints begin?`
		case 'origin_unavailable':
			return 'A gateway before the SCIM server cannot reach it: look at the gateway.'
		case 'origin_reset':
			return "The SCIM server broke the connection off: see its own log. It may not take the agent's certificate, or fail at the request."
		case 'origin_timeout':
			return 'The SCIM server took the request and did not answer: see its own log.'
		default:
			return "See the SCIM server's own log."
	}
}

/** An address with another host in it. */
export const atHost = (url: string, host: string): string =>
	url.replace(/^https:\/\/(\[[^\]]*\]|[^/:]+)/, `https://${isIP(host) === 6 ? `[${host}]` : host}`)

type Tls = Config['origin']['tls']

/** As it is to stand in the settings. */
const lineOf = (tls: Tls): string => `"tls": ${JSON.stringify(tls, null, 1).replaceAll(/\n\s*/g, ' ')}`

/** The command and the line that pin the certificate which is shown now. */
function pinning({ config, file }: LoadedConfig): string {
	const { tls } = config.origin
	const pem = tls.mode === 'pin' ? tls.certificateFile : join(dirname(file), 'origin.pem')
	const name = tls.mode === 'pin' ? pem : 'origin.pem'
	return `${saving(file, pem)}, compare its SHA-256 with that of the server, and set ${lineOf({ mode: 'pin', certificateFile: name })} in origin`
}

export const saving = (file: string, pem: string): string =>
	`rollcall-relay doctor --config ${quoted(file)} --save-certificate ${quoted(pem)}`

/** The name that the certificate is checked for. */
export const expectedName = (config: Config): string => config.origin.tls.serverName ?? originOf(config).host

function untrusted({ detail, shown }: OriginFailure, loaded: LoadedConfig): string {
	const { tls } = loaded.config.origin
	if (/purpose/.test(detail))
		return 'It is not for servers: have it issued again with extendedKeyUsage=serverAuth. There is no setting that lets it pass.'
	if (/too (weak|short|small)/.test(detail))
		return 'Its key, or that of an authority, is too short: have it issued again with 2048 bits (RSA) or P-256. There is no setting that lets it pass.'
	const pin = pinning(loaded)
	if (shown === undefined) return `Pin it: ${pin}.`
	if (shown.isSelfSigned) return `It is self-signed, so pin it: ${pin}.`
	if (tls.mode === 'ca')
		return `It was issued by ${shown.issuer}, which is not in ${tls.caFile}: add the certificate of that authority. Or: Pin it: ${pin}.`
	const node = readsTrustStore
		? ''
		: ` Node ${process.versions.node} does not see the authorities that were added to this machine, Node 22.15 and later do; until then NODE_EXTRA_CA_CERTS may name the file too.`
	const line = lineOf({ mode: 'ca', caFile: 'ca.pem', ...serverName(shown, loaded.config) })
	return `It was issued by ${shown.issuer}, which this machine does not trust: put the certificate of that authority into ca.pem beside ${loaded.file}, and set ${line} in origin.${node} Or: Pin it: ${pin}.`
}

/** Where it is for another name, that has to be said as well. */
function serverName(shown: ServerCertificate, config: Config): { readonly serverName?: string } {
	const expected = expectedName(config)
	const name = shown.isFor(expected) ? config.origin.tls.serverName : serverNameIn(shown, expected)
	return name === undefined ? {} : { serverName: name }
}

function named(shown: ServerCertificate, loaded: LoadedConfig): string {
	const { tls } = loaded.config.origin
	const expected = expectedName(loaded.config)
	const name = serverNameIn(shown, expected)
	const ways = [
		...(name === undefined ? [] : [`Set ${lineOf({ ...tls, serverName: name })} in origin.`]),
		reissue(shown, expected),
		`Pin it: ${pinning(loaded)}.`,
	]
	return ways.join(' Or: ')
}

function reissue({ names }: ServerCertificate, expected: string): string {
	if (isIP(expected) === 0) return `Have it issued again with the name DNS:${expected} (subjectAltName).`
	const again = `Have it issued again with IP:${expected} (subjectAltName).`
	return names.includes(`DNS:${expected}`)
		? `It has ${expected} as DNS:${expected}, which does not count: an address must be an IP entry. ${again}`
		: again
}

function outOfDate(shown: ServerCertificate | undefined): string {
	const clock = `The clock of this machine says ${new Date().toISOString().slice(0, 16)}Z: set it, if that is wrong (see H2)`
	if (shown !== undefined && shown.validFrom.getTime() > Date.now())
		return `It is not valid before ${shown.validFrom.toISOString()}. ${clock}; otherwise have it issued again. There is no setting that lets it pass.`
	if (shown !== undefined && shown.validTo.getTime() > Date.now())
		return `The certificate of an authority above it (${shown.endedAuthority ?? shown.issuer}) is out of date: renew that one, on the SCIM server and in "caFile". ${clock}.`
	const ended = shown === undefined ? 'It is out of date' : `It ended on ${day(shown.validTo)}`
	return `${ended}: renew it on the SCIM server. There is no setting that lets it pass. ${clock}.`
}

function otherThanPinned(shown: ServerCertificate | undefined, loaded: LoadedConfig): string {
	const { tls } = loaded.config.origin
	const renewed = `If it was renewed, pin the new one: ${pinning(loaded)}.`
	if (tls.mode !== 'pin' || shown === undefined) return renewed
	const file = tls.certificateFile
	const pin = certificateIn(file)
	if (!shown.isSelfSigned && shown.isIssuedBy(pin))
		return `${file} has the certificate of the authority that issued it: set ${lineOf({ mode: 'ca', caFile: file, ...serverName(shown, loaded.config) })} in origin.`
	return `Pinned is ${pin.fingerprint256} in ${file}, shown is ${shown.fingerprint}. ${renewed}`
}

function oldProtocol({ detail, shown }: OriginFailure): string {
	if (shown !== undefined && /^(TLSv1(\.1)?|SSLv3)$/.test(shown.protocol))
		return `It speaks ${shown.protocol} at most: enable TLS 1.2 or later on the SCIM server (Windows: SCHANNEL\\Protocols\\TLS 1.2\\Server, Enabled = 1).`
	if (/handshake failure|shared cipher/.test(detail))
		return 'It has no cipher in common with the agent: enable one with ECDHE and AES-GCM for TLS 1.2, or TLS 1.3, on the SCIM server.'
	return 'It speaks no TLS 1.2: enable that or a later one on the SCIM server (Windows: SCHANNEL\\Protocols\\TLS 1.2\\Server, Enabled = 1).'
}
