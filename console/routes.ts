import { activityRoutes } from './activity.ts'
import { failureRoutes } from './failures.ts'
import { lookupRoutes } from './lookup.ts'
import type { ConsoleRoute } from './route.ts'
import { tenantRoutes } from './tenants.ts'
import { undoChangeRoutes } from './undo-change.ts'

/** Every endpoint of the console's API, but for the exchange of a link for a session. */
export const consoleRoutes: readonly ConsoleRoute[] = [
	...tenantRoutes,
	...activityRoutes,
	...failureRoutes,
	...lookupRoutes,
	...undoChangeRoutes,
]
