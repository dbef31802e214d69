import { settingsOf } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'

/** The relay of a deployment target, or why requests to a tenant of mode relay cannot be answered there. */
export type TargetRelay = { readonly namespace: string } | { readonly missing: string }

/**
 * The settings of an agent for a tenant, as a start for its `relay.json`. The administrator replaces `origin.url`.
 * See docs/relay-reference.md.
 */
export function agentSettings(tenant: Pick<Tenant, 'name' | 'mode' | 'settings'>, relay: TargetRelay) {
	const { hybridConnection = tenant.name, agents = [], authorization } = settingsOf(tenant)
	const [agentId] = agents
	return {
		relay: { namespace: 'namespace' in relay ? relay.namespace : 'NAMESPACE.servicebus.windows.net', hybridConnection },
		credentials: { type: 'arc' },
		origin: {
			url: 'https://localhost:11015/scim',
			authorization:
				authorization === 'passThrough' ? { type: 'passThrough' } : { type: 'bearer', tokenFile: 'origin.token' },
		},
		...(agentId !== undefined && { agentId }),
	}
}

/** What is missing for a tenant of mode relay, and the `relay.json` of its agent, as text. */
export function relayText(tenant: Pick<Tenant, 'name' | 'mode' | 'settings'>, relay: TargetRelay): string {
	const missing = 'missing' in relay ? [`Missing: ${relay.missing}`, ''] : []
	return [
		...missing,
		'relay.json for the agent (correct origin.url and credentials; see docs/relay-reference.md):',
		JSON.stringify(agentSettings(tenant, relay), null, 2),
	].join('\n')
}
