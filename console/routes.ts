import { aboutRoutes } from './about.ts'
import { accessRoutes } from './access.ts'
import { actionRoutes } from './actions.ts'
import { activityRoutes } from './activity.ts'
import { connectRoutes } from './connect.ts'
import { credentialRoutes } from './credentials.ts'
import { docRoutes } from './docs.ts'
import { failureRoutes } from './failures.ts'
import { lookupRoutes } from './lookup.ts'
import { relayRoutes } from './relay.ts'
import type { ConsoleRoute } from './route.ts'
import { safetyRoutes } from './safety.ts'
import { schemaRoutes } from './schema.ts'
import { tenantRoutes } from './tenants.ts'
import { undoChangeRoutes } from './undo-change.ts'

/** Every endpoint of the console's API, but for those that begin a session. */
export const consoleRoutes: readonly ConsoleRoute[] = [
	...aboutRoutes,
	...tenantRoutes,
	...connectRoutes,
	...accessRoutes,
	...actionRoutes,
	...activityRoutes,
	...credentialRoutes,
	...docRoutes,
	...failureRoutes,
	...lookupRoutes,
	...relayRoutes,
	...safetyRoutes,
	...schemaRoutes,
	...undoChangeRoutes,
]
