import { setImmediate } from 'node:timers/promises'
import { app, type HttpHandler } from '@azure/functions'
import { logRequest, logSweep } from './log.ts'
import { routes } from './routes.ts'
import { parseSettings } from './settings.ts'
import { sweepEvery } from './sweep.ts'

const settings = parseSettings(process.env)

// The host waits only for the triggers. It registers them while the rest of the app loads.
const serving = setImmediate()
	.then(() => import('./serve.ts'))
	.then(({ serve }) => serve(settings))
// Each request reports a failure. Without this line, a failure before the first request would end the worker.
serving.catch(() => undefined)

/** All triggers share one handler, which looks up the route itself. The trigger only names the invocation. */
const handler: HttpHandler = async (request, context) => {
	const { respond } = await serving
	return respond(request, context.invocationId, (event) => logRequest(event, context))
}

app.timer('sweep', {
	schedule: `0 */${sweepEvery / 60_000} * * * *`,
	handler: async (_, context) => {
		const { sweep } = await serving
		await sweep((event) => logSweep(event, context))
	},
})

// The host answers 404 to a method that is not listed. All possible methods are listed, so that we can answer 405.
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

for (const { name, path } of routes) {
	app.http(name, {
		methods: [...methods],
		authLevel: 'anonymous',
		route: `scim/{tenant}/${path}`.replace(/\/$/, ''),
		handler,
	})
}

app.http('oauthMetadata', {
	methods: [...methods],
	authLevel: 'anonymous',
	route: '.well-known/oauth-authorization-server/scim/{tenant}',
	handler,
})

// The host tries this trigger last, because its name sorts last. It takes unknown paths and doubled slashes.
app.http('wildcard', { methods: [...methods], authLevel: 'anonymous', route: '{*path}', handler })
