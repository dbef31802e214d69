import { listedIndexes } from '../cli/index-commands.ts'
import { undeclaredPaths } from '../cli/observed.ts'
import { defaultsOf } from '../cli/setting-options.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import { typeNameOf } from '../shared/scim/own-schema.ts'
import { schemasOf } from '../shared/tenants/resource-types.ts'
import { settingsFor } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError } from './answer.ts'
import type { ShownIndex, ShownSettings, TenantSchema } from './answers/schema.ts'
import { tenantRoute } from './route.ts'

/** The page of the schema and of the settings. */
export const schemaRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/schema',
		handle: ({ tenant }, { target }) => schemaOf(target, tenant),
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/settings',
		handle: async ({ tenant }) => shownSettings(tenant),
	}),
]

async function schemaOf(target: DeploymentTarget, tenant: Tenant): Promise<TenantSchema> {
	if (tenant.mode === 'relay')
		throw new ConsoleError(`the SCIM server behind the relay has the schemas of ${tenant.name}`, { status: 409 })
	const [observed, indexes] = await Promise.all([undeclaredPaths(target, tenant), listedIndexes(target, tenant)])
	return {
		schemas: schemasOf(tenant).map((schema) => ({
			id: schema.id,
			attributes: schema.attributes,
			resourceType: typeNameOf(schema),
		})),
		observed,
		indexes: indexes.map(shownIndex),
	}
}

const shownIndex = ({ json, state, shared }: Awaited<ReturnType<typeof listedIndexes>>[number]): ShownIndex => ({
	path: json.path,
	isUnique: json.unique,
	state,
	...('users' in json && { filled: (json.users ?? 0) / Math.max(json.total ?? 1, 1) }),
	shared: shared.count,
})

function shownSettings(tenant: Tenant): ShownSettings {
	const defaults = defaultsOf(tenant)
	return {
		settings: settingsFor(tenant.mode).map(([name, { option, help, values }]) => ({
			option,
			help,
			...(name in tenant.settings && { value: String(tenant.settings[name]) }),
			...(name in defaults && { byDefault: String(defaults[name]) }),
			choices: values.includes('|') ? values.split('|') : [],
			placeholder: values,
		})),
	}
}
