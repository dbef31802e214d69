import { isDeepStrictEqual } from 'node:util'
import type { Conversion } from '../storage/conversion.ts'
import type { Tables } from '../storage/table/tables.ts'
import { type Formats, formatProblem, type TenantFormat } from './format.ts'
import type { Tenant, Tenants } from './tenants.ts'

export type FormatWork = {
	readonly tenants: Pick<Tenants, 'updateFormat'>
	readonly tables: Pick<Tables, 'table' | 'pause'>
	readonly formats: Formats
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** Takes what administrators must mend before a conversion can end. */
	readonly report: Conversion['report']
	/** When to stop, in milliseconds since 1970. What is left is for the next time. */
	readonly until: number
}

/**
 * How long a stage lasts at least, in milliseconds. An instance keeps a tenant's row for a minute, and the longest request
 * takes three. A transaction that was given up may be done 40 seconds later, and the write that begins the stage may take
 * a minute and a half. That leaves more than three minutes by which the clocks of two instances may differ.
 */
const stageLasts = 10 * 60_000

/**
 * Takes a tenant's change of format one stage further if that is due. Answers what is new: the next stage, or how far the
 * conversion has come. Undefined means that nothing is due. It may run beside itself, and may die at any point.
 *
 * @throws ScimError 503 if the table service stays away, and whatever the conversion of the step throws
 */
export async function advanceFormat(work: FormatWork, tenant: Tenant): Promise<TenantFormat | undefined> {
	const { format, name } = tenant
	const next = await stageAfter(work, tenant)
	if (next === undefined || isDeepStrictEqual(next, format)) return undefined
	// Meanwhile another process may have begun the stage, or may have removed the tenant and made another of its name.
	const reached = await work.tenants.updateFormat(name, (current) =>
		isDeepStrictEqual(current, format) ? next : undefined,
	)
	return isDeepStrictEqual(reached, next) ? next : undefined
}

async function stageAfter(work: FormatWork, tenant: Tenant): Promise<TenantFormat | undefined> {
	const { formats, now, until, report } = work
	const { number, stage, since } = tenant.format
	if (formatProblem(tenant.format, formats.newest) !== undefined) return undefined
	if (now() >= until) return undefined
	const begun = { since: now(), position: '' }
	if (stage === 'unnumbered') return { ...begun, number, stage: 'complete' }
	if (now() - since < stageLasts) return undefined
	if (stage === 'complete') {
		return number < formats.target ? { ...begun, number: number + 1, stage: 'announced' } : undefined
	}
	const step = formats.steps.find(({ to }) => to === number)
	// A release that only knows the format leaves the change to the next release.
	if (step === undefined) return undefined
	if (stage === 'announced') return { ...begun, number, stage: 'written' }
	const position = await step.convert({
		table: work.tables.table(tenant.table, tenant.name),
		pause: work.tables.pause,
		position: tenant.format.position,
		now,
		until,
		report,
	})
	return position === undefined
		? { since: now(), position: '', number, stage: 'complete' }
		: { ...tenant.format, position }
}
