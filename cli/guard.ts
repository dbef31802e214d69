import type { GuardReport } from '../shared/storage/guard.ts'
import { guardLimitsOf, settingsOf } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TargetCommand } from './command.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { tenantNamed } from './tenant.ts'

/** What the guard against mass deletion says of a tenant. */
export type GuardStatus = GuardReport & { readonly setting: 'alert' | 'off' }

/** Undefined for a tenant of mode relay, whose people are in the SCIM server. */
export async function guardStatusOf(target: DeploymentTarget, tenant: Tenant): Promise<GuardStatus | undefined> {
	if (tenant.mode === 'relay') return undefined
	return { setting: settingsOf(tenant).guard, ...(await target.ledger(tenant).losses(guardLimitsOf(tenant))) }
}

/** Tells what a tenant has lost in the last hour, and what is allowed. */
export const showGuard: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const tenant = await tenantNamed(target, name)
		const status = await guardStatusOf(target, tenant)
		if (status === undefined) return { text: inScimServer, json: { name, mode: tenant.mode } }
		const { setting, deletedPeople, deletedGroups, deactivatedPeople, allowedPeople, allowedGroups } = status
		return {
			text: table([
				['Guard', guardLine(status)],
				['Setting', setting],
				['People deleted in the last hour', `${deletedPeople} of ${allowedPeople} that are allowed`],
				['People deactivated in the last hour', `${deactivatedPeople} of ${allowedPeople} that are allowed`],
				['Groups deleted in the last hour', `${deletedGroups} of ${allowedGroups} that are allowed`],
			]),
			json: { name, mode: tenant.mode, ...status },
		}
	}

const inScimServer = 'The people of this tenant are in the SCIM server behind the relay, which the guard does not see.'

/** What the guard says, in some words. */
export function guardLine(status: GuardStatus | undefined): string {
	if (status === undefined) return 'in the SCIM server'
	const { setting, isBeyond, deletedPeople, deletedGroups, deactivatedPeople } = status
	if (setting === 'off') return 'off'
	const losses = `${deletedPeople} people and ${deletedGroups} groups deleted, ${deactivatedPeople} people deactivated in the last hour`
	return isBeyond ? `MORE THAN ALLOWED: ${losses}` : losses
}
