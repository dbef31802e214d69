import { aboutRoutes } from './about.ts'
import { activityRoutes } from './activity.ts'
import { connectRoutes } from './connect.ts'
import { failureRoutes } from './failures.ts'
import { lookupRoutes } from './lookup.ts'
import type { ConsoleRoute } from './route.ts'
import { tenantRoutes } from './tenants.ts'
import { undoChangeRoutes } from './undo-change.ts'

/** Every endpoint of the console's API, but for those that begin a session. */
export const consoleRoutes: readonly ConsoleRoute[] = [
	...aboutRoutes,
	...tenantRoutes,
	...connectRoutes,
	...activityRoutes,
	...failureRoutes,
	...lookupRoutes,
	...undoChangeRoutes,
]
