import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelinePolicy } from '@azure/core-rest-pipeline'
import { serviceError } from '../shared/storage/table/batch.ts'
import type { Send } from '../shared/storage/table/tables.ts'

/** Repeats requests that Azure refuses because a new role does not work yet. */
export type RetryPolicy = {
	readonly tables: (send: Send) => Send
	readonly vault: PipelinePolicy
}

const pauses = 10
const pauseSeconds = 30

/**
 * Retries while a new role does not work yet, for five minutes in all. A role assignment may take that long to reach every
 * server, and adding a tenant is the first step after a deployment.
 *
 * @param say prints what the command waits for
 */
export function newRoleRetries(
	say: (text: string) => void,
	wait: (milliseconds: number) => Promise<unknown> = sleep,
): RetryPolicy {
	let retries = 0
	const withRetries = async <T>(send: () => Promise<T>, isRefused: (answer: T) => boolean): Promise<T> => {
		for (;;) {
			const answer = await send()
			if (retries === pauses || !isRefused(answer)) return answer
			retries++
			say(
				`A new role takes a few minutes to work; trying again in ${pauseSeconds} seconds (${retries} of ${pauses}).\n`,
			)
			await wait(pauseSeconds * 1000)
		}
	}
	return {
		// Waiting helps only with a new role, and not with a firewall that refuses this address. A refused transaction may be an
		// answer of 202 that contains the error.
		tables: (send) => (request) =>
			withRetries(
				() => send(request),
				({ text }) => serviceError(403, text).code === 'AuthorizationPermissionMismatch',
			),
		vault: {
			name: 'newRole',
			sendRequest: (request, next) =>
				withRetries(
					() => next(request),
					({ status, bodyAsText }) => status === 403 && bodyAsText?.includes('"ForbiddenByRbac"') === true,
				),
		},
	}
}
