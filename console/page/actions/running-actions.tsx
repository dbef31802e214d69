import { useState } from 'preact/hooks'
import type { ActionGlance, ActionGlances, ActionState } from '../../answers/actions.ts'
import { ask } from '../api.ts'
import { useAnswer } from '../use-answer.ts'
import { ActionResult, Progress } from './result.tsx'
import type { ActionView } from './use-action.ts'

/** The actions of a tenant that go on, or whose end no page has shown, such as an import whose dialog was closed. */
export function RunningActions({ tenant }: { readonly tenant: string }) {
	const { value } = useAnswer<ActionGlances>(`/actions?tenant=${encodeURIComponent(tenant)}`, { every: 3 })
	return (
		<>
			{value?.actions.map((action) => (
				<RunningAction key={action.id} action={action} />
			))}
		</>
	)
}

function RunningAction({ action: { id, words, isOver, done, progress } }: { readonly action: ActionGlance }) {
	const [view, setView] = useState<ActionView>('idle')
	const show = async (): Promise<void> => {
		const outcome = await ask<ActionState>(`/actions/${id}`)
		setView('problem' in outcome ? { state: 'lost', problem: outcome.problem } : outcome.value)
	}
	if (view !== 'idle') return <ActionResult view={view} />
	if (!isOver)
		return <Progress done={done} words={`${words}: ${progress === '' ? 'working …' : progress}`} notes={[]} />
	return (
		<div class="notice">
			<p class="buttons">
				The action {words} has ended.
				<button type="button" class="small" onClick={() => void show()}>
					Show how
				</button>
			</p>
		</div>
	)
}
