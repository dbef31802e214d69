import { ScimError, unavailable } from '../shared/scim/error.ts'
import type { Call, HealthCheck, ScimReply } from './call.ts'
import { type Timer, within } from './timer.ts'

/** Says that the app runs, and nothing else. It is for probes without a token. */
export const alive: ScimReply = { status: 200, body: { status: 'ok' } }

/** `GET /health` of a tenant: 200 if all services that its requests need work, otherwise 503. */
export async function health({ checks }: Call): Promise<ScimReply> {
	const results = await checks()
	const isOk = results.every(({ status }) => status === 'ok')
	if (isOk) return { status: 200, body: { status: 'ok', checks: results } }
	const headers = { 'Retry-After': String(rememberFor / 1000) }
	return { status: 503, headers, body: { status: 'failing', checks: results } }
}

/** Milliseconds after which a check fails. */
const longestCheck = 10_000

/** For this time, in milliseconds, the services are not asked again. */
const rememberFor = 10_000

/**
 * Runs and times a check. The answer quotes only a ScimError. The text of any other error is left out, because it may name
 * secrets.
 */
export async function check(
	name: HealthCheck['name'],
	run: () => Promise<unknown>,
	{ now, timer }: { readonly now: () => number; readonly timer: Timer },
): Promise<HealthCheck> {
	const started = now()
	const late = () => unavailable(`the ${name} did not answer within ${longestCheck / 1000} seconds`, 1)
	const failing = await within(run(), { milliseconds: longestCheck, timer, late }).then(
		() => undefined,
		(error: unknown) => ({ detail: error instanceof ScimError ? error.message : `the ${name} cannot be reached` }),
	)
	const milliseconds = now() - started
	return failing === undefined
		? { name, status: 'ok', milliseconds }
		: { name, status: 'failing', milliseconds, ...failing }
}

type RememberedChecks = { readonly checks: Promise<readonly HealthCheck[]>; until: number }

/**
 * Remembers the checks of each tenant for ten seconds after their end. Callers that ask meanwhile get the same answer, so
 * a probe that asks often costs storage, vault and relay no more than one that asks every ten seconds.
 */
export function rememberChecks<T extends { readonly name: string }, A extends readonly unknown[]>(
	run: (tenant: T, ...rest: A) => Promise<readonly HealthCheck[]>,
	now: () => number,
): typeof run {
	const remembered = new Map<string, RememberedChecks>()
	return (tenant, ...rest) => {
		const known = remembered.get(tenant.name)
		if (known !== undefined && now() < known.until) return known.checks
		const checks = run(tenant, ...rest)
		const entry: RememberedChecks = { checks, until: Number.POSITIVE_INFINITY }
		remembered.set(tenant.name, entry)
		const end = () => {
			entry.until = now() + rememberFor
		}
		checks.then(end, end)
		return checks
	}
}
