import { UsageError } from '../shared/cli/usage-error.ts'
import type { AdministrationEntry } from '../shared/storage/administration.ts'
import { formatProblem } from '../shared/tenants/format.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TargetCommand } from './command.ts'
import { isWithoutTable } from './remove.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { tenantNamed } from './tenant.ts'

type RecordedWork<T> = {
	readonly command: string
	/** The name of the tenant; empty for a command that is for no tenant. */
	readonly name: string
	readonly work: (target: DeploymentTarget) => Promise<T>
	/** Whether the work says by its result that it failed. */
	readonly isFailure?: (result: T) => boolean
}

/**
 * Does the work of a command, and leaves a row in the tenant's table that says who did it, when, and with which outcome. The
 * row is there before the work begins, so that an interrupted command leaves one too. A command that makes the tenant leaves
 * its row afterwards. A tenant that is removed takes its rows along.
 */
export async function recorded<T>(
	target: DeploymentTarget,
	{ command, name, work, isFailure = () => false }: RecordedWork<T>,
): Promise<T> {
	const before = await knownTenant(target, name)
	const entry = before && (await begun(target, before, command))
	try {
		const result = await work(target)
		await end(target, { name, command, entry, outcome: isFailure(result) ? 'failed' : 'done' })
		return result
	} catch (error) {
		await end(target, { name, command, entry, outcome: 'failed' })
		throw error
	}
}

/** A removal that was interrupted may have deleted the table. The next removal has no place for a row, and needs none. */
async function begun(
	target: DeploymentTarget,
	tenant: Tenant,
	command: string,
): Promise<AdministrationEntry | undefined> {
	try {
		return await target.administration.begin(tenant, command)
	} catch (error) {
		if (command === 'tenant remove' && isWithoutTable(error)) return undefined
		throw error
	}
}

/** Never rejects: the result of a command that is done, such as a new token, must not be lost. */
const end = (target: DeploymentTarget, ended: End): Promise<void> => storeEnd(target, ended).catch(() => {})

type End = {
	readonly name: string
	readonly command: string
	readonly entry: AdministrationEntry | undefined
	readonly outcome: 'done' | 'failed'
}

async function storeEnd(target: DeploymentTarget, { name, command, entry, outcome }: End): Promise<void> {
	const tenant = await knownTenant(target, name)
	if (tenant === undefined) return
	await target.administration.end(tenant, {
		...(entry ?? (await target.administration.begin(tenant, command))),
		outcome,
	})
}

/** The tenant, if this version may write into its table. */
async function knownTenant(target: DeploymentTarget, name: string): Promise<Tenant | undefined> {
	const tenant = await target.tenants.getTenant(name)
	return tenant === undefined || formatProblem(tenant.format) !== undefined ? undefined : tenant
}

/** Tells what administrators have done to a tenant, newest first. */
export const showAdministration: TargetCommand = ({ args: [name = '', who], environment }) => {
	if (who !== undefined) {
		throw new UsageError(`--admin is of the whole tenant, not of ${who}`, {
			hint: `${environment.program} history ${name} --admin`,
		})
	}
	return async (target) => {
		const entries = (await target.administration.list(await tenantNamed(target, name))).toReversed()
		const rows = entries.map(({ time, command, name: who, administrator, outcome }) => [
			...[time, command, who, administrator],
			outcome === 'begun' ? 'interrupted' : outcome,
		])
		return {
			text:
				rows.length === 0
					? `No command has changed the tenant ${name} since this is recorded.`
					: table([['TIME', 'COMMAND', 'BY', 'OBJECT ID', 'OUTCOME'], ...rows]),
			json: entries.map(({ id: _, ...entry }) => entry),
		}
	}
}
