import { setImmediate } from 'node:timers/promises'
import { app, type HttpHandler } from '@azure/functions'
import type { RequestEvent } from './respond.ts'
import { routes } from './routes.ts'
import { parseSettings } from './settings.ts'
import { sweepEvery } from './sweep.ts'

const settings = parseSettings(process.env)

// The host waits for the triggers alone, and registers them while the rest of the app loads.
const serving = setImmediate()
	.then(() => import('./serve.ts'))
	.then(({ serve }) => serve(settings))
// A failure is for the requests to tell: the worker would end of one that nobody waits for.
serving.catch(() => undefined)

/** Every trigger answers by the same route table; which of them the host has chosen only names the invocation. */
const handler: HttpHandler = async (request, context) => {
	const { respond } = await serving
	return respond(request, context.invocationId, (event) => log(event, context))
}

type Logger = { log(...args: unknown[]): void; error(...args: unknown[]): void }

function log({ error, ...event }: RequestEvent, logger: Logger): void {
	logger.log(JSON.stringify(event))
	if (error !== undefined) logger.error(error)
}

app.timer('sweep', {
	schedule: `0 */${sweepEvery / 60_000} * * * *`,
	handler: async (_, context) => {
		const { sweep } = await serving
		await sweep(({ errors, ...event }) => {
			context.log(JSON.stringify(event))
			for (const error of errors) context.error(error)
		})
	},
})

// The host answers 404 for a method that is not listed, so all are that a request can be made of, and 405 is ours to say.
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

for (const { name, path } of routes) {
	app.http(name, {
		methods: [...methods],
		authLevel: 'anonymous',
		route: `scim/{tenant}/${path}`.replace(/\/$/, ''),
		handler,
	})
}

// Its name sorts last, so it is tried last: unknown paths, and doubled slashes, which no other route fits.
app.http('wildcard', { methods: [...methods], authLevel: 'anonymous', route: '{*path}', handler })
