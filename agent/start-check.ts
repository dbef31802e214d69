import { briefly } from './log.ts'
import type { OriginFailure } from './origin-answer.ts'
import type { RelayTime } from './relay-time.ts'

type StartCheckOptions = {
	readonly relayTime: RelayTime
	/** Time of the relay until which the write may be sent to the SCIM server, in milliseconds since 1970. */
	readonly expires: number
	/** Aborted when the sender has disconnected, if the agent can know. */
	readonly signal: AbortSignal | undefined
	/** Called if the write may have been sent after it had expired. */
	readonly late: (detail: string) => void
}

/** Checks before a write is sent, and looks back after it was sent. */
export type StartCheck = {
	/** Why the write must not be sent, or undefined. The caller must send it in the same turn of the event loop. */
	before(): Promise<OriginFailure | undefined>
	after(): void
}

/** Date has whole seconds. */
const precision = 1000

/**
 * An agent that was paused does not know for how long: in a paused virtual machine, every clock may have stood still. Its
 * write may have been given up, and a newer one carried out by another agent. So the agent asks the relay for the time
 * after it has read the request, and sends the write only if it has not expired.
 */
export function startCheck({ relayTime, expires, signal, late }: StartCheckOptions): StartCheck {
	return {
		before: async () => {
			try {
				const { date, age } = await relayTime()
				if (signal?.aborted) return { fault: 'expired', detail: 'the sender has disconnected' }
				const rest = expires - date - precision - age()
				return rest > 0 ? undefined : { fault: 'expired', detail: 'the sender no longer waits for the write' }
			} catch (error) {
				return { fault: 'not_confirmed', detail: `the relay did not tell its time: ${briefly(error)}` }
			}
		},
		// A pause between the answer of the relay and the write is not noticed before. It is noticed now.
		after: () =>
			void relayTime().then(
				({ date }) => date >= expires && late(`sent up to ${date - expires} ms too late`),
				(error: unknown) => late(`the relay did not tell its time: ${briefly(error)}`),
			),
	}
}
