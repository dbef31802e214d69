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
	readonly milliseconds: number
	readonly errors: readonly unknown[]
}

type SweepServices = Pick<Services, 'now' | 'sweep'> & { readonly tenants: Pick<Services['tenants'], 'listTenants'> }

/**
 * Tidies up every directory, one after another, as far as there is time. A tenant that fails keeps no other from it, nor
 * does one that takes all the time.
 */
export async function sweepAll(services: SweepServices, log: (event: SweepEvent) => void): Promise<void> {
	const started = services.now()
	const until = started + roundLimit
	for (const tenant of fromAnywhere(await services.tenants.listTenants(), Math.floor(started / sweepEvery))) {
		if (services.now() >= until) return
		if (tenant.mode === 'store') log(await sweepOne(services, tenant, until))
	}
}

/** Begins with another one in each round. Steps by the golden ratio come near each of them soon, however many there are. */
function fromAnywhere<T>(items: readonly T[], round: number): readonly T[] {
	const start = Math.floor(((round * 0.618_034) % 1) * items.length)
	return [...items.slice(start), ...items.slice(0, start)]
}

async function sweepOne({ sweep, now }: SweepServices, tenant: Tenant, until: number): Promise<SweepEvent> {
	const started = now()
	const outcome = await sweep(tenant, until).catch((error: unknown) => ({
		finished: 0,
		feedEntriesRemoved: 0,
		failures: [error],
	}))
	const { failures, ...done } = outcome
	return { event: 'sweep', tenant: tenant.name, ...done, milliseconds: now() - started, errors: failures }
}
