import * as z from 'zod'
import { agentSettings } from '../cli/agent-settings.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import { addedTenant, countsOf, newTenantName } from '../cli/tenant.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { Connection, NewTenant, SampleAnswers } from './answers/connect.ts'
import { route, tenantRoute } from './route.ts'
import { sendSamples } from './samples.ts'

/** Adding a tenant, and what its identity provider needs. */
export const connectRoutes = [
	route({
		method: 'POST',
		path: '/tenants',
		command: 'tenant add',
		body: z.strictObject({ name: z.string(), mode: z.enum(['store', 'relay']) }),
		nameIn: ({ name }) => name,
		handle: async ({ body }, { target }): Promise<NewTenant> => {
			const name = newTenantName(body.name)
			const { token } = await addedTenant(target, { name, mode: body.mode, settings: {} })
			return { name, token }
		},
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/connection',
		handle: ({ tenant }, { target }) => connectionOf(target, tenant),
	}),
	tenantRoute({
		method: 'POST',
		path: '/tenants/{tenant}/samples',
		command: 'samples',
		body: z.strictObject({ token: z.string().optional() }),
		handle: async ({ tenant, body }, { target }): Promise<SampleAnswers> => ({
			answers: await sendSamples(target, tenant, body.token),
		}),
	}),
]

async function connectionOf(target: DeploymentTarget, tenant: Tenant): Promise<Connection> {
	const { name, mode } = tenant
	const url = target.urlOf(name)
	const [token] = (await target.shownTokens?.(name)) ?? []
	return {
		...{ name, mode, url },
		...(token !== undefined && { token }),
		isPublic: url.startsWith('https:'),
		isEmpty: mode === 'store' && (await isEmpty(target, tenant)),
		...(mode === 'relay' && { agentSettings: JSON.stringify(agentSettings(tenant, target.relay), null, 2) }),
	}
}

async function isEmpty(target: DeploymentTarget, tenant: Tenant): Promise<boolean> {
	const { users, groups } = await countsOf(target, tenant)
	return users + groups === 0
}
