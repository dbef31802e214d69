import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { checkServerIdentity, connect } from 'node:tls'
import type { Config } from '../config.ts'
import { originOf } from '../forward.ts'
import { contextOf } from '../origin-tls.ts'
import { counted, plainly } from './check.ts'

/** The certificate that the SCIM server shows, whatever it is worth. */
export type ServerCertificate = {
	readonly pem: string
	readonly text: string
	/** With their kinds, as in `DNS:localhost` and `IP:127.0.0.1`. */
	readonly names: readonly string[]
	readonly commonName: string
	readonly issuer: string
	readonly isSelfSigned: boolean
	readonly validFrom: Date
	readonly validTo: Date
	/** Of the authorities that the server sends along, one that is out of date. */
	readonly endedAuthority: string | undefined
	readonly fingerprint: string
	readonly protocol: string
	/** Whether it holds for a server that is asked for by this name or address. */
	isFor(name: string): boolean
	isIssuedBy(authority: X509Certificate): boolean
}

const limit = 5000

/** Looks at the certificate only: nothing is asked, and nothing is sent after the handshake. Throws when none is shown. */
export function showCertificate(config: Config): Promise<ServerCertificate> {
	const { host, port } = originOf(config)
	const name = config.origin.tls.serverName ?? host
	// The one place that goes on with any certificate and any protocol: to show them to the administrator, who decides.
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
		let shown: ServerCertificate | undefined
		// Node gives it once.
		const look = () => {
			const certificate = shown === undefined ? socket.getPeerX509Certificate() : undefined
			if (certificate !== undefined) shown = describe(certificate, socket.getProtocol() ?? 'TLS')
		}
		const finish = (why: string) => {
			socket.destroy()
			if (shown === undefined) reject(new Error(`the SCIM server shows no certificate: ${why}`))
			else resolve(shown)
		}
		// Up to TLS 1.2 it has come before the first key; who wants one of the agent breaks off only then.
		socket.on('keylog', () => {
			if (socket.getProtocol() !== 'TLSv1.3') look()
		})
		socket.setTimeout(limit, () => finish(`no handshake within ${limit / 1000} s`))
		socket.on('error', (error) => finish(plainly(error)))
		socket.on('secureConnect', () => {
			look()
			finish('it has none')
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
		...{ names, commonName, issuer, isSelfSigned, validTo, fingerprint, protocol },
		validFrom: new Date(certificate.validFrom),
		endedAuthority: endedAbove(certificate),
		isFor: (name) => checkServerIdentity(name, legacy) === undefined,
		isIssuedBy,
	}
}

export const day = (date: Date): string => date.toISOString().slice(0, 10)

export const daysUntil = (date: Date): number => Math.floor((date.getTime() - Date.now()) / 86_400_000)

const text = (value: string | string[] | undefined): string => [value ?? ''].flat()[0] ?? ''

/** Node writes them in one line, and those with special characters as JSON. */
const namesIn = (subjectAltName = ''): readonly string[] =>
	[...subjectAltName.matchAll(/([\w ]+?):("(?:[^"\\]|\\.)*"|[^,]*)(?:, )?/g)].map(
		([, kind = '', value = '']) =>
			`${kind === 'IP Address' ? 'IP' : kind}:${value.startsWith('"') ? JSON.parse(value) : value}`,
	)

function endedAbove(certificate: X509Certificate): string | undefined {
	for (let each = certificate.issuerCertificate; each !== undefined; each = each.issuerCertificate) {
		if (new Date(each.validTo).getTime() < Date.now()) return each.subject.replaceAll('\n', ' ')
	}
	return undefined
}

/** Of the names in it one by which a server can be asked for and that this certificate holds for. */
export function serverNameIn(shown: ServerCertificate, host: string): string | undefined {
	const named = shown.names.map((name) => name.replace(/^\w+:/, ''))
	const own = isIP(host) === 0 && host !== 'localhost' ? host : hostname()
	const [label = ''] = own.toLowerCase().split('.')
	const spelled = named.map((name) => name.replace(/^\*\./, `${label}.`))
	return [...spelled, shown.commonName].find((name) => /^[\w.:-]+$/.test(name) && shown.isFor(name))
}
