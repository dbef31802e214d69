import type { Tenant } from '../shared/tenants/tenants.ts'
import type { Services } from './services.ts'

/** The interval of sweeps, in milliseconds. Reads are correct without a sweep; a sweep only removes leftovers. */
export const sweepEvery = 15 * 60_000

/** The longest time of one round, in milliseconds. It is shorter than the function timeout in host.json. */
const roundLimit = 150_000

/** The result of a sweep of one tenant, or the errors that leave the rest to the next round. */
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
 * Sweeps the directories one after another while there is time. A tenant that fails does not stop the others. Neither does
 * a tenant that takes all the time, because each round begins with another tenant.
 */
export async function sweepAll(services: SweepServices, log: (event: SweepEvent) => void): Promise<void> {
	const started = services.now()
	const until = started + roundLimit
	for (const tenant of rotated(await services.tenants.listTenants(), Math.floor(started / sweepEvery))) {
		if (services.now() >= until) return
		if (tenant.mode === 'store') log(await sweepOne(services, tenant, until))
	}
}

/** Starts at another item in each round. Steps of the golden ratio soon come close to every item, for any number of items. */
function rotated<T>(items: readonly T[], round: number): readonly T[] {
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
