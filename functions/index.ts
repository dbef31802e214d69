import { app, type HttpHandler } from '@azure/functions'
import { type RequestEvent, type Respond, respondWith } from './respond.ts'
import { routes } from './routes.ts'
import { createServices, type Services } from './services.ts'
import { parseSettings } from './settings.ts'
import { sweepAll, sweepEvery } from './sweep.ts'

const settings = parseSettings(process.env)

let serving: Promise<Services> | undefined
let responding: Promise<Respond> | undefined

const services = (): Promise<Services> => {
	serving ??= createServices(settings)
	return serving
}

/** Every trigger answers by the same route table; which of them the host has chosen only names the invocation. */
const handler: HttpHandler = async (request, context) => {
	responding ??= services().then(respondWith)
	const respond = await responding
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
		await sweepAll(await services(), ({ errors, ...event }) => {
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
