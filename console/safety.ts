import { resolve } from 'node:path'
import { guardLine, guardStatusOf } from '../cli/guard.ts'
import { fileFor } from '../cli/remove.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TenantSafety } from './answers/safety.ts'
import { tenantRoute } from './route.ts'

/** The page of the guard, undo, export, import and erasure. */
export const safetyRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/safety',
		handle: ({ tenant }, { target }) => safetyOf(target, tenant),
	}),
]

const entriesShown = 100

async function safetyOf(target: DeploymentTarget, tenant: Tenant): Promise<TenantSafety> {
	const [guard, entries] = await Promise.all([guardStatusOf(target, tenant), target.administration.list(tenant)])
	return {
		...(guard !== undefined && { guard }),
		guardLine: guardLine(guard),
		administration: entries.slice(-entriesShown).toReversed(),
		exportFile: resolve(fileFor(tenant.name)),
	}
}
