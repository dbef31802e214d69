import type { ComponentChildren } from 'preact'
import type { Problem } from '../api.ts'
import type { Answered } from '../use-answer.ts'
import { WithDocs } from './with-docs.tsx'

/** What went wrong, and what helps. */
export function ProblemNotice({ problem }: { readonly problem: Problem }) {
	return (
		<div class="notice problem" role="alert">
			<p>
				<WithDocs text={sentence(problem.error)} />
			</p>
			{problem.hint !== undefined && problem.hint !== '' && (
				<p class="hint">
					<WithDocs text={sentence(problem.hint)} />
				</p>
			)}
		</div>
	)
}

/** A page or a list that has nothing to show yet: it says why, and what to do. */
export function EmptyNotice({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
	return (
		<div class="notice empty">
			<p class="title">{title}</p>
			{children}
		</div>
	)
}

/**
 * Shows an answer: grey lines until it is there, the problem if there is one, and the value. A value stays in view below a
 * problem of a later request.
 */
export function Loaded<T>({
	answer,
	show,
}: {
	readonly answer: Answered<T>
	readonly show: (value: T) => ComponentChildren
}) {
	const { value, problem } = answer
	return (
		<>
			{problem !== undefined && <ProblemNotice problem={problem} />}
			{value !== undefined ? show(value) : problem === undefined && <Loading />}
		</>
	)
}

export function Loading() {
	return (
		<div class="loading" aria-busy="true">
			<span class="unseen">Loading</span>
		</div>
	)
}

/** What a hint begins with if it is a command to copy, which stays as it is. */
const commandStart = /^(rollcall|node|npm|npx|az) \S/

/** @example sentence('the session has ended') // 'The session has ended.' */
export function sentence(text: string): string {
	if (commandStart.test(text)) return text
	const closed = /[.!?]$/.test(text) ? text : `${text}.`
	return `${closed.charAt(0).toUpperCase()}${closed.slice(1)}`
}
