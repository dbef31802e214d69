import { listedClients, tokenEndpointOf } from '../cli/client.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import { tokensOf } from '../cli/token.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError, refusalOf } from './answer.ts'
import type { ShownCredentials, TokenValue } from './answers/credentials.ts'
import { tenantRoute } from './route.ts'

/** The page of credentials. */
export const credentialRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/credentials',
		handle: ({ tenant }, { target }) => credentialsOf(target, tenant),
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/tokens/{version}',
		handle: ({ tenant, params: { version } }, { target }) => shownToken(target, tenant, version),
	}),
]

async function credentialsOf(target: DeploymentTarget, tenant: Tenant): Promise<ShownCredentials> {
	const [tokens, clients] = await Promise.all([
		// An operator who may read only the tables still sees the clients.
		tokensOf(target, tenant).catch((error: unknown) => refusalOf(error).problem),
		listedClients(target, tenant),
	])
	return {
		url: target.urlOf(tenant.name),
		tokenEndpoint: tokenEndpointOf(target, tenant.name),
		tokens,
		clients,
		isOnThisMachine: target.tokens.value !== undefined,
	}
}

async function shownToken({ tokens }: DeploymentTarget, { name }: Tenant, version: string): Promise<TokenValue> {
	const token = await tokens.value?.(name, version)
	if (token !== undefined) return { token }
	throw new ConsoleError(`the token ${version} was shown when it was made, and only its digest is stored`, {
		status: 409,
		hint: 'rotate it',
	})
}
