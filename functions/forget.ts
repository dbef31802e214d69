import { forget } from '../shared/storage/forget.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import { typesOf } from '../shared/tenants/resource-types.ts'
import type { Tenant, Tenants } from '../shared/tenants/tenants.ts'

type ForgetServices = {
	readonly tenants: Pick<Tenants, 'updateForgetting'>
	readonly store: ResourceStore
	readonly now: () => number
}

/** Goes on with the removals that `rollcall schema forget` has begun and that were interrupted. */
export async function goOnForgetting(
	{ tenants, store, now }: ForgetServices,
	tenant: Tenant,
	until: number,
): Promise<void> {
	for (const forgetting of tenant.forgetting) {
		const { path } = forgetting
		const position = await forget(forgetting, { store, types: typesOf(tenant), now, until })
		await tenants.updateForgetting(tenant.name, (all) =>
			position === undefined
				? all.filter((each) => each.path !== path)
				: all.map((each) => (each.path === path ? { path, position } : each)),
		)
	}
}
