import type { Tenant } from '../shared/storage/tenants.ts'
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

/** Tidies up every directory, one after another, as far as there is time. A tenant that fails keeps no other from it. */
export async function sweepAll(services: Services, log: (event: SweepEvent) => void): Promise<void> {
	const until = services.now() + roundLimit
	for (const tenant of await services.tenants.listTenants()) {
		if (services.now() >= until) return
		if (tenant.mode === 'store') log(await sweepOne(services, tenant, until))
	}
}

async function sweepOne({ sweep, now }: Services, tenant: Tenant, until: number): Promise<SweepEvent> {
	const started = now()
	const outcome = await sweep(tenant, until).catch((error: unknown) => ({
		finished: 0,
		feedEntriesRemoved: 0,
		failures: [error],
	}))
	const { failures, ...done } = outcome
	return { event: 'sweep', tenant: tenant.name, ...done, milliseconds: now() - started, errors: failures }
}
