import { ScimError } from '../shared/scim/error.ts'
import type { Call, HealthCheck, ScimReply } from './call.ts'

/** Says that the app runs, and nothing else. It is for probes without a token. */
export const alive: ScimReply = { status: 200, body: { status: 'ok' } }

/** `GET /health` of a tenant: 200 if all services that its requests need work, otherwise 503. */
export async function health({ checks }: Call): Promise<ScimReply> {
	const results = await checks()
	const isOk = results.every(({ status }) => status === 'ok')
	return { status: isOk ? 200 : 503, body: { status: isOk ? 'ok' : 'failing', checks: results } }
}

/**
 * Runs and times a check. The answer quotes only a ScimError. The text of any other error is left out, because it may name
 * secrets.
 */
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
