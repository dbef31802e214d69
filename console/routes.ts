import { accessRoutes } from './access.ts'
import { actionRoutes } from './actions.ts'
import { credentialRoutes } from './credentials.ts'
import { relayRoutes } from './relay.ts'
import type { ConsoleRoute } from './route.ts'
import { safetyRoutes } from './safety.ts'
import { schemaRoutes } from './schema.ts'
import { tenantRoutes } from './tenants.ts'

/** Every endpoint of the console's API, but for the exchange of a link for a session. */
export const consoleRoutes: readonly ConsoleRoute[] = [
	...tenantRoutes,
	...accessRoutes,
	...actionRoutes,
	...credentialRoutes,
	...relayRoutes,
	...safetyRoutes,
	...schemaRoutes,
]
