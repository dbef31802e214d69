import { ScimError } from '../shared/scim/error.ts'
import type { Call, HealthCheck, ScimReply } from './call.ts'

/** Says that the app runs, and nothing else: for probes that have no token. */
export const alive: ScimReply = { status: 200, body: { status: 'ok' } }

/** `GET /health` below a tenant: 200 when everything that its requests need works, 503 when something does not. */
export async function health({ checks }: Call): Promise<ScimReply> {
	const done = await checks()
	const isOk = done.every(({ status }) => status === 'ok')
	return { status: isOk ? 200 : 503, body: { status: isOk ? 'ok' : 'failing', checks: done } }
}

/** Times a check. What a ScimError says may be told; of any other error only that there was one, since it may name secrets. */
export async function check(
	name: HealthCheck['name'],
	run: () => Promise<unknown>,
	now: () => number,
): Promise<HealthCheck> {
	const started = now()
	const failing = await run().then(
		() => undefined,
		(error: unknown) => ({ detail: error instanceof ScimError ? error.message : `the ${name} cannot be reached` }),
	)
	const milliseconds = now() - started
	return failing === undefined
		? { name, status: 'ok', milliseconds }
		: { name, status: 'failing', milliseconds, ...failing }
}
