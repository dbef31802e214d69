import { lookup } from 'node:dns/promises'
import type { Agent } from 'node:https'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../../shared/relay/clock.ts'
import { HandshakeError, open } from '../channel.ts'
import { type Config, readText } from '../config.ts'
import { tokenSource } from '../credentials.ts'
import { briefly } from '../log.ts'
import { ProxyError, proxyAgent } from '../proxy.ts'
import { type Finding, fail, pass, skip, warn } from './check.ts'

/** Is there a way to the service, and a token for it? Nothing registers: a listener that only looks would get real requests. */
export async function relayFindings(config: Config, clock: Clock): Promise<readonly Finding[]> {
	const proxy = config.relay.proxy === undefined ? undefined : proxyAgent(config.relay.proxy)
	const way =
		proxy === undefined
			? await directWay(config)
			: [skip('N1', 'the proxy looks names up'), skip('N2', 'the proxy connects')]
	const isOpen = !way.some(({ verdict }) => verdict === 'FAIL')
	const answers = isOpen ? await handshake(config, proxy, clock) : []
	return [...way, ...answers, otherHosts(config), ...(await token(config, clock))]
}

/** The service takes large requests to other hosts of its own; a firewall that lets only the namespace through cuts them off. */
function otherHosts({ relay }: Config): Finding {
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

async function directWay(config: Config): Promise<readonly Finding[]> {
	const { host, port } = placeOf(config)
	const addresses = await lookup(host, { all: true }).catch((error: unknown) => briefly(error))
	if (typeof addresses === 'string')
		return [fail('N1', `${host}: ${addresses}`, 'Correct relay.namespace, or the DNS server of this machine.')]
	const found = pass('N1', `${host} is ${addresses.map(({ address }) => address).join(', ')}`)
	const problem = await reach(host, port)
	if (problem === undefined) return [found, pass('N2', `port ${port} is open`), await inspection(config)]
	const remedy =
		'Let this machine out to *.servicebus.windows.net:443, or name the proxy: "proxy": "http://proxy:8080" in relay.'
	return [found, fail('N2', `${host}:${port}: ${problem}`, remedy)]
}

const reach = (host: string, port: number): Promise<string | undefined> =>
	new Promise((resolve) => {
		const socket = connect({ host, port })
		const finish = (problem?: string) => {
			socket.destroy()
			resolve(problem)
		}
		socket.setTimeout(5000, () => finish('no answer within 5 s'))
		socket.on('error', (error) => finish(briefly(error)))
		socket.on('connect', () => finish())
	})

/** A certificate that this machine does not accept is most often that of a firewall which opens TLS. */
function inspection(config: Config): Promise<Finding> {
	const { host, port } = placeOf(config)
	const ca = authority(config)
	return new Promise((resolve) => {
		const socket = connectTls({ host, port, servername: host, ...(ca !== undefined && { ca }) })
		const finish = (finding: Finding) => {
			socket.destroy()
			resolve(finding)
		}
		const remedy =
			'A firewall opens TLS, or the authority is unknown: exempt *.servicebus.windows.net, or set "caFile": "firewall-ca.pem" in relay.'
		socket.setTimeout(5000, () => finish(fail('N3', 'no handshake within 5 s', remedy)))
		socket.on('error', (error) => finish(fail('N3', briefly(error), remedy)))
		socket.on('secureConnect', () =>
			finish(
				pass(
					'N3',
					`${socket.getProtocol()}, issued by ${socket.getPeerCertificate().issuer?.O ?? socket.getPeerCertificate().issuer?.CN}`,
				),
			),
		)
	})
}

const authority = ({ relay }: Config) =>
	relay.caFile === undefined ? undefined : readText(relay.caFile, 'relay.caFile is a PEM file.')

/** A token that cannot be right must be refused by the service itself: that proves the whole way without listening. */
async function handshake(config: Config, agent: Agent | undefined, clock: Clock): Promise<readonly Finding[]> {
	const { namespace, hybridConnection } = config.relay
	const url = `wss://${namespace}/$hc/${hybridConnection}?sb-hc-action=listen`
	const headers = { ServiceBusAuthorization: 'SharedAccessSignature sr=x&sig=x&se=0&skn=doctor' }
	try {
		const socket = await open(url, { headers, ca: authority(config), agent, maxPayload: 1024, clock })
		socket.terminate()
		return [warn('N4', 'a wrong token was let in', 'Is this Azure Relay at all? Check relay.namespace.')]
	} catch (error) {
		return refusal(error, config, clock)
	}
}

function refusal(error: unknown, { relay }: Config, clock: Clock): readonly Finding[] {
	if (error instanceof ProxyError && error.status === 407)
		return [
			fail('N2', error.message, 'Put the credentials into relay.proxy: "proxy": "http://user:password@proxy:8080".'),
		]
	if (!(error instanceof HandshakeError))
		return [
			fail(
				'N4',
				briefly(error),
				'WebSockets to *.servicebus.windows.net do not get through: ask who runs the proxy or firewall.',
			),
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
		skew,
	]
}

/** Tokens carry times: five minutes off, and none is valid any more. */
function clockSkew(date: unknown, clock: Clock): Finding {
	if (typeof date !== 'string') return skip('H2', 'the service gave no time')
	const seconds = Math.round(Math.abs(clock.now() - Date.parse(date)) / 1000)
	const seen = `this clock is ${seconds} s off that of the service`
	const remedy = 'Set the clock of this machine, by NTP (timedatectl set-ntp true; w32tm /resync).'
	if (seconds > 240) return fail('H2', seen, remedy)
	return seconds > 60 ? warn('H2', seen, remedy) : pass('H2', seen)
}

async function token(config: Config, clock: Clock): Promise<readonly Finding[]> {
	const { type } = config.credentials
	try {
		const { token, expiresOnTimestamp } = await tokenSource(config, clock)()
		const minutes = Math.round((expiresOnTimestamp - clock.now()) / 60_000)
		return [pass('A1', `a token by ${type}, good for ${minutes} minutes`), audience(token, config)]
	} catch (error) {
		return [fail('A1', briefly(error), tokenRemedy(config))]
	}
}

/** Whom a token of Entra is for and whose it is. What its owner may do is not in it: roles are looked up by the service. */
function audience(token: string, { relay, credentials }: Config): Finding {
	if (credentials.type === 'sas') return pass('A2', `it is signed with the key ${credentials.keyName}`)
	const claims = claimsOf(token)
	if (claims === undefined) return skip('A2', 'the token cannot be looked into')
	const seen = `it is for ${claims.aud}, of the identity ${claims.oid}`
	if (claims.aud?.replace(/\/$/, '') === relay.audience.replace(/\/$/, ''))
		return pass('A2', `${seen}, which needs the role Azure Relay Listener on ${relay.hybridConnection}`)
	return fail('A2', seen, `The service wants one for "audience": "${relay.audience}" in relay.`)
}

function claimsOf(token: string): { readonly aud?: string; readonly oid?: string } | undefined {
	try {
		return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}

function tokenRemedy({ credentials }: Config): string {
	switch (credentials.type) {
		case 'sas':
			return `The listen key belongs into ${credentials.keyFile}, readable by the agent's user alone.`
		case 'arc':
			return "Is Azure Arc connected (azcmagent show), and the agent's user in the group himds?"
		case 'certificate':
			return 'Compare tenantId, clientId and the certificate with the app registration; login.microsoftonline.com:443 must be reachable.'
	}
}
