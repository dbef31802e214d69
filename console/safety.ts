import { resolve } from 'node:path'
import { administrationSince } from '../cli/administration.ts'
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
		handle: ({ tenant }, { target, now }) => safetyOf(target, tenant, now()),
	}),
]

/** In milliseconds. The command line tells what is older. */
const lookingBack = 90 * 24 * 3_600_000

async function safetyOf(target: DeploymentTarget, tenant: Tenant, now: number): Promise<TenantSafety> {
	const [guard, entries] = await Promise.all([
		guardStatusOf(target, tenant),
		administrationSince(target, tenant, now - lookingBack),
	])
	return {
		...(guard !== undefined && { guard }),
		guardLine: guardLine(guard),
		administration: entries,
		exportFile: resolve(fileFor(tenant.name)),
	}
}
