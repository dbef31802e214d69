import type { Lookup } from '../shared/storage/lookup.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError } from './answer.ts'
import type { ConsoleContext } from './route.ts'

/**
 * The directory of a tenant for a page.
 *
 * @throws ConsoleError 409 if the directory is behind a relay
 */
export function directoryOf({ target }: ConsoleContext, tenant: Tenant): Lookup {
	if (tenant.mode === 'store') return target.lookup(tenant)
	throw new ConsoleError(`the tenant ${tenant.name} has no directory in Rollcall`, {
		status: 409,
		hint: 'its mode is relay: its users and groups are in the SCIM server behind the relay',
	})
}
