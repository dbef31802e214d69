import { UsageError } from '../../shared/cli/usage-error.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { type Config, readText } from '../config.ts'
import { proxyAgent } from '../proxy.ts'
import { requestText, type TextResponse } from '../request-text.ts'
import { readToken } from '../secret-file.ts'
import { type DoctorFinding, fail, pass, plainly, skip } from './check.ts'
import { isScim, notScim } from './scim-answer.ts'

/** The URL of a Rollcall tenant, and a file with the token of one of its clients. */
export type CloudTenant = { readonly url: string; readonly tokenFile: string }

const limit = 60_000

/** Sends a request as a client does: through Rollcall, Azure Relay and an agent to the SCIM server. */
export async function cloudFinding(cloud: CloudTenant | undefined, { relay }: Config): Promise<DoctorFinding> {
	if (cloud === undefined)
		return skip(
			'E1',
			'not requested: --cloud https://HOST/scim/TENANT --token-file FILE sends a request through Rollcall',
		)
	const url = `${cloud.url.replace(/\/+$/, '')}/ServiceProviderConfig`
	const started = performance.now()
	try {
		const reply = await requestText(url, {
			headers: { authorization: `Bearer ${readToken(cloud.tokenFile)}`, accept: 'application/scim+json' },
			timeout: limit,
			agent: url.startsWith('https:') ? proxyAgent(relay, systemClock) : undefined,
			ca: relay.caFile === undefined ? undefined : readText(relay.caFile, 'relay.caFile must be a PEM file.'),
		})
		const seen = `GET ${url}: ${reply.status} in ${Math.round(performance.now() - started)} ms`
		if (reply.status !== 200) return failure(seen, reply, cloud)
		return isScim(reply.text)
			? pass('E1', seen)
			: fail('E1', `${seen}, ${notScim}`, 'Check the URL of the tenant: another program may answer there.')
	} catch (error) {
		const remedy = 'Check the URL of the tenant, and that this machine can reach it.'
		return fail('E1', `GET ${url}: ${plainly(error)}`, error instanceof UsageError ? error.hint : remedy)
	}
}

function failure(seen: string, { status, text }: TextResponse, { tokenFile }: CloudTenant): DoctorFinding {
	const why = detailOf(text)
	const what = why === undefined ? seen : `${seen}: ${why}`
	const code = /\((\w+)\)/.exec(why ?? '')?.[1]
	if (status === 401)
		return fail(
			'E1',
			what,
			`Rollcall or the SCIM server refuses the token. Check that ${tokenFile} has the token of this tenant.`,
		)
	if (status === 404)
		return fail('E1', what, 'Check the URL of the tenant, and that its SCIM server has /ServiceProviderConfig.')
	return fail('E1', what, remedies[code ?? ''] ?? 'docs/relay-troubleshooting.md lists the causes.')
}

const remedies: Readonly<Record<string, string>> = {
	no_agent: 'No agent listens on the hybrid connection of the tenant. Start the agent; see A3.',
	relay_unauthorized: 'Give the identity of the Function the role Azure Relay Sender on the hybrid connection.',
	relay_refused: 'Give the identity of the Function the role Azure Relay Sender on the hybrid connection.',
	unknown_agent: 'Another agent answered. Find out whose it is, or add its id to the settings of the tenant.',
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
