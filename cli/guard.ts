import { UsageError } from '../shared/cli/usage-error.ts'
import type { GuardReport } from '../shared/storage/guard.ts'
import { guardLimitsOf, settingsOf } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TargetCommand } from './command.ts'
import { parseDuration } from './duration.ts'
import { Failure } from './failure.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { tenantNamed } from './tenant.ts'

/** What the guard against mass deletion says of a tenant. */
export type GuardStatus = GuardReport & {
	readonly setting: 'hold' | 'alert' | 'off'
	/** RFC 3339; while deletions are allowed. */
	readonly allowedUntil?: string
}

/** Undefined for a tenant of mode relay, whose people are in the SCIM server. */
export async function guardStatusOf(target: DeploymentTarget, tenant: Tenant): Promise<GuardStatus | undefined> {
	if (tenant.mode === 'relay') return undefined
	const { guardAllowedUntil: until = 0 } = tenant
	return {
		setting: settingsOf(tenant).guard,
		...(until > Date.now() && { allowedUntil: new Date(until).toISOString() }),
		...(await target.ledger(tenant).losses(guardLimitsOf(tenant))),
	}
}

/** Tells what a tenant has lost in the last hour, and what is allowed. */
export const showGuard: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const tenant = await tenantNamed(target, name)
		const status = await guardStatusOf(target, tenant)
		if (status === undefined) return { text: inScimServer, json: { name, mode: tenant.mode } }
		const { setting, allowedUntil, deletedPeople, deletedGroups, deactivatedPeople, allowedPeople, allowedGroups } =
			status
		return {
			text: table([
				['Guard', guardLine(status)],
				['Setting', setting],
				...(allowedUntil === undefined ? [] : [['All deletions are allowed until', allowedUntil]]),
				['People deleted in the last hour', `${deletedPeople} of ${allowedPeople} that are allowed`],
				['People deactivated in the last hour', `${deactivatedPeople} of ${allowedPeople} that are allowed`],
				['Groups deleted in the last hour', `${deletedGroups} of ${allowedGroups} that are allowed`],
			]),
			json: { name, mode: tenant.mode, ...status },
		}
	}

/** Lets the guard allow all deletions for a while, or ends that with `0s`. */
export const allowDeletions: TargetCommand = ({ args: [name = ''], values }) => {
	const lasts = durationOf(values.for)
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		if (tenant.mode === 'relay') throw new Failure(inScimServer, { hint: 'look at the SCIM server itself' })
		const until = Date.now() + lasts
		if ((await target.tenants.allowDeletions(name, until)) === 'absent') {
			throw new Failure(`there is no tenant ${name}`, { hint: target.commandLine('tenant list') })
		}
		const allowedUntil = new Date(until).toISOString()
		const { guard } = settingsOf(tenant)
		const effect =
			lasts === 0
				? 'The guard goes on as its setting says.'
				: guard === 'hold'
					? `The guard allows all deletions until ${allowedUntil}.`
					: `The guard allows all deletions until ${allowedUntil}. It holds none back in any case, because its setting is ${guard}.`
		return { text: `${effect} All apps follow within a minute.`, json: { name, allowedUntil } }
	}
}

/** Two weeks are the longest time: a guard that is forgotten guards nothing. */
const longest = 14 * 24 * 60 * 60_000

function durationOf(text: string | undefined): number {
	const lasts = parseDuration(text ?? '')
	if (lasts !== undefined && lasts <= longest) return lasts
	throw new UsageError(text === undefined ? 'guard allow needs --for' : `--for ${text} is not a time of up to 14d`, {
		hint: 'use a number with s, m, h or d, such as --for 2h; --for 0s ends what was allowed before',
	})
}

const inScimServer = 'The people of this tenant are in the SCIM server behind the relay, which the guard does not see.'

/** What the guard says, in some words. */
export function guardLine(status: GuardStatus | undefined): string {
	if (status === undefined) return 'in the SCIM server'
	const { setting, isBeyond, isHolding, deletedPeople, deletedGroups, deactivatedPeople, halvedGroups = [] } = status
	if (setting === 'off') return 'off'
	const losses = `${deletedPeople} people and ${deletedGroups} groups deleted, ${deactivatedPeople} people deactivated in the last hour${halvedLine(halvedGroups)}`
	if (isHolding) return `HOLDS DELETIONS BACK: ${losses}`
	return isBeyond ? `MORE THAN ALLOWED: ${losses}` : losses
}

const halvedLine = (ids: readonly string[]): string =>
	ids.length === 0 ? '' : `; one request took more than half of the members of ${ids.join(', ')}`
