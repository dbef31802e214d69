import type { ConsoleRoute } from './route.ts'
import { tenantRoutes } from './tenants.ts'

/** Every endpoint of the console's API, but for the exchange of a link for a session. */
export const consoleRoutes: readonly ConsoleRoute[] = [...tenantRoutes]
