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
 * Checks the network to Azure Relay without registering a listener, which would receive real requests.
 * `canTrust`: the authorities for Azure are readable.
 */
export async function relayFindings(
	config: Config,
	canTrust: boolean,
	clock: Clock,
): Promise<readonly DoctorFinding[]> {
	const network =
		config.relay.proxy === undefined
			? await directNetwork(config)
			: await networkByProxy(config, config.relay.proxy, clock)
	return [...network, ...(await serviceFindings(network, config, canTrust, clock)), otherHosts(config)]
}

async function serviceFindings(
	network: readonly DoctorFinding[],
	config: Config,
	canTrust: boolean,
	clock: Clock,
): Promise<readonly DoctorFinding[]> {
	const firstFailure = network.find(({ verdict }) => verdict === 'FAIL')
	if (firstFailure !== undefined) return notReached(['N3', 'N4', 'N5', 'H2'], firstFailure.code)
	if (!canTrust) return notReached(['N3', 'N4', 'N5', 'H2'], 'C2')
	const tls = await tlsFinding(config, clock)
	if (tls.verdict === 'FAIL') return [tls, ...notReached(['N4', 'N5', 'H2'], 'N3')]
	return [tls, ...(await handshake(config, clock))]
}

/**
 * Large requests use other hosts of the service. A firewall that allows only the namespace blocks them. Their names are
 * known only when a request arrives, so the doctor cannot try them.
 */
function otherHosts({ relay }: Config): DoctorFinding {
	const { namespace, rendezvousSuffix } = relay
	const [host = ''] = namespace.split(':')
	const seen = `not tried: large requests use any host below ${rendezvousSuffix}, port 443; this machine must reach them`
	if (host.endsWith(rendezvousSuffix)) return skip('N6', seen)
	const suffix = host.replace(/^[^.]*/, '') || '.servicebus.windows.net'
	return warn(
		'N6',
		`${seen}; ${host} is not below it`,
		`In a sovereign cloud, set "rendezvousSuffix": "${suffix}" in relay.`,
	)
}

const endpointOf = ({ relay }: Config) => {
	const [host = '', port = '443'] = relay.namespace.split(':')
	return { host, port: Number(port) }
}

async function directNetwork(config: Config): Promise<readonly DoctorFinding[]> {
	const { host, port } = endpointOf(config)
	const addresses = await lookup(host, { all: true }).catch(plainly)
	if (typeof addresses === 'string')
		return [
			fail('N1', `${host}: ${addresses}`, 'Correct relay.namespace, or the DNS settings of this machine.'),
			...notReached(['N2'], 'N1'),
		]
	const resolved = pass('N1', `${host} is ${addresses.map(({ address }) => `${address}${kindOf(address)}`).join(', ')}`)
	const failure = await reach(host, port)
	if (failure === undefined) return [resolved, pass('N2', `port ${port} is open`)]
	const remedy =
		'Allow this machine to reach *.servicebus.windows.net:443. Or: Name the proxy: "proxy": "http://proxy:8080" in relay.'
	return [resolved, fail('N2', `${host}:${port}: ${failure.detail}`, remedy)]
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

/** A private address is correct if the namespace has a private endpoint. */
export const kindOf = (address: string): string =>
	privateAddresses.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ? ' (private, as with a private endpoint)' : ''

async function networkByProxy(config: Config, proxy: string, clock: Clock): Promise<readonly DoctorFinding[]> {
	const { host, port } = endpointOf(config)
	const resolved = skip('N1', 'the proxy resolves names')
	const { host: proxyHost } = new URL(proxy)
	try {
		const socket = await tunnel(config, { host, port }, clock)
		socket.on('error', () => undefined).destroy()
		return [resolved, pass('N2', `the proxy ${proxyHost} connects to ${host}:${port}`)]
	} catch (error) {
		return [resolved, fail('N2', `the proxy ${proxyHost}: ${plainly(error)}`, proxyRemedy(error, host, proxy))]
	}
}

function proxyRemedy(error: unknown, host: string, proxy: string): string {
	if (!(error instanceof ProxyError))
		return 'Correct "proxy": "http://HOST:PORT" in relay. Or: Remove it if there is no proxy.'
	if (error.status === 407 && error.schemes.length > 0 && !error.schemes.includes('basic'))
		return 'Exempt *.servicebus.windows.net:443 and login.microsoftonline.com:443 from authentication for this machine. Or: Run a local proxy that logs in to this one, and name the local proxy in relay.'
	if (error.status === 407 && new URL(proxy).username !== '')
		return 'Correct user and password of "proxy" in relay, or the file "proxyPasswordFile". Repeated wrong credentials may lock the account.'
	if (error.status === 407)
		return 'Add the credentials: "proxy": "http://user:password@proxy:8080" in relay. In them, write %40 for @, %3A for : and %2F for /.'
	return `Allow *.servicebus.windows.net:443 in the proxy. Check that ${host} is the correct "namespace".`
}

/** A TLS socket through the proxy, before its handshake. */
const tunnel = ({ relay }: Config, options: ConnectionOptions, clock: Clock): Promise<TLSSocket> =>
	new Promise((resolve, reject) => {
		proxyAgent(relay, clock)?.createConnection(
			options as object,
			(error, socket) => (error === null ? resolve(socket as TLSSocket) : reject(error)), // sound: the agent is one for TLS
		)
	})

/** Checks the certificate of the service. An unknown one usually belongs to a firewall that inspects TLS. */
async function tlsFinding(config: Config, clock: Clock): Promise<DoctorFinding> {
	const { host, port } = endpointOf(config)
	const { proxy } = config.relay
	const ca = authority(config)
	// Accepts any certificate, to report its issuer. Sends no data.
	const options = { host, port, servername: host, rejectUnauthorized: false, ...(ca !== undefined && { ca }) }
	try {
		const socket = proxy === undefined ? connect(options) : await tunnel(config, options, clock)
		return await observeTls(socket, config)
	} catch (error) {
		return fail('N3', plainly(error), 'See N2.')
	}
}

const observeTls = (socket: TLSSocket, config: Config): Promise<DoctorFinding> =>
	new Promise((resolve) => {
		const finish = (finding: DoctorFinding) => {
			socket.destroy()
			resolve(finding)
		}
		const remedy =
			'A device in the network breaks TLS. Allow this machine to reach *.servicebus.windows.net:443 directly. Or: Use a proxy: "proxy": "http://proxy:8080" in relay.'
		socket.setTimeout(5000, () => finish(fail('N3', 'no handshake within 5 s', remedy)))
		socket.on('error', (error) => finish(fail('N3', plainly(error), remedy)))
		socket.on('secureConnect', () => finish(judgeTls(socket, config)))
	})

function judgeTls(socket: TLSSocket, { relay }: Config): DoctorFinding {
	const certificate = socket.getPeerX509Certificate()
	const issuer = certificate?.issuer.replaceAll('\n', ', ') ?? 'an unknown authority'
	const seen = `${socket.getProtocol()}, issued by ${issuer}`
	if (socket.authorized) return pass('N3', relay.caFile === undefined ? seen : `${seen}, trusted by ${relay.caFile}`)
	const reason = String(socket.authorizationError)
	switch (reason) {
		case 'CERT_HAS_EXPIRED':
		case 'CERT_NOT_YET_VALID':
			return fail(
				'N3',
				`${reason}: ${seen}, valid from ${certificate?.validFrom} to ${certificate?.validTo}`,
				`The clock of this machine says ${new Date().toISOString().slice(0, 16)}Z. If that is wrong, set it by NTP (timedatectl set-ntp true; w32tm /resync).`,
			)
		case 'ERR_TLS_CERT_ALTNAME_INVALID':
			return fail(
				'N3',
				`the certificate is not valid for ${relay.namespace}, but for ${certificate?.subjectAltName ?? certificate?.subject}; ${seen}`,
				'Another host answers. Check relay.namespace, DNS and firewall.',
			)
		default:
			return fail('N3', `TLS inspection suspected: ${reason}, ${seen}`, unknownAuthorityRemedy(relay.caFile))
	}
}

const unknownAuthorityRemedy = (caFile: string | undefined): string =>
	caFile === undefined
		? 'A firewall inspects TLS. Exempt *.servicebus.windows.net. Or: Save the certificate of its authority to a file and set "caFile": "firewall-ca.pem" in relay.'
		: `This authority is not in ${caFile}. Add it to that file. Or: Remove "caFile" from relay if no firewall inspects TLS.`

const authority = ({ relay }: Config) =>
	relay.caFile === undefined ? undefined : readText(relay.caFile, 'relay.caFile must be a PEM file.')

/** Sends an invalid token. Only the service itself refuses it with 401, which proves the connection without listening. */
async function handshake(config: Config, clock: Clock): Promise<readonly DoctorFinding[]> {
	const { namespace, hybridConnection } = config.relay
	const url = `wss://${namespace}/$hc/${hybridConnection}?sb-hc-action=listen`
	const headers = { ServiceBusAuthorization: 'SharedAccessSignature sr=x&sig=x&se=0&skn=doctor' }
	const agent = proxyAgent(config.relay, clock)
	try {
		const socket = await openWebSocket(url, { headers, ca: authority(config), agent, maxPayload: 1024, clock })
		socket.terminate()
		return [
			warn('N4', 'an invalid token was accepted', 'This is not Azure Relay. Check relay.namespace.'),
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
				'The proxy or firewall blocks WebSockets. Allow them to *.servicebus.windows.net.',
			),
			...notReached(['N5', 'H2'], 'N4'),
		]
	const clockFinding = clockFindingOf(error.headers.date, clock)
	// The service may check the token before the name: a conformance question asks for the order.
	if (error.status === 401)
		return [
			pass('N4', 'the service refuses an invalid token, as expected'),
			skip('N5', `the service did not say whether the hybrid connection ${relay.hybridConnection} exists; A3 shows it`),
			clockFinding,
		]
	if (error.status === 404)
		return [
			pass('N4', 'the service answers'),
			fail(
				'N5',
				error.message,
				`${relay.namespace} has no such hybrid connection. Create it, or correct "hybridConnection": "${relay.hybridConnection}" in relay.`,
			),
			clockFinding,
		]
	return [
		fail('N4', error.message, 'A device in the network answers instead of the service, or the service has an outage.'),
		...notReached(['N5', 'H2'], 'N4'),
	]
}

/** Tokens contain times. With a clock that is five minutes off, the service refuses them. */
function clockFindingOf(date: unknown, clock: Clock): DoctorFinding {
	const seconds = typeof date === 'string' ? Math.round((clock.now() - Date.parse(date)) / 1000) : Number.NaN
	if (Number.isNaN(seconds)) return skip('H2', 'the service sent no time')
	const difference = Math.abs(seconds)
	const seen =
		difference === 0
			? 'the clock is correct'
			: `the clock is ${difference} s ${seconds > 0 ? 'ahead of' : 'behind'} the clock of the service`
	const remedy =
		'Azure refuses tokens of a wrong clock. Set the clock by NTP (timedatectl set-ntp true; w32tm /resync).'
	if (difference > 240) return fail('H2', seen, remedy)
	return difference > 60 ? warn('H2', seen, remedy) : pass('H2', seen)
}
