import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelinePolicy } from '@azure/core-rest-pipeline'
import { serviceError } from '../shared/storage/table/batch.ts'
import type { Send } from '../shared/storage/table/tables.ts'

/** Sends requests again that Azure refuses for want of a role. */
export type RetryPolicy = {
	readonly tables: (send: Send) => Send
	readonly vault: PipelinePolicy
}

const pauses = 10
const pauseSeconds = 30

/**
 * Waits for five minutes in all: so long may a role assignment take until it has reached every server, and the first
 * thing after a deployment is to add a tenant.
 *
 * @param say is told what is waited for
 */
export function newRoleRetries(
	say: (text: string) => void,
	wait: (milliseconds: number) => Promise<unknown> = sleep,
): RetryPolicy {
	let waited = 0
	const patiently = async <T>(send: () => Promise<T>, isRefused: (answer: T) => boolean): Promise<T> => {
		for (;;) {
			const answer = await send()
			if (waited === pauses || !isRefused(answer)) return answer
			waited++
			say(`A new role takes some minutes to work; trying again in ${pauseSeconds} seconds (${waited} of ${pauses}).\n`)
			await wait(pauseSeconds * 1000)
		}
	}
	return {
		// What else is refused, such as an address that the firewall does not know, no waiting helps. A transaction that is
		// refused may say so inside an answer of 202.
		tables: (send) => (request) =>
			patiently(
				() => send(request),
				({ text }) => serviceError(403, text).code === 'AuthorizationPermissionMismatch',
			),
		vault: {
			name: 'newRole',
			sendRequest: (request, next) =>
				patiently(
					() => next(request),
					({ status, bodyAsText }) => status === 403 && bodyAsText?.includes('"ForbiddenByRbac"') === true,
				),
		},
	}
}
