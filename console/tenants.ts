import { clientsOf } from '../cli/client.ts'
import { guardLine } from '../cli/guard.ts'
import { statusOf } from '../cli/status.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import { statesOf } from '../cli/token-store.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { refusalOf } from './answer.ts'
import type { EndingSoon, ListedTenants, TenantSummary } from './answers/tenants.ts'
import { type ConsoleContext, route, tenantRoute } from './route.ts'

/** The page of all tenants. The list takes one request to storage; each tenant in view is asked for by itself. */
export const tenantRoutes = [
	route({ method: 'GET', path: '/tenants', handle: (_, context) => tenantList(context) }),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/summary',
		handle: ({ tenant }, context) => summaryOf(context, tenant),
	}),
]

async function tenantList({ target }: ConsoleContext): Promise<ListedTenants> {
	const tenants = await target.tenants.listTenants()
	return { tenants: tenants.map(({ name, mode, created }) => ({ name, mode, created, url: target.urlOf(name) })) }
}

async function summaryOf({ target, now }: ConsoleContext, tenant: Tenant): Promise<TenantSummary> {
	const [{ counts, lastRequest, lastWrite, failuresToday, guard }, credentials] = await Promise.all([
		statusOf(target, tenant),
		endingOrProblem(target, tenant, now()),
	])
	const { relay } = target
	return {
		...(counts !== undefined && { people: counts.users, groups: counts.groups }),
		...(lastRequest !== undefined && { lastRequest }),
		...(lastWrite !== undefined && { lastWrite }),
		failuresToday,
		...credentials,
		...(guard?.isBeyond && guard.setting !== 'off' && { losses: guardLine(guard) }),
		...(tenant.mode === 'relay' && { relay: 'missing' in relay ? relay.missing : relay.namespace }),
	}
}

/** An operator who may read the tables may lack the right to list the vault. The other numbers are worth showing. */
async function endingOrProblem(
	...tenant: Parameters<typeof endingCredentialsOf>
): Promise<Pick<TenantSummary, 'ending' | 'credentialsProblem'>> {
	try {
		return { ending: await endingCredentialsOf(...tenant) }
	} catch (error) {
		return { ending: [], credentialsProblem: refusalOf(error).problem.error }
	}
}

const soon = 30 * 24 * 3_600_000

/** The tokens and client secrets that work at the time `now` and end within 30 days, the first to end first. */
async function endingCredentialsOf(
	target: DeploymentTarget,
	tenant: Tenant,
	now: number,
): Promise<readonly EndingSoon[]> {
	const [tokens, clients] = await Promise.all([
		target.tokens.list(tenant.name),
		tenant.hasClients ? clientsOf(target, tenant) : [],
	])
	const states = statesOf(tokens, now)
	const ofTokens = tokens
		.filter((_, index) => states[index] === 'accepted')
		.map(({ label, version, expires = Number.POSITIVE_INFINITY }) => ({
			kind: 'token' as const,
			name: label ?? version,
			expires,
		}))
	const ofClients = clients
		.flatMap((client) => (client.kind === 'secret' && !client.isDisabled ? [client] : []))
		.flatMap(({ label, id, secrets }) =>
			secrets
				.filter(({ isDisabled, expires }) => !isDisabled && Date.parse(expires) > now)
				.map(({ expires }) => ({
					kind: 'client secret' as const,
					name: label ?? id,
					expires: Date.parse(expires),
				})),
		)
	return [...ofTokens, ...ofClients]
		.filter(({ expires }) => expires - now < soon)
		.sort((a, b) => a.expires - b.expires)
		.map(({ expires, ...credential }) => ({ ...credential, expires: new Date(expires).toISOString() }))
}
