import { settingsOf } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TargetCommand } from './command.ts'
import { guardLine, guardStatusOf } from './guard.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { countsOf, tenantNamed } from './tenant.ts'

/** How a tenant is doing. Counts and the last write are undefined if its directory is in a SCIM server. */
export type TenantStatus = {
	readonly counts: { readonly users: number; readonly groups: number } | undefined
	/** RFC 3339; the request came then, or up to an hour later. */
	readonly lastRequest: string | undefined
	/** RFC 3339. */
	readonly lastWrite: string | undefined
	/** Requests that were refused since midnight in UTC. */
	readonly failuresToday: number
}

/** How a tenant is doing, by a number of requests that does not grow with the directory. */
export async function statusOf(target: DeploymentTarget, tenant: Tenant): Promise<TenantStatus> {
	const ledger = target.ledger(tenant)
	const [counts, uses, lastWrite, failuresToday] = await Promise.all([
		tenant.mode === 'store' ? countsOf(target, tenant) : undefined,
		target.lastUses(tenant),
		tenant.mode === 'store' ? ledger.lastWrite() : undefined,
		failuresSince(ledger.refusalsSince(startOfDay())),
	])
	return { counts, lastRequest: [...uses.values()].sort().at(-1), lastWrite, failuresToday }
}

/** Tells how a tenant is doing. */
export const showStatus: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const tenant = await tenantNamed(target, name)
		const [{ counts, lastRequest, lastWrite, failuresToday }, guard] = await Promise.all([
			statusOf(target, tenant),
			guardStatusOf(target, tenant),
		])
		const { relay } = target
		const relayLine = tenant.mode === 'store' ? 'none' : 'missing' in relay ? relay.missing : relay.namespace
		return {
			text: table([
				['People', counts === undefined ? 'in the SCIM server' : String(counts.users)],
				['Groups', counts === undefined ? 'in the SCIM server' : String(counts.groups)],
				['Last request', lastRequest === undefined ? 'none is known' : `${lastRequest} or up to an hour later`],
				['Last write', lastWrite ?? (tenant.mode === 'store' ? 'none is known' : 'in the SCIM server')],
				['Failures today', String(failuresToday)],
				['Guard', guardLine(guard)],
				['History', settingsOf(tenant).history],
				['Relay', relayLine],
			]),
			json: {
				name,
				mode: tenant.mode,
				...counts,
				...(lastRequest !== undefined && { lastRequest }),
				...(lastWrite !== undefined && { lastWrite }),
				failuresToday,
				...(guard !== undefined && { guard }),
				history: settingsOf(tenant).history,
				...(tenant.mode === 'relay' && { relay }),
			},
		}
	}

const startOfDay = (): number => new Date().setUTCHours(0, 0, 0, 0)

async function failuresSince(pages: AsyncIterable<readonly { readonly count: number }[]>): Promise<number> {
	let total = 0
	for await (const page of pages) for (const { count } of page) total += count
	return total
}
