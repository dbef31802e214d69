import { UsageError } from '../shared/cli/usage-error.ts'
import type { AdministrationEntry } from '../shared/storage/administration.ts'
import { formatProblem } from '../shared/tenants/format.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { CommandResult, TargetCommand } from './command.ts'
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
 * its row afterwards. A tenant that is removed takes its rows along, and the removal leaves another row that stays.
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

const removal = 'tenant remove'

/** A removal that was interrupted may have deleted the tenant's table. The next removal has its row in the other table alone. */
async function begun(target: DeploymentTarget, tenant: Tenant, command: string): Promise<AdministrationEntry> {
	const { administration } = target
	if (command !== removal) return administration.begin(tenant, command)
	const entry = await administration.beginRemoval(tenant.name, command)
	await administration.end(tenant, entry).catch((error: unknown) => {
		if (!isWithoutTable(error)) throw error
	})
	return entry
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
	if (command === removal && entry !== undefined) await target.administration.endRemoval(name, { ...entry, outcome })
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
		const tenant = await target.tenants.getTenant(name)
		const removals = await removalsOf(target, name)
		if (tenant !== undefined || removals.length === 0) {
			const own = await target.administration.list(await tenantNamed(target, name))
			return shownEntries(
				inOrder([...removals, ...own]),
				`No command has changed the tenant ${name} since this is recorded.`,
			)
		}
		const { text, json } = shownEntries(inOrder(removals), '')
		return { text: `${text}\n\nThe tenant ${name} was removed, and the list of other commands with it.`, json }
	}
}

/**
 * What administrators have done to a tenant, and the removals of earlier tenants of its name; newest first.
 *
 * @param since milliseconds since 1970
 */
export async function administrationSince(
	target: DeploymentTarget,
	tenant: Tenant,
	since: number,
): Promise<readonly AdministrationEntry[]> {
	const [removals, own] = await Promise.all([
		removalsOf(target, tenant.name),
		target.administration.list(tenant, since),
	])
	return inOrder([...removals.filter(({ time }) => Date.parse(time) >= since), ...own])
}

/** The table is made by the first removal of a tenant. */
const removalsOf = (target: DeploymentTarget, name: string): Promise<readonly AdministrationEntry[]> =>
	target.administration.removals(name).catch((error: unknown) => {
		if (isWithoutTable(error)) return []
		throw error
	})

/** Newest first. A removal that failed has a row in both tables. */
const inOrder = (entries: readonly AdministrationEntry[]): readonly AdministrationEntry[] =>
	[...new Map(entries.map((entry) => [entry.id, entry])).values()].sort((a, b) => (a.id < b.id ? 1 : -1))

function shownEntries(entries: readonly AdministrationEntry[], ifNone: string): CommandResult {
	const rows = entries.map(({ time, command, name, administrator, outcome }) => [
		...[time, command, name, administrator],
		outcome === 'begun' ? 'interrupted' : outcome,
	])
	return {
		text: rows.length === 0 ? ifNone : table([['TIME', 'COMMAND', 'BY', 'OBJECT ID', 'OUTCOME'], ...rows]),
		json: entries.map(({ id: _, ...entry }) => entry),
	}
}
