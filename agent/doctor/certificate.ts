import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { checkServerIdentity, connect } from 'node:tls'
import type { Config } from '../config.ts'
import { originOf } from '../forward.ts'
import { contextOf } from '../origin-tls.ts'
import { counted, plainly } from './check.ts'

/** The certificate of the SCIM server, before any verification. */
export type ServerCertificate = {
	readonly pem: string
	readonly text: string
	/** Names with their types, such as `DNS:localhost` and `IP:127.0.0.1`. */
	readonly names: readonly string[]
	readonly commonName: string
	readonly issuer: string
	readonly isSelfSigned: boolean
	readonly validFrom: Date
	readonly validTo: Date
	/** The subject of an expired authority in the chain that the server sends. */
	readonly expiredAuthority: string | undefined
	readonly fingerprint: string
	readonly protocol: string
	/** Whether the certificate is valid for a server of this name or address. */
	isFor(name: string): boolean
	isIssuedBy(authority: X509Certificate): boolean
}

const limit = 5000

/** Fetches the certificate and sends nothing after the handshake. Rejects if the server sends no certificate. */
export function showCertificate(config: Pick<Config, 'origin'>): Promise<ServerCertificate> {
	const { host, port } = originOf(config)
	const name = config.origin.tls.serverName ?? host
	// The only connection that accepts any certificate and protocol, to show them to the administrator.
	const secureContext = contextOf(config, { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' })
	const options = {
		host,
		port,
		secureContext,
		rejectUnauthorized: false,
		...(isIP(name) === 0 && { servername: name }),
	}
	return new Promise((resolve, reject) => {
		const socket = connect(options)
		let certificate: ServerCertificate | undefined
		// Node returns the certificate only once.
		const capture = () => {
			const peer = certificate === undefined ? socket.getPeerX509Certificate() : undefined
			if (peer !== undefined) certificate = describe(peer, socket.getProtocol() ?? 'TLS')
		}
		const finish = (why: string) => {
			socket.destroy()
			if (certificate === undefined) reject(new Error(`no certificate from the SCIM server: ${why}`))
			else resolve(certificate)
		}
		// Up to TLS 1.2 the certificate precedes the first key. Only then does a server miss a client certificate.
		socket.on('keylog', () => {
			if (socket.getProtocol() !== 'TLSv1.3') capture()
		})
		socket.setTimeout(limit, () => finish(`no handshake within ${limit / 1000} s`))
		socket.on('error', (error) => finish(plainly(error)))
		socket.on('secureConnect', () => {
			capture()
			finish('it sent none')
		})
	})
}

function describe(certificate: X509Certificate, protocol: string): ServerCertificate {
	const legacy = certificate.toLegacyObject()
	const names = namesIn(certificate.subjectAltName)
	const commonName = text(legacy.subject?.CN)
	const issuer = text(legacy.issuer?.CN) || text(legacy.issuer?.O) || certificate.issuer.replaceAll('\n', ' ')
	const validTo = new Date(certificate.validTo)
	const fingerprint = certificate.fingerprint256
	const isIssuedBy = (authority: X509Certificate) =>
		certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
	const isSelfSigned = isIssuedBy(certificate)
	const facts = [
		`certificate for ${names.join(' ') || 'no name'}${commonName && ` (CN=${commonName})`}`,
		isSelfSigned ? 'self-signed' : `issued by ${issuer}`,
		`until ${day(validTo)} (${counted(daysUntil(validTo), 'day')})`,
		protocol,
		`SHA-256 ${fingerprint}`,
	]
	return {
		pem: certificate.toString(),
		text: facts.join(', '),
		names,
		commonName,
		issuer,
		isSelfSigned,
		fingerprint,
		protocol,
		validFrom: new Date(certificate.validFrom),
		validTo,
		expiredAuthority: expiredAbove(certificate),
		isFor: (name) => checkServerIdentity(name, legacy) === undefined,
		isIssuedBy,
	}
}

export const day = (date: Date): string => date.toISOString().slice(0, 10)

export const daysUntil = (date: Date): number => Math.floor((date.getTime() - Date.now()) / 86_400_000)

const text = (value: string | string[] | undefined): string => [value ?? ''].flat()[0] ?? ''

/** Node returns all names in one line, and quotes names with special characters as JSON. */
const namesIn = (subjectAltName = ''): readonly string[] =>
	[...subjectAltName.matchAll(/([\w ]+?):("(?:[^"\\]|\\.)*"|[^,]*)(?:, )?/g)].map(
		([, kind = '', value = '']) =>
			`${kind === 'IP Address' ? 'IP' : kind}:${value.startsWith('"') ? JSON.parse(value) : value}`,
	)

function expiredAbove(certificate: X509Certificate): string | undefined {
	for (
		let authority = certificate.issuerCertificate;
		authority !== undefined;
		authority = authority.issuerCertificate
	) {
		if (new Date(authority.validTo).getTime() < Date.now()) return authority.subject.replaceAll('\n', ' ')
	}
	return undefined
}

/** A name in the certificate that can be set as `serverName`. */
export function serverNameIn(certificate: ServerCertificate, host: string): string | undefined {
	const candidates = certificate.names.map((name) => name.replace(/^\w+:/, ''))
	const hostName = isIP(host) === 0 && host !== 'localhost' ? host : hostname()
	const [label = ''] = hostName.toLowerCase().split('.')
	const names = candidates.map((name) => name.replace(/^\*\./, `${label}.`))
	return [...names, certificate.commonName].find((name) => /^[\w.:-]+$/.test(name) && certificate.isFor(name))
}
