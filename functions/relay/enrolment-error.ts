import { type EnrolmentErrorCode, enrolmentErrors, maxAgents } from '../../shared/relay/enrolment.ts'

type EnrolmentErrorOptions = {
	readonly description?: string
	/** The time of the cloud in seconds since 1970, beside `clock_wrong`. */
	readonly time?: number
	/** Seconds after which the caller may try again, beside `try_again`. */
	readonly retryAfter?: number
	readonly cause?: unknown
}

/** A refusal of a request to enrol or to get a listen token. It has a body of its own, never that of SCIM. */
export class EnrolmentError extends Error {
	override readonly name = 'EnrolmentError'
	readonly code: EnrolmentErrorCode
	readonly status: number
	readonly time: number | undefined
	readonly retryAfter: number | undefined

	constructor(code: EnrolmentErrorCode, { description, time, retryAfter, cause }: EnrolmentErrorOptions = {}) {
		super(description ?? sentences[code], cause === undefined ? undefined : { cause })
		this.code = code
		this.status = enrolmentErrors[code]
		this.time = time
		this.retryAfter = retryAfter
	}
}

const sentences: Readonly<Record<EnrolmentErrorCode, string>> = {
	bad_request: 'the request cannot be read',
	enrolment_refused: 'the code is not one of this tenant',
	agent_refused: 'the agent or its key is not one of this tenant',
	clock_wrong: 'the clock of the machine and that of the cloud differ by more than five minutes',
	code_expired: 'the code has expired: ask for another one with rollcall agent add',
	code_used:
		'the code was used before, with another key. If that was not you, remove that agent with rollcall agent remove',
	agent_removed: 'an administrator has removed this agent',
	method_not_allowed: 'send a POST',
	too_many_agents: `the tenant has ${maxAgents} enrolled agents, and a hybrid connection takes no more. Remove one with rollcall agent remove`,
	try_again: 'something that the answer needs is away at the moment',
}
