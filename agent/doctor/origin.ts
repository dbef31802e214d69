import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Clock, systemClock } from '../../shared/relay/clock.ts'
import type { AgentErrorCode } from '../../shared/relay/contract.ts'
import type { Config } from '../config.ts'
import { controlLimit } from '../dispatch.ts'
import { forwardTo, type OriginAnswer, originOf } from '../forward.ts'
import { daysUntil, type ServerCertificate, showCertificate } from './certificate.ts'
import { counted, type DoctorFinding, fail, notReached, pass, plainly, skip, warn } from './check.ts'
import type { FileChecks } from './files.ts'
import { pageTitle, wantsCertificate } from './page.ts'
import { type ConnectFailure, reach } from './reach.ts'
import { atHost, expectedName, type LoadedConfig, remedyFor } from './remedy.ts'

const deadline = 10_000
/** Enough for a percentile, and no longer than somebody likes to wait. */
const rounds = 20
const roundsLimit = 10_000

type Ask = (path: string) => Promise<OriginAnswer>

/** Is the SCIM server there, does its certificate hold, and does it answer SCIM? */
export async function originFindings(
	loaded: LoadedConfig,
	files: FileChecks,
	clock: Clock = systemClock,
): Promise<readonly DoctorFinding[]> {
	const { host, port } = originOf(loaded.config)
	const addresses = await lookup(host, { all: true }).catch(plainly)
	if (typeof addresses === 'string') {
		const failure = { fault: 'origin_dns', detail: addresses, shown: undefined } as const
		const seen = `origin_dns: ${host}: ${addresses}`
		return [fail('O1', seen, remedyFor(failure, loaded)), ...notReached(['O2', 'O3', ...ofAnswers], 'O1')]
	}
	const tried = await Promise.all(addresses.map(({ address }) => tryAddress(address, port)))
	const listed = tried.map(({ address, failure }) => `${address} (${stateOf(failure)})`).join(', ')
	const where = pass('O1', isIP(host) === 0 ? `${host} is ${listed}` : listed)
	const open = tried.filter(({ failure }) => failure === undefined)
	if (open.length === 0) return [where, await unreached(tried, loaded), ...notReached(['O3', ...ofAnswers], 'O2')]
	const through = pass('O2', `port ${port} of ${open.map(({ address }) => address).join(' and ')} takes connections`)
	return [where, through, ...(await beyond(loaded, files, clock))]
}

type AddressAttempt = { readonly address: string; readonly failure: ConnectFailure | undefined }

const tryAddress = async (address: string, port: number): Promise<AddressAttempt> => ({
	address,
	failure: await reach(address, port),
})

function stateOf(failure: ConnectFailure | undefined): string {
	if (failure === undefined) return 'listens'
	return failure.code === 'ECONNREFUSED' ? 'nothing listens' : failure.detail
}

const loopback = ['127.0.0.1', '::1']

/** A server of this machine often listens on one of its addresses alone. */
async function unreached(tried: readonly AddressAttempt[], loaded: LoadedConfig): Promise<DoctorFinding> {
	const { port } = originOf(loaded.config)
	const { url } = loaded.config.origin
	const isSilent = tried.some(({ failure }) => failure?.code === 'ETIMEDOUT')
	const fault = isSilent ? 'origin_connect_timeout' : 'origin_refused'
	const detail = tried.map(({ failure }) => failure?.detail).join(', ')
	const others = loopback.filter((address) => !tried.some((one) => one.address === address))
	const elsewhere = (await Promise.all(others.map((address) => tryAddress(address, port)))).find(
		({ failure }) => failure === undefined,
	)
	const remedy =
		elsewhere === undefined
			? remedyFor({ fault, detail, shown: undefined }, loaded)
			: `Something listens on ${elsewhere.address}: if that is the SCIM server, "url": "${atHost(url, elsewhere.address)}".`
	return fail('O2', `${fault}: ${detail}`, remedy)
}

const ofAnswers = ['O4', 'O5', 'O6', 'O7']

/** What a connection shows, and what is answered over it. */
async function beyond(loaded: LoadedConfig, files: FileChecks, clock: Clock): Promise<readonly DoctorFinding[]> {
	const { config } = loaded
	if (!files.canConnect)
		return [skip('O3', `${await glance(config)}; not judged: C2 comes first`), ...notReached(ofAnswers, 'C2')]
	const ask = askOf(files.canAuthorize ? config : withoutToken(config), clock)
	const looking = showCertificate(config).catch(plainly)
	const first = await ask('/ServiceProviderConfig')
	const shown = await looking
	const connection = judge(first, typeof shown === 'string' ? undefined : shown, loaded)
	if (connection.verdict === 'FAIL') return [connection, ...notReached(ofAnswers, 'O3')]
	return [
		connection,
		await titled(answer('O4', '/ServiceProviderConfig', first, loaded), '/ServiceProviderConfig', loaded),
		files.canAuthorize
			? answer('O5', '/Users?count=1', await ask('/Users?count=1'), loaded)
			: skip('O5', 'not looked at: C2 comes first'),
		await speed(ask),
		await size(ask),
	]
}

const glance = (config: Config): Promise<string> => showCertificate(config).then(({ text }) => text, plainly)

const withoutToken = (config: Config): Config => ({
	...config,
	origin: { ...config.origin, authorization: { type: 'passThrough' } },
})

function askOf(config: Config, clock: Clock): Ask {
	const { basePath } = originOf(config)
	const forward = forwardTo(config, clock)
	const headers = { accept: 'application/scim+json' }
	return (path) => forward({ method: 'GET', path: `${basePath}${path}`, headers, body: Buffer.alloc(0), deadline })
}

const afterConnecting: ReadonlySet<AgentErrorCode> = new Set([
	'origin_timeout',
	'origin_bad_response',
	'origin_unavailable',
	'origin_reset',
])

function judge(first: OriginAnswer, shown: ServerCertificate | undefined, loaded: LoadedConfig): DoctorFinding {
	if (!('fault' in first) || afterConnecting.has(first.fault)) return accepted(shown)
	const { fault, detail } = first
	const failure = { fault, detail: plainly(detail), shown }
	const certificate = shown === undefined ? '' : `; ${shown.text}`
	// The port is open: what is left of refusals broke off before TLS began.
	if (fault === 'origin_refused')
		return fail('O3', `origin_reset before the handshake: ${failure.detail}${certificate}`, brokenOff)
	return fail(
		'O3',
		`${fault}: ${words(failure.detail, fault, shown, loaded)}${certificate}`,
		remedyFor(failure, loaded),
	)
}

const brokenOff =
	'Something listens there and hangs up before TLS begins: is it the port of the SCIM server, and may this machine connect (firewall, list of allowed addresses)? Clients are told origin_refused.'

function words(
	detail: string,
	fault: AgentErrorCode,
	shown: ServerCertificate | undefined,
	{ config }: LoadedConfig,
): string {
	if (fault === 'origin_tls_name' && shown !== undefined) return `it is not for ${expectedName(config)}`
	return detail
}

function accepted(shown: ServerCertificate | undefined): DoctorFinding {
	if (shown === undefined) return pass('O3', 'the certificate is accepted')
	const days = daysUntil(shown.validTo)
	const seen = `accepted: ${shown.text}`
	return days > 30
		? pass('O3', seen)
		: warn('O3', seen, `It ends in ${counted(days, 'day')}: renew it on the SCIM server.`)
}

function answer(code: string, path: string, seen: OriginAnswer, loaded: LoadedConfig): DoctorFinding {
	const { config } = loaded
	if ('fault' in seen) {
		const failure = { fault: seen.fault, detail: plainly(seen.detail), shown: undefined }
		return fail(code, `GET ${path}: ${seen.fault}: ${failure.detail}`, remedyFor(failure, loaded))
	}
	const what = `GET ${path}: ${seen.status}`
	if (seen.status === 200) return pass(code, what)
	if (seen.status === 401 || seen.status === 403) return fail(code, what, credentialRemedy(config))
	if (seen.status >= 300 && seen.status < 400)
		return fail(
			code,
			`${what}, to ${seen.headers.location ?? 'nowhere'}`,
			'It sends on to another address, where the agent does not go: name that of the SCIM server itself in origin.url.',
		)
	if (seen.status === 404)
		return fail(code, what, `Is origin.url the address of the SCIM server's root? It is "${config.origin.url}".`)
	return fail(code, what, "See the SCIM server's own log.")
}

/** Where a page for people is in the way, its title often says why. */
async function titled(finding: DoctorFinding, path: string, loaded: LoadedConfig): Promise<DoctorFinding> {
	if (finding.verdict !== 'FAIL') return finding
	const title = await pageTitle(loaded.config, path)
	if (title === undefined) return finding
	const seen = `${finding.seen}, a page titled ${JSON.stringify(title)}`
	if (!wantsCertificate(title)) return { ...finding, seen }
	return {
		...finding,
		seen,
		remedy: remedyFor({ fault: 'origin_tls_client_cert', detail: title, shown: undefined }, loaded),
	}
}

function credentialRemedy({ origin: { authorization, url } }: Config): string {
	switch (authorization.type) {
		case 'bearer':
			return `The SCIM server refuses the token in ${authorization.tokenFile}: write the right one into it and restart the agent. Or: That is the token of another tenant, where the path of origin.url names one: it is "${url}".`
		case 'passThrough':
			return 'Nothing is wrong if clients bring the token: "authorization": { "type": "passThrough" } sends none of its own.'
		case 'clientCertificate':
			return 'The SCIM server wants more than a client certificate: set "authorization": { "type": "bearer", "tokenFile": "origin.token" }.'
	}
}

async function speed(ask: Ask): Promise<DoctorFinding> {
	const times: number[] = []
	const began = performance.now()
	let failed = 0
	while (times.length < rounds && performance.now() - began < roundsLimit) {
		const started = performance.now()
		if ('fault' in (await ask('/ServiceProviderConfig'))) failed++
		times.push(Math.round(performance.now() - started))
	}
	times.sort((one, other) => one - other)
	const percentile = (share: number) => times[Math.ceil(times.length * share) - 1] ?? 0
	const seen = `${times.length} requests: p50 ${percentile(0.5)} ms, p95 ${percentile(0.95)} ms`
	if (failed > 0) return warn('O6', `${seen}, ${failed} failed`, "See the SCIM server's own log.")
	return percentile(0.95) > 5000
		? warn('O6', seen, 'The relay gives up after 60 s; find out why the SCIM server is slow.')
		: pass('O6', seen)
}

/** More than fits the control channel goes another way, which is only gone where there is something that large. */
async function size(ask: Ask): Promise<DoctorFinding> {
	const answer = await ask('/Schemas')
	if ('fault' in answer) return skip('O7', `GET /Schemas: ${answer.fault}: ${plainly(answer.detail)}`)
	const seen = `GET /Schemas: ${answer.status}, ${answer.body.length} bytes`
	return answer.body.length > controlLimit
		? pass('O7', `${seen}, which goes packed or by a rendezvous`)
		: skip('O7', `${seen}, which is too little to need a rendezvous`)
}
