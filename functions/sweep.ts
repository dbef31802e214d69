import type { SweepReport } from '../shared/storage/sweep.ts'
import { formatProblem, type TenantFormat } from '../shared/tenants/format.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { Services } from './services.ts'

/** How often, in milliseconds. What it finishes is right for every reader already; only its leftovers wait. */
export const sweepEvery = 15 * 60_000

/** How long one round may take, in milliseconds: less than host.json gives a function. */
const roundLimit = 150_000

/** What became of one tenant's directory, or why it was left to the next round. */
export type SweepEvent = {
	readonly event: 'sweep'
	readonly tenant: string
	readonly finished: number
	readonly feedEntriesRemoved: number
	/** The format that the tenant's data has come to in this round. */
	readonly format?: number
	readonly formatStage?: TenantFormat['stage']
	readonly milliseconds: number
	readonly errors: readonly unknown[]
}

type Sweeping = Pick<Services, 'now' | 'sweep' | 'advanceFormat'> & {
	readonly tenants: Pick<Services['tenants'], 'listTenants'>
}

/**
 * Tidies up every directory, one after another, as far as there is time. A tenant that fails keeps no other from it, nor
 * does one that takes all the time. A tenant of mode relay, which has no directory here, is told of only if its format has
 * changed or something failed.
 */
export async function sweepAll(services: Sweeping, log: (event: SweepEvent) => void): Promise<void> {
	const started = services.now()
	const until = started + roundLimit
	for (const tenant of fromAnywhere(await services.tenants.listTenants(), Math.floor(started / sweepEvery))) {
		if (services.now() >= until) return
		const event = await sweepOne(services, tenant, until)
		if (tenant.mode === 'store' || event.format !== undefined || event.errors.length > 0) log(event)
	}
}

/** Begins with another one in each round. Steps by the golden ratio come near each of them soon, however many there are. */
function fromAnywhere<T>(items: readonly T[], round: number): readonly T[] {
	const start = Math.floor(((round * 0.618_034) % 1) * items.length)
	return [...items.slice(start), ...items.slice(0, start)]
}

async function sweepOne(services: Sweeping, tenant: Tenant, until: number): Promise<SweepEvent> {
	const { now } = services
	const started = now()
	const problem = formatProblem(tenant.format)
	const outcome = problem === undefined ? await tendTo(services, tenant, until) : failed(new Error(problem))
	const { failures, ...done } = outcome
	return { event: 'sweep', tenant: tenant.name, ...done, milliseconds: now() - started, errors: failures }
}

type Tended = Pick<SweepEvent, 'finished' | 'feedEntriesRemoved' | 'format' | 'formatStage'> & {
	readonly failures: readonly unknown[]
}

const nothing: SweepReport = { finished: 0, feedEntriesRemoved: 0, failures: [] }
const failed = (error: unknown): Tended => ({ ...nothing, failures: [error] })

async function tendTo({ sweep, advanceFormat }: Sweeping, tenant: Tenant, until: number): Promise<Tended> {
	const swept = tenant.mode === 'store' ? await sweep(tenant, until).catch(failed) : nothing
	try {
		const format = await advanceFormat(tenant, until)
		return format === undefined ? swept : { ...swept, format: format.number, formatStage: format.stage }
	} catch (error) {
		return { ...swept, failures: [...swept.failures, error] }
	}
}
