import { aboutRoutes } from './about.ts'
import type { ConsoleRoute } from './route.ts'
import { tenantRoutes } from './tenants.ts'

/** Every endpoint of the console's API, but for those that begin a session. */
export const consoleRoutes: readonly ConsoleRoute[] = [...aboutRoutes, ...tenantRoutes]
