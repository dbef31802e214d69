import { forgetSession, keepSession, sessionKey } from './session.ts'

/** An answer that is not a success. `status` is 0 if the console did not answer. */
export type Problem = { readonly status: number; readonly error: string; readonly hint?: string }

/** The answer of the server, or what went wrong. */
export type ApiOutcome<T> = { readonly value: T } | { readonly problem: Problem }

type ApiQuestion = {
	readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
	readonly body?: unknown
	/** Whether a timer of the page asks. Such a request does not keep the session open. */
	readonly byTimer?: boolean
	readonly signal?: AbortSignal
}

/** What calls `onSessionEnd` sets: the page has no session any more. */
let sessionEnded: (problem: Problem) => void = () => {}

export function onSessionEnd(listener: (problem: Problem) => void): void {
	sessionEnded = listener
}

/**
 * Asks the console's API.
 *
 * @param path below `/console/api`, such as `/tenants`
 * @throws DOMException AbortError if the signal is aborted
 */
export async function ask<T>(path: string, question: ApiQuestion = {}): Promise<ApiOutcome<T>> {
	const { method = 'GET', body, byTimer = false, signal } = question
	const outcome = await exchange<T>(`/console/api${path}`, {
		method,
		headers: {
			Authorization: `Bearer ${sessionKey() ?? ''}`,
			...(body !== undefined && { 'Content-Type': 'application/json' }),
			...(byTimer && { 'Rollcall-Timer': 'yes' }),
		},
		...(body !== undefined && { body: JSON.stringify(body) }),
		...(signal !== undefined && { signal }),
	})
	if ('problem' in outcome && outcome.problem.status === 401) {
		forgetSession()
		sessionEnded(outcome.problem)
	}
	return outcome
}

/** Exchanges the key of a link for a session. */
export async function openSession(linkKey: string): Promise<ApiOutcome<unknown>> {
	const outcome = await exchange<{ readonly session: string }>('/console/session', {
		method: 'POST',
		headers: { Authorization: `Link ${linkKey}` },
	})
	if ('value' in outcome) keepSession(outcome.value.session)
	return outcome
}

async function exchange<T>(url: string, init: RequestInit): Promise<ApiOutcome<T>> {
	try {
		const response = await fetch(url, init)
		// sound: the console answers with JSON of this shape alone
		const value = (response.status === 204 ? undefined : await response.json()) as T & Omit<Problem, 'status'>
		return response.ok ? { value } : { problem: { ...value, status: response.status } }
	} catch (error) {
		if (error instanceof DOMException && error.name === 'AbortError') throw error
		return { problem: { status: 0, error: 'the console does not answer', hint: 'is its process still running?' } }
	}
}
