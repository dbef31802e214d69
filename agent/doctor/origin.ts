import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Clock, systemClock } from '../../shared/relay/clock.ts'
import type { AgentErrorCode } from '../../shared/relay/contract.ts'
import type { Config } from '../config.ts'
import { controlLimit } from '../dispatch.ts'
import { forwardTo, originOf } from '../forward.ts'
import type { OriginAnswer } from '../origin-answer.ts'
import { wantsCertificate } from '../page-title.ts'
import { daysUntil, type ServerCertificate, showCertificate } from './certificate.ts'
import { counted, type DoctorFinding, fail, notReached, pass, plainly, skip, warn } from './check.ts'
import type { FileChecks } from './files.ts'
import { pageTitle } from './page.ts'
import { pinFindings } from './pins.ts'
import { type ConnectFailure, reach } from './reach.ts'
import { atHost, expectedName, type LoadedConfig, remedyFor } from './remedy.ts'
import { isScim, notScim } from './scim-answer.ts'

const deadline = 10_000
/** Enough requests for a percentile, within a time that the administrator will wait. */
const rounds = 20
const roundsLimit = 10_000

type Get = (path: string) => Promise<OriginAnswer>

/** Checks the SCIM server: its address, port, certificate and answers. */
export async function originFindings(
	loaded: LoadedConfig,
	files: FileChecks,
	clock: Clock = systemClock,
): Promise<readonly DoctorFinding[]> {
	const { host, port } = originOf(loaded.config)
	const addresses = await lookup(host, { all: true }).catch(plainly)
	if (typeof addresses === 'string') {
		const failure = { fault: 'origin_dns', detail: addresses, certificate: undefined } as const
		const seen = `origin_dns: ${host}: ${addresses}`
		return [fail('O1', seen, remedyFor(failure, loaded)), ...notReached(['O2', 'O3', ...answerChecks], 'O1')]
	}
	const attempts = await Promise.all(addresses.map(({ address }) => tryAddress(address, port)))
	const listed = attempts.map(({ address, failure }) => `${address} (${stateOf(failure)})`).join(', ')
	const resolved = pass('O1', isIP(host) === 0 ? `${host} is ${listed}` : listed)
	const open = attempts.filter(({ failure }) => failure === undefined)
	if (open.length === 0)
		return [resolved, await unreachableFinding(attempts, loaded), ...notReached(['O3', ...answerChecks], 'O2')]
	const reachable = pass(
		'O2',
		`port ${port} of ${open.map(({ address }) => address).join(' and ')} accepts connections`,
	)
	return [resolved, reachable, ...(await connectionFindings(loaded, files, clock))]
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

/** Also tries the other loopback address, because a local server often listens on only one. */
async function unreachableFinding(attempts: readonly AddressAttempt[], loaded: LoadedConfig): Promise<DoctorFinding> {
	const { port } = originOf(loaded.config)
	const { url } = loaded.config.origin
	const isSilent = attempts.some(({ failure }) => failure?.code === 'ETIMEDOUT')
	const fault = isSilent ? 'origin_connect_timeout' : 'origin_refused'
	const detail = attempts.map(({ failure }) => failure?.detail).join(', ')
	const otherAddresses = loopback.filter((address) => !attempts.some((attempt) => attempt.address === address))
	const otherListener = (await Promise.all(otherAddresses.map((address) => tryAddress(address, port)))).find(
		({ failure }) => failure === undefined,
	)
	const remedy =
		otherListener === undefined
			? remedyFor({ fault, detail, certificate: undefined }, loaded)
			: `A server listens on ${otherListener.address}. If it is the SCIM server, set "url": "${atHost(url, otherListener.address)}" in origin.`
	return fail('O2', `${fault}: ${detail}`, remedy)
}

const answerChecks = ['O4', 'O5', 'O6', 'O7']

/** Checks TLS and the answers of a server that accepts connections. */
async function connectionFindings(
	loaded: LoadedConfig,
	files: FileChecks,
	clock: Clock,
): Promise<readonly DoctorFinding[]> {
	const { config } = loaded
	if (!files.canConnect)
		return [
			skip('O3', `${await certificateText(config)}; not verified: repair C2 first`),
			...notReached(answerChecks, 'C2'),
		]
	const get = askOf(files.canAuthorize ? config : withoutToken(config), clock)
	const fetchedCertificate = showCertificate(config).catch(plainly)
	const first = await get('/ServiceProviderConfig')
	const certificate = await fetchedCertificate
	const connection = tlsFinding(first, typeof certificate === 'string' ? undefined : certificate, loaded)
	if (connection.verdict === 'FAIL') return [connection, ...notReached(answerChecks, 'O3')]
	const pins = pinFindings(config, typeof certificate === 'string' ? undefined : certificate)
	const answer = answerFinding('O4', '/ServiceProviderConfig', first, loaded)
	return [
		connection,
		...pins,
		await withPageTitle(answer, '/ServiceProviderConfig', loaded),
		files.canAuthorize
			? answerFinding('O5', '/Users?count=1', await get('/Users?count=1'), loaded)
			: skip('O5', 'not checked: repair C2 first'),
		// The times of refusals would say nothing about the SCIM server.
		...(answer.verdict === 'FAIL' ? notReached(['O6', 'O7'], 'O4') : [await speed(get), await size(get)]),
	]
}

const certificateText = (config: Config): Promise<string> => showCertificate(config).then(({ text }) => text, plainly)

const withoutToken = (config: Config): Config => ({
	...config,
	origin: { ...config.origin, authorization: { type: 'passThrough' } },
})

function askOf(config: Config, clock: Clock): Get {
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

function tlsFinding(
	first: OriginAnswer,
	certificate: ServerCertificate | undefined,
	loaded: LoadedConfig,
): DoctorFinding {
	const isAnswered = !('fault' in first) || first.originStatus !== undefined
	if (isAnswered || afterConnecting.has(first.fault)) return acceptedFinding(certificate)
	const { fault, detail } = first
	const failure = { fault, detail: plainly(detail), certificate }
	const suffix = certificate === undefined ? '' : `; ${certificate.text}`
	// The port is open, so a refusal means that the server disconnected before TLS began.
	if (fault === 'origin_refused')
		return fail('O3', `origin_reset before the handshake: ${failure.detail}${suffix}`, hangUpRemedy)
	return fail(
		'O3',
		`${fault}: ${detailOf(failure.detail, fault, certificate, loaded)}${suffix}`,
		remedyFor(failure, loaded),
	)
}

const hangUpRemedy =
	'The server disconnects before TLS begins. Check the port, and that no firewall or list of allowed addresses excludes this machine. Clients see origin_refused.'

function detailOf(
	detail: string,
	fault: AgentErrorCode,
	certificate: ServerCertificate | undefined,
	{ config }: LoadedConfig,
): string {
	if (fault === 'origin_tls_name' && certificate !== undefined)
		return `the certificate is not valid for ${expectedName(config)}`
	return detail
}

function acceptedFinding(certificate: ServerCertificate | undefined): DoctorFinding {
	if (certificate === undefined) return pass('O3', 'the certificate is accepted')
	const days = daysUntil(certificate.validTo)
	const seen = `accepted: ${certificate.text}`
	return days > 30
		? pass('O3', seen)
		: warn('O3', seen, `The certificate expires in ${counted(days, 'day')}. Renew it on the SCIM server.`)
}

function answerFinding(code: string, path: string, seen: OriginAnswer, loaded: LoadedConfig): DoctorFinding {
	const { config } = loaded
	if ('fault' in seen) {
		const failure = { fault: seen.fault, detail: plainly(seen.detail), certificate: undefined }
		return fail(code, `GET ${path}: ${seen.fault}: ${failure.detail}`, remedyFor(failure, loaded))
	}
	const request = `GET ${path}: ${seen.status}`
	if (seen.status === 200 && isScim(seen.body.toString())) return pass(code, request)
	if (seen.status === 200) return fail(code, `${request}, ${notScim}`, notScimRemedy(config))
	if (seen.status === 401 || seen.status === 403) return fail(code, request, credentialRemedy(config))
	if (seen.status >= 300 && seen.status < 400)
		return fail(
			code,
			`${request}, redirect to ${seen.headers.location ?? 'no address'}`,
			'The agent follows no redirects. Set origin.url to the URL of the SCIM server itself.',
		)
	if (seen.status === 404)
		return fail(code, request, `origin.url must be the root of the SCIM server. Check "${config.origin.url}".`)
	return fail(code, request, "See the SCIM server's own log.")
}

/** Adds the title of an HTML page that the server answers instead of SCIM, because it often names the cause. */
async function withPageTitle(finding: DoctorFinding, path: string, loaded: LoadedConfig): Promise<DoctorFinding> {
	if (finding.verdict !== 'FAIL') return finding
	const title = await pageTitle(loaded.config, path)
	if (title === undefined) return finding
	const seen = `${finding.seen}, an HTML page titled ${JSON.stringify(title)}`
	if (!wantsCertificate(title)) return { ...finding, seen }
	return {
		...finding,
		seen,
		remedy: remedyFor({ fault: 'origin_tls_client_cert', detail: title, certificate: undefined }, loaded),
	}
}

const notScimRemedy = ({ origin: { url } }: Config): string =>
	`Another program may answer there. Check that "url": "${url}" is the root of the SCIM endpoints.`

function credentialRemedy({ origin: { authorization, url } }: Config): string {
	switch (authorization.type) {
		case 'bearer':
			return `The SCIM server refuses the token. Write the correct one to ${authorization.tokenFile} and wait ten seconds, until the agent takes it over. Or: If the path of origin.url names a tenant, check that it is the tenant of this token: "${url}".`
		case 'passThrough':
			return 'This is expected if clients send the token: "authorization": { "type": "passThrough" } adds none.'
		case 'clientCertificate':
			return 'The SCIM server needs a token, too: set "authorization": { "type": "bearer", "tokenFile": "origin.token" } in origin.'
	}
}

async function speed(get: Get): Promise<DoctorFinding> {
	const times: number[] = []
	const began = performance.now()
	let failed = 0
	while (times.length < rounds && performance.now() - began < roundsLimit) {
		const started = performance.now()
		const answer = await get('/ServiceProviderConfig')
		if ('fault' in answer || answer.status !== 200) failed++
		times.push(Math.round(performance.now() - started))
	}
	times.sort((one, other) => one - other)
	const percentile = (share: number) => times[Math.ceil(times.length * share) - 1] ?? 0
	const seen = `${times.length} requests: p50 ${percentile(0.5)} ms, p95 ${percentile(0.95)} ms`
	if (failed === times.length) return fail('O6', `${seen}, all failed`, "See the SCIM server's own log.")
	if (failed > 0) return warn('O6', `${seen}, ${failed} failed`, "See the SCIM server's own log.")
	return percentile(0.95) > 5000
		? warn('O6', seen, 'The agent waits at most 45 s for an answer. Find out why the SCIM server is slow.')
		: pass('O6', seen)
}

/** Checks whether an answer is too large for the control channel, which tests compression or the rendezvous. */
async function size(get: Get): Promise<DoctorFinding> {
	const answer = await get('/Schemas')
	if ('fault' in answer) return skip('O7', `GET /Schemas: ${answer.fault}: ${plainly(answer.detail)}`)
	const seen = `GET /Schemas: ${answer.status}, ${answer.body.length} bytes`
	if (answer.status !== 200) return skip('O7', `${seen}: no answer with schemas to measure`)
	return answer.body.length > controlLimit
		? pass('O7', `${seen}, sent compressed or by rendezvous`)
		: skip('O7', `${seen}, too small to need a rendezvous`)
}
