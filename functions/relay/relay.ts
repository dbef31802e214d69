import { readBytes } from '../../shared/http/body.ts'
import type { ScimRequest } from '../../shared/http/request.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import type { TokenSource } from '../../shared/relay/token-cache.ts'
import { unavailable } from '../../shared/scim/error.ts'
import { allProblems } from '../../shared/scim/wording.ts'
import { declaredSettings, parseSettings } from '../../shared/tenants/settings.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { type RelayedRequest, type RelaySender, relaySender, type SenderOptions, type SendRelayed } from './sender.ts'

/** The namespace of Azure Relay and the credentials for it. */
export type RelaySettings = {
	/** `contoso.servicebus.windows.net` */
	readonly namespace: string
	/** A key with the right Send, used instead of the managed identity. */
	readonly sas?: { readonly keyName: string; readonly key: string }
	/** Where the keys with the right Listen are for enrolled agents: in Azure Resource Manager, or here on one's own machine. */
	readonly listen?: { readonly resource: string } | { readonly key: string }
	/** A PEM certificate of the authority to trust instead of the public ones. */
	readonly ca?: string
}

/** The sender of a tenant. All requests share one, which keeps connections, a token and the state of the relay. */
export type SenderOf = (tenant: Tenant) => RelaySender

/** @throws ScimError 503 if no relay is configured or the settings of the tenant are invalid */
export function openRelay(settings: RelaySettings | undefined, identityToken: TokenSource): SenderOf {
	const senders = new Map<string, { readonly fingerprint: string; readonly send: RelaySender }>()
	return (tenant) => {
		const fingerprint = JSON.stringify(tenant.settings)
		const cachedSender = senders.get(tenant.name)
		if (cachedSender?.fingerprint === fingerprint) return cachedSender.send
		const send = relaySender(senderOptions(tenant, settings, identityToken))
		senders.set(tenant.name, { fingerprint, send })
		return send
	}
}

function senderOptions(
	{ name, settings }: Tenant,
	relay: RelaySettings | undefined,
	identityToken: TokenSource,
): SenderOptions {
	if (relay === undefined) throw misconfigured('the app setting ROLLCALL_RELAY_NAMESPACE is missing')
	const { agents, authorization, patchAsPost } = relaySettingsOf(settings)
	const { namespace, hybridConnection } = placeOf({ name, settings }, relay)
	const { sas, ca } = relay
	const uri = `http://${namespace.replace(/:\d+$/, '')}/${hybridConnection}`
	return {
		namespace,
		hybridConnection,
		token: sas === undefined ? identityToken : sasSource({ ...sas, uri }),
		isAuthorizationPassed: authorization === 'passThrough',
		isPatchSentAsPost: patchAsPost,
		...(agents !== undefined && { agents }),
		...(ca !== undefined && { ca }),
	}
}

function relaySettingsOf(settings: Tenant['settings']) {
	const { data, error } = parseSettings(declaredSettings, settings)
	if (data === undefined) throw misconfigured(`the settings of the tenant: ${allProblems(error, 'they')}`)
	return data
}

/** Where the requests of a tenant meet its agents. @throws ScimError 503 if the settings of the tenant are invalid */
export function placeOf(
	{ name, settings }: Pick<Tenant, 'name' | 'settings'>,
	{ namespace }: RelaySettings,
): { readonly namespace: string; readonly hybridConnection: string } {
	const { hybridConnection = name } = relaySettingsOf(settings)
	return { namespace, hybridConnection }
}

const misconfigured = (why: string) => unavailable(`The SCIM server cannot be reached (relay_settings): ${why}.`, 300)

const hour = 3_600_000

const sasSource =
	(rule: { readonly uri: string; readonly keyName: string; readonly key: string }): TokenSource =>
	async () =>
		sasToken({ ...rule, expires: Date.now() + hour })

type RelayRoute = { readonly send: SendRelayed } & Pick<RelayedRequest, 'requestId' | 'publicBase'>

/** Forwards a request to the SCIM server and returns its answer, without interpreting either. */
export async function relay(
	request: ScimRequest,
	{ send, requestId, publicBase }: RelayRoute,
): Promise<{
	readonly status: number
	readonly headers: Record<string, string>
	readonly body?: Buffer
}> {
	const body = await readBytes(request)
	const {
		status,
		headers,
		body: answer,
	} = await send({
		// HEAD is sent as GET: Node's HTTP client would wait for a body that the answer to HEAD does not have.
		method: request.method === 'HEAD' ? 'GET' : request.method,
		path: relayedPath(request.url),
		headers: request.headers,
		...(body.byteLength > 0 && { body: new Uint8Array(body) }),
		requestId,
		publicBase,
	})
	const allHeaders = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', ...headers }
	if (request.method === 'HEAD' || answer.length === 0) return { status, headers: allHeaders }
	return { status, headers: allHeaders, body: answer }
}

/**
 * Path and query below the tenant as the client wrote them, without double and trailing slashes.
 * @example relayedPath('https://host/scim/demo//Users/?count=1') // '/Users?count=1'
 */
export function relayedPath(url: string): string {
	const [, path = '', query = ''] = /^[a-z]+:\/\/[^/?#]*([^?#]*)([^#]*)/i.exec(url) ?? []
	const [, , ...segments] = path.split('/').filter((segment) => segment !== '')
	return `${segments.map((segment) => `/${segment}`).join('')}${query}`
}
