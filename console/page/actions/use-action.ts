import { useEffect, useRef, useState } from 'preact/hooks'
import type { ActionState, FieldValues } from '../../answers/actions.ts'
import { type ApiOutcome, ask, type Problem } from '../api.ts'
import { announce } from '../parts/live-region.tsx'

/** What a form shows of its action. */
export type ActionView = 'idle' | 'starting' | ActionState | { readonly state: 'lost'; readonly problem: Problem }

export type RunningAction = {
	readonly view: ActionView
	/** Starts the action, or another one of the same form. */
	readonly run: (path: string, fields: FieldValues) => void
	readonly reset: () => void
}

/** Milliseconds between two looks at an action. The server waits a while for its end too. */
const pause = 250

/** Runs an action, and follows it until it ends. An action goes on if the page is left. */
export function useAction(onEnd: () => void = () => {}): RunningAction {
	const [view, setView] = useState<ActionView>('idle')
	const isLeft = useRef(false)
	useEffect(() => {
		isLeft.current = false
		return () => {
			isLeft.current = true
		}
	}, [])
	const follow = async (first: ApiOutcome<ActionState>): Promise<void> => {
		for (let outcome = first; ; ) {
			if (isLeft.current) return
			if ('problem' in outcome) return setView({ state: 'lost', problem: outcome.problem })
			const { value } = outcome
			setView(value)
			if (value.state !== 'running') return ended(value, onEnd)
			await new Promise((resolve) => setTimeout(resolve, pause))
			outcome = await ask<ActionState>(`/actions/${value.id}`, { byTimer: true })
		}
	}
	return {
		view,
		run(path, fields) {
			setView('starting')
			void ask<ActionState>(path, { method: 'POST', body: { fields } }).then(follow)
		},
		reset: () => setView('idle'),
	}
}

function ended(state: ActionState, onEnd: () => void): void {
	if (state.state === 'refused') announce(`Refused: ${state.error}`)
	if (state.state === 'done') announce(state.isFailure ? 'Done, with problems.' : 'Done.')
	onEnd()
}

export const isBusy = (view: ActionView): boolean =>
	view === 'starting' || (view !== 'idle' && view.state === 'running')

/** @example actionPath('acme', 'token add') // '/tenants/acme/actions/token%20add' */
export const actionPath = (tenant: string, words: string): string =>
	`/tenants/${encodeURIComponent(tenant)}/actions/${encodeURIComponent(words)}`
