import { UsageError } from '../../shared/cli/usage-error.ts'
import { type Config, readText } from '../config.ts'
import { proxyAgent } from '../proxy.ts'
import { requestText, type TextResponse } from '../request-text.ts'
import { readToken } from '../secret-file.ts'
import { type DoctorFinding, fail, pass, plainly, skip } from './check.ts'

/** A tenant of Rollcall, and where the token is that a client of it has. */
export type CloudTenant = { readonly url: string; readonly tokenFile: string }

const limit = 60_000

/** Goes the whole way, as a client does: Rollcall, relay, an agent, the SCIM server. The agent itself may not send. */
export async function cloudFinding(cloud: CloudTenant | undefined, { relay }: Config): Promise<DoctorFinding> {
	if (cloud === undefined)
		return skip(
			'E1',
			'not asked for: --cloud https://HOST/scim/TENANT --token-file FILE goes the whole way, as a client does',
		)
	const url = `${cloud.url.replace(/\/+$/, '')}/ServiceProviderConfig`
	const started = performance.now()
	try {
		const reply = await requestText(url, {
			headers: { authorization: `Bearer ${readToken(cloud.tokenFile)}`, accept: 'application/scim+json' },
			timeout: limit,
			agent: relay.proxy === undefined || !url.startsWith('https:') ? undefined : proxyAgent(relay.proxy),
			ca: relay.caFile === undefined ? undefined : readText(relay.caFile, 'relay.caFile is a PEM file.'),
		})
		const seen = `GET ${url}: ${reply.status} in ${Math.round(performance.now() - started)} ms`
		return reply.status === 200 ? pass('E1', seen) : refusal(seen, reply, cloud)
	} catch (error) {
		const remedy = 'Is it the address of the tenant, and does this machine reach it?'
		return fail('E1', `GET ${url}: ${plainly(error)}`, error instanceof UsageError ? error.hint : remedy)
	}
}

function refusal(seen: string, { status, text }: TextResponse, { tokenFile }: CloudTenant): DoctorFinding {
	const why = detailOf(text)
	const what = why === undefined ? seen : `${seen}: ${why}`
	const code = /\((\w+)\)/.exec(why ?? '')?.[1]
	if (status === 401)
		return fail('E1', what, `Rollcall or the SCIM server refuses the token: is it the tenant's own in ${tokenFile}?`)
	if (status === 404)
		return fail('E1', what, 'Is it the address of a tenant, and has its SCIM server a ServiceProviderConfig?')
	return fail('E1', what, remedies[code ?? ''] ?? 'The causes that detail may name are listed in docs/relay.md.')
}

const remedies: Readonly<Record<string, string>> = {
	no_agent: 'No agent listens on the hybrid connection of the tenant: start it; see A3.',
	relay_unauthorized: 'Give the identity of the Function the role Azure Relay Sender on the hybrid connection.',
	relay_refused: 'Give the identity of the Function the role Azure Relay Sender on the hybrid connection.',
	unknown_agent: 'Another agent listens: add its id to the settings of the tenant, or find out whose it is.',
}

function detailOf(text: string): string | undefined {
	try {
		const { detail } = JSON.parse(text)
		return typeof detail === 'string' ? plainly(detail) : undefined
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}
