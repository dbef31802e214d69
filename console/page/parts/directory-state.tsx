import type { ComponentChildren } from 'preact'
import type { Problem } from '../api.ts'
import type { Answered } from '../use-answer.ts'
import { EmptyNotice, Loaded, ProblemNotice } from './states.tsx'

/** Shows an answer about a directory. A tenant behind a relay has none, and the page says so. */
export function DirectoryLoaded<T>({
	answer,
	show,
}: {
	readonly answer: Answered<T>
	readonly show: (value: T) => ComponentChildren
}) {
	return isWithoutDirectory(answer.problem) ? <NoDirectory /> : <Loaded answer={answer} show={show} />
}

/** Why there is no answer about a directory. */
export function DirectoryProblem({ problem }: { readonly problem: Problem }) {
	return isWithoutDirectory(problem) ? <NoDirectory /> : <ProblemNotice problem={problem} />
}

const isWithoutDirectory = (problem: Problem | undefined): boolean =>
	problem?.status === 409 && problem.error.endsWith('has no directory in Rollcall')

/** Why a tenant behind a relay has no people and groups here. */
export function NoDirectory() {
	return (
		<EmptyNotice title="The people and groups of this tenant are not here.">
			<p>
				Its mode is relay: they are in the SCIM server behind the relay. Failures, credentials and relay have pages.
			</p>
		</EmptyNotice>
	)
}
