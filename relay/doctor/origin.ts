import { lookup } from 'node:dns/promises'
import { connect, type PeerCertificate } from 'node:tls'
import { type Clock, systemClock } from '../../shared/relay/clock.ts'
import type { AgentErrorCode } from '../../shared/relay/contract.ts'
import type { Config } from '../config.ts'
import { controlLimit } from '../dispatch.ts'
import { forwardTo, type OriginAnswer, originOf } from '../forward.ts'
import { briefly } from '../log.ts'
import { type Finding, fail, pass, skip, warn } from './check.ts'

const deadline = 10_000
const rounds = 5

/** The certificate that the SCIM server shows, whatever it is worth. */
export type Shown = {
	readonly pem: string
	readonly text: string
	readonly names: readonly string[]
	readonly isSelfSigned: boolean
	readonly daysLeft: number
}

/** Is the SCIM server there, does its certificate hold, and does it answer SCIM? */
export async function originFindings(config: Config, clock: Clock = systemClock): Promise<readonly Finding[]> {
	const { host, port, basePath } = originOf(config)
	const forward = forwardTo(config, clock)
	const ask = (path: string) =>
		forward({
			method: 'GET',
			path: `${basePath}${path}`,
			headers: { accept: 'application/scim+json' },
			body: Buffer.alloc(0),
			deadline,
		})
	const addresses = await lookup(host, { all: true }).catch((error: unknown) => briefly(error))
	if (typeof addresses === 'string')
		return [fail('O1', `origin_dns: ${host}: ${addresses}`, remedyFor('origin_dns', config, undefined))]
	const shown = await showCertificate(config)
	const first = await ask('/ServiceProviderConfig')
	return [
		pass('O1', `${host} is ${addresses.map(({ address }) => address).join(', ')}`),
		connection(first, config, shown, port),
		...(shown === undefined ? [] : [certificate(shown)]),
		...('fault' in first && isConnection(first.fault)
			? [skip('O4', 'no connection')]
			: await answers(first, config, ask)),
	]
}

const isConnection = (fault: AgentErrorCode): boolean =>
	!['origin_timeout', 'origin_bad_response', 'origin_unavailable', 'origin_reset'].includes(fault)

function connection(first: OriginAnswer, config: Config, shown: Shown | undefined, port: number): Finding {
	if (!('fault' in first) || !isConnection(first.fault))
		return pass('O3', `a connection to port ${port} whose certificate is accepted`)
	const code = first.fault === 'origin_refused' || first.fault === 'origin_connect_timeout' ? 'O2' : 'O3'
	return fail(code, `${first.fault}: ${first.detail}`, remedyFor(first.fault, config, shown))
}

function certificate({ text, daysLeft }: Shown): Finding {
	if (daysLeft < 0 || daysLeft > 30) return pass('O3', text)
	return warn('O3', text, `The certificate ends in ${daysLeft} days: renew it on the SCIM server.`)
}

async function answers(
	first: OriginAnswer,
	config: Config,
	ask: (path: string) => Promise<OriginAnswer>,
): Promise<readonly Finding[]> {
	const users = await ask('/Users?count=1')
	return [
		answer('O4', '/ServiceProviderConfig', first, config),
		answer('O5', '/Users?count=1', users, config),
		await speed(ask),
		await size(ask),
	]
}

function answer(code: string, path: string, seen: OriginAnswer, config: Config): Finding {
	if ('fault' in seen)
		return fail(code, `GET ${path}: ${seen.fault}: ${seen.detail}`, remedyFor(seen.fault, config, undefined))
	const what = `GET ${path}: ${seen.status}`
	if (seen.status === 200) return pass(code, what)
	if (seen.status === 401 || seen.status === 403) return fail(code, what, credentialRemedy(config))
	if (seen.status === 404)
		return fail(code, what, `Is origin.url the address of the SCIM server's root? It is "${config.origin.url}".`)
	return fail(code, what, "See the SCIM server's own log.")
}

function credentialRemedy({ origin: { authorization } }: Config): string {
	switch (authorization.type) {
		case 'bearer':
			return `The SCIM server refuses the token in ${authorization.tokenFile}: write the right one into it and restart the agent.`
		case 'passThrough':
			return 'Nothing is wrong if clients bring the token: "authorization": { "type": "passThrough" } sends none of its own.'
		case 'clientCertificate':
			return 'The SCIM server wants more than a client certificate: set "authorization": { "type": "bearer", "tokenFile": "origin.token" }.'
	}
}

async function speed(ask: (path: string) => Promise<OriginAnswer>): Promise<Finding> {
	const times: number[] = []
	for (let round = 0; round < rounds; round++) {
		const started = performance.now()
		await ask('/ServiceProviderConfig')
		times.push(Math.round(performance.now() - started))
	}
	times.sort((one, other) => one - other)
	const seen = `${rounds} requests: ${times[rounds >> 1]} ms in the middle, ${times.at(-1)} ms at most`
	return (times.at(-1) ?? 0) > 5000
		? warn('O6', seen, 'The relay gives up after 60 s; find out why the SCIM server is slow.')
		: pass('O6', seen)
}

/** More than fits the control channel goes another way, which is only gone where there is something that large. */
async function size(ask: (path: string) => Promise<OriginAnswer>): Promise<Finding> {
	const answer = await ask('/Schemas')
	if ('fault' in answer) return skip('O7', `GET /Schemas: ${answer.fault}: ${answer.detail}`)
	const seen = `GET /Schemas: ${answer.status}, ${answer.body.length} bytes`
	return answer.body.length > controlLimit
		? pass('O7', `${seen}, which goes packed or by a rendezvous`)
		: skip('O7', `${seen}, which is too little to need a rendezvous`)
}

/** Looks at the certificate only: nothing is asked, and nothing is sent after the handshake. */
export function showCertificate(config: Config): Promise<Shown | undefined> {
	const { host, port } = originOf(config)
	const servername = config.origin.tls.serverName ?? host
	return new Promise((resolve) => {
		// The one place that goes on with any certificate: to show it to the administrator, who decides whether to trust it.
		const socket = connect({
			host,
			port,
			rejectUnauthorized: false,
			...(/^[\d.:]+$/.test(servername) ? {} : { servername }),
		})
		const finish = (shown?: Shown) => {
			socket.destroy()
			resolve(shown)
		}
		socket.setTimeout(5000, () => finish())
		socket.on('error', () => finish())
		socket.on('secureConnect', () => finish(describe(socket.getPeerCertificate(true), socket.getProtocol())))
	})
}

function describe(
	peer: PeerCertificate & { issuerCertificate?: PeerCertificate },
	protocol: string | null,
): Shown | undefined {
	if (peer.raw === undefined) return undefined
	const names = (peer.subjectaltname ?? '')
		.split(', ')
		.filter(Boolean)
		.map((name) => name.replace(/^[^:]*:/, ''))
	const daysLeft = Math.floor((Date.parse(peer.valid_to) - Date.now()) / 86_400_000)
	const issuer = peer.issuer?.CN ?? 'unknown'
	const subject = peer.subject?.CN ?? 'unknown'
	const base64 = peer.raw.toString('base64').replaceAll(/.{64}/g, '$&\n')
	return {
		pem: `-----BEGIN CERTIFICATE-----\n${base64.trimEnd()}\n-----END CERTIFICATE-----\n`,
		text: `certificate of ${subject}, names ${names.join(' ') || 'none'}, issued by ${issuer}, ends in ${daysLeft} days, ${protocol}, SHA-256 ${peer.fingerprint256}`,
		names,
		isSelfSigned: issuer === subject,
		daysLeft,
	}
}

/** One sentence and, where a setting is wrong, the line that puts it right. */
function remedyFor(fault: AgentErrorCode, { origin }: Config, shown: Shown | undefined): string {
	const pin =
		'rollcall-relay doctor --save-certificate origin.pem, compare its SHA-256 with the server, then set "tls": { "mode": "pin", "certificateFile": "origin.pem" }'
	switch (fault) {
		case 'origin_dns':
			return `The name in origin.url has no address here: "url": "${origin.url.replace(/\/\/[^/:]+/, '//localhost')}" if the server runs on this machine.`
		case 'origin_refused':
			return `Nothing listens there. Start the SCIM server, or correct the port: "url": "${origin.url}".`
		case 'origin_connect_timeout':
			return 'Something accepts the connection, or drops it, and says nothing: look at firewalls and at the SCIM server.'
		case 'origin_tls_untrusted':
			return shown?.isSelfSigned === false
				? 'Its authority is unknown here: "tls": { "mode": "ca", "caFile": "ca.pem" }, with the certificate of the authority in the file.'
				: `Its certificate is its own: ${pin}.`
		case 'origin_tls_name':
			return shown?.names[0] === undefined
				? `Its certificate has no names: ${pin}.`
				: `Its certificate has another name: add "serverName": "${shown.names[0]}" to origin.tls.`
		case 'origin_tls_expired':
			return 'Its certificate is out of date: renew it on the SCIM server. There is no setting that lets it pass.'
		case 'origin_tls_pin':
			return `It shows another certificate than the pinned one. If it was renewed: ${pin}.`
		case 'origin_tls_protocol':
			return 'It speaks no TLS 1.2: enable that on the SCIM server.'
		case 'origin_tls_client_cert':
			return 'It asks for a client certificate: "clientCertificate": { "certificateFile": "client.pem", "keyFile": "client.key" } in origin.'
		case 'origin_not_tls':
			return 'It speaks plain HTTP on this port: enable TLS on it, and use that port in origin.url.'
		case 'origin_bad_response':
			return `What answers is not SCIM: does "url": "${origin.url}" end where its SCIM endpoints begin?`
		case 'origin_unavailable':
			return 'A gateway before the SCIM server cannot reach it: look at the gateway.'
		default:
			return "See the SCIM server's own log."
	}
}
