import { lookup } from 'node:dns/promises'
import { BlockList, isIPv6 } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { codeOf } from '../../shared/cli/usage-error.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import { HandshakeError, openWebSocket } from '../channel.ts'
import { type Config, readText } from '../config.ts'
import { ProxyError, proxyAgent } from '../proxy.ts'
import { type DoctorFinding, fail, notReached, pass, plainly, skip, warn } from './check.ts'
import { reach } from './reach.ts'

/**
 * Is there a way to the service? Nothing registers: a listener that only looks would get real requests. `canTrust` tells
 * whether the authorities for the service can be read.
 */
export async function relayFindings(
	config: Config,
	canTrust: boolean,
	clock: Clock,
): Promise<readonly DoctorFinding[]> {
	const way = config.relay.proxy === undefined ? await directWay(config) : await wayByProxy(config, config.relay.proxy)
	return [...way, ...(await beyond(way, config, canTrust, clock)), otherHosts(config)]
}

async function beyond(
	way: readonly DoctorFinding[],
	config: Config,
	canTrust: boolean,
	clock: Clock,
): Promise<readonly DoctorFinding[]> {
	const closed = way.find(({ verdict }) => verdict === 'FAIL')
	if (closed !== undefined) return notReached(['N3', 'N4', 'N5', 'H2'], closed.code)
	if (!canTrust) return notReached(['N3', 'N4', 'N5', 'H2'], 'C2')
	const tls = await inspection(config)
	if (tls.verdict === 'FAIL') return [tls, ...notReached(['N4', 'N5', 'H2'], 'N3')]
	return [tls, ...(await handshake(config, clock))]
}

/** The service takes large requests to other hosts of its own; a firewall that lets only the namespace through cuts them off. */
function otherHosts({ relay }: Config): DoctorFinding {
	const { namespace, rendezvousSuffix } = relay
	const [host = ''] = namespace.split(':')
	const seen = `large requests come by any host below ${rendezvousSuffix}, port 443, which this machine must reach`
	if (host.endsWith(rendezvousSuffix)) return pass('N6', seen)
	const suffix = host.replace(/^[^.]*/, '') || '.servicebus.windows.net'
	return warn(
		'N6',
		`${seen}; ${host} is not below it`,
		`In a sovereign cloud: "rendezvousSuffix": "${suffix}" in relay.`,
	)
}

const placeOf = ({ relay }: Config) => {
	const [host = '', port = '443'] = relay.namespace.split(':')
	return { host, port: Number(port) }
}

async function directWay(config: Config): Promise<readonly DoctorFinding[]> {
	const { host, port } = placeOf(config)
	const addresses = await lookup(host, { all: true }).catch(plainly)
	if (typeof addresses === 'string')
		return [
			fail('N1', `${host}: ${addresses}`, 'Correct relay.namespace, or the DNS server of this machine.'),
			...notReached(['N2'], 'N1'),
		]
	const found = pass('N1', `${host} is ${addresses.map(({ address }) => `${address}${kindOf(address)}`).join(', ')}`)
	const failure = await reach(host, port)
	if (failure === undefined) return [found, pass('N2', `port ${port} is open`)]
	const remedy =
		'Let this machine out to *.servicebus.windows.net:443, or name the proxy: "proxy": "http://proxy:8080" in relay.'
	return [found, fail('N2', `${host}:${port}: ${failure.detail}`, remedy)]
}

const privateAddresses = new BlockList()
for (const [network, prefix] of [
	['10.0.0.0', 8],
	['172.16.0.0', 12],
	['192.168.0.0', 16],
	['100.64.0.0', 10],
] as const)
	privateAddresses.addSubnet(network, prefix)
privateAddresses.addSubnet('fc00::', 7, 'ipv6')

/** A private address is right where the namespace has a private endpoint. */
export const kindOf = (address: string): string =>
	privateAddresses.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ? ' (private, as of a private endpoint)' : ''

async function wayByProxy(config: Config, proxy: string): Promise<readonly DoctorFinding[]> {
	const { host, port } = placeOf(config)
	const named = skip('N1', 'the proxy looks names up')
	const { host: at } = new URL(proxy)
	try {
		const socket = await tunnel(proxy, { host, port })
		socket.on('error', () => undefined).destroy()
		return [named, pass('N2', `the proxy ${at} connects to ${host}:${port}`)]
	} catch (error) {
		return [named, fail('N2', `the proxy ${at}: ${plainly(error)}`, proxyRemedy(error, host))]
	}
}

function proxyRemedy(error: unknown, host: string): string {
	if (!(error instanceof ProxyError))
		return 'Is that where the proxy listens? "proxy": "http://HOST:PORT" in relay, or leave it out where there is none.'
	if (error.status === 407)
		return 'Put the credentials into relay.proxy: "proxy": "http://user:password@proxy:8080", with %40 for @, %3A for : and %2F for / in them.'
	return `Let the proxy connect this machine to *.servicebus.windows.net:443, if ${host} is the right "namespace".`
}

/** TLS with another host through a proxy; its handshake is yet to come. */
const tunnel = (proxy: string, options: ConnectionOptions): Promise<TLSSocket> =>
	new Promise((resolve, reject) => {
		proxyAgent(proxy).createConnection(
			options as object,
			(error, socket) => (error === null ? resolve(socket as TLSSocket) : reject(error)), // sound: the agent is one for TLS
		)
	})

/** A certificate that this machine does not accept is most often that of a firewall which opens TLS. */
async function inspection(config: Config): Promise<DoctorFinding> {
	const { host, port } = placeOf(config)
	const { proxy } = config.relay
	const ca = authority(config)
	// Looks at any certificate, to say whose it is. Nothing is sent.
	const options = { host, port, servername: host, rejectUnauthorized: false, ...(ca !== undefined && { ca }) }
	try {
		const socket = proxy === undefined ? connect(options) : await tunnel(proxy, options)
		return await inspected(socket, config)
	} catch (error) {
		return fail('N3', plainly(error), 'See N2.')
	}
}

const inspected = (socket: TLSSocket, config: Config): Promise<DoctorFinding> =>
	new Promise((resolve) => {
		const finish = (finding: DoctorFinding) => {
			socket.destroy()
			resolve(finding)
		}
		const remedy =
			'Something between here and the service ends TLS: let this machine out to *.servicebus.windows.net:443 directly, or through a proxy: "proxy": "http://proxy:8080" in relay.'
		socket.setTimeout(5000, () => finish(fail('N3', 'no handshake within 5 s', remedy)))
		socket.on('error', (error) => finish(fail('N3', plainly(error), remedy)))
		socket.on('secureConnect', () => finish(judge(socket, config)))
	})

function judge(socket: TLSSocket, { relay }: Config): DoctorFinding {
	const certificate = socket.getPeerX509Certificate()
	const issuer = certificate?.issuer.replaceAll('\n', ', ') ?? 'nobody'
	const seen = `${socket.getProtocol()}, issued by ${issuer}`
	if (socket.authorized)
		return pass('N3', relay.caFile === undefined ? seen : `${seen}, as ${relay.caFile} vouches for`)
	const why = String(socket.authorizationError)
	switch (why) {
		case 'CERT_HAS_EXPIRED':
		case 'CERT_NOT_YET_VALID':
			return fail(
				'N3',
				`${why}: ${seen}, valid from ${certificate?.validFrom} to ${certificate?.validTo}`,
				`The clock of this machine says ${new Date().toISOString().slice(0, 16)}Z: if that is wrong, set it by NTP (timedatectl set-ntp true; w32tm /resync).`,
			)
		case 'ERR_TLS_CERT_ALTNAME_INVALID':
			return fail(
				'N3',
				`the certificate is not for ${relay.namespace}, but for ${certificate?.subjectAltName ?? certificate?.subject}; ${seen}`,
				'Another host answers: is relay.namespace right, and does DNS or a firewall lead elsewhere?',
			)
		default:
			return fail('N3', `inspection suspected: ${why}, ${seen}`, inspectionRemedy(relay.caFile))
	}
}

const inspectionRemedy = (caFile: string | undefined): string =>
	caFile === undefined
		? 'A firewall opens TLS: exempt *.servicebus.windows.net from that, or put the certificate of its authority into a file and name it: "caFile": "firewall-ca.pem" in relay.'
		: `That authority is not in ${caFile}, the only ones that count now: add it there, or leave "caFile" out of relay if no firewall opens TLS.`

const authority = ({ relay }: Config) =>
	relay.caFile === undefined ? undefined : readText(relay.caFile, 'relay.caFile is a PEM file.')

/** A token that cannot be right must be refused by the service itself: that proves the whole way without listening. */
async function handshake(config: Config, clock: Clock): Promise<readonly DoctorFinding[]> {
	const { namespace, hybridConnection, proxy } = config.relay
	const url = `wss://${namespace}/$hc/${hybridConnection}?sb-hc-action=listen`
	const headers = { ServiceBusAuthorization: 'SharedAccessSignature sr=x&sig=x&se=0&skn=doctor' }
	const agent = proxy === undefined ? undefined : proxyAgent(proxy)
	try {
		const socket = await openWebSocket(url, { headers, ca: authority(config), agent, maxPayload: 1024, clock })
		socket.terminate()
		return [
			warn('N4', 'a wrong token was let in', 'Is this Azure Relay at all? Check relay.namespace.'),
			...notReached(['N5', 'H2'], 'N4'),
		]
	} catch (error) {
		return refusal(error, config, clock)
	}
}

function refusal(error: unknown, { relay }: Config, clock: Clock): readonly DoctorFinding[] {
	if (!(error instanceof HandshakeError))
		return [
			fail(
				'N4',
				codeOf(error) === undefined ? plainly(error) : `${codeOf(error)}: ${plainly(error)}`,
				'WebSockets to *.servicebus.windows.net do not get through: ask who runs the proxy or firewall.',
			),
			...notReached(['N5', 'H2'], 'N4'),
		]
	const skew = clockSkew(error.headers.date, clock)
	if (error.status === 401)
		return [
			pass('N4', 'the service refuses a wrong token, as it must'),
			pass('N5', `${relay.hybridConnection} is there`),
			skew,
		]
	if (error.status === 404)
		return [
			pass('N4', 'the service answers'),
			fail(
				'N5',
				error.message,
				`There is no hybrid connection "hybridConnection": "${relay.hybridConnection}" in ${relay.namespace}.`,
			),
			skew,
		]
	return [
		fail('N4', error.message, 'Something between here and the service answers in its place, or the service fails.'),
		...notReached(['N5'], 'N4'),
		skew,
	]
}

/** Tokens carry times: five minutes off, and none is valid any more. */
function clockSkew(date: unknown, clock: Clock): DoctorFinding {
	if (typeof date !== 'string') return skip('H2', 'the service gave no time')
	const seconds = Math.round((clock.now() - Date.parse(date)) / 1000)
	const off = Math.abs(seconds)
	const seen =
		off === 0
			? 'this clock is right'
			: `this clock is ${off} s ${seconds > 0 ? 'ahead of' : 'behind'} that of the service`
	const remedy =
		'Tokens are refused by their times: set the clock of this machine by NTP (timedatectl set-ntp true; w32tm /resync).'
	if (off > 240) return fail('H2', seen, remedy)
	return off > 60 ? warn('H2', seen, remedy) : pass('H2', seen)
}
