import { useState } from 'preact/hooks'
import type { UndoDone, UndoPreview } from '../../answers/undo-change.ts'
import { ask, type Problem } from '../api.ts'
import { announce } from '../parts/live-region.tsx'
import { Loaded, ProblemNotice } from '../parts/states.tsx'
import { useAnswer } from '../use-answer.ts'

type UndoPanelParts = {
	readonly tenant: string
	readonly id: string
	readonly change: { readonly operation: string; readonly epoch: string }
	readonly onUndone: () => void
	readonly onClose: () => void
}

/** What taking back one change would do, and the button that does it. */
export function UndoPanel(parts: UndoPanelParts) {
	const { tenant, id, change } = parts
	const path = `/tenants/${tenant}/resources/${id}/undo`
	const answer = useAnswer<UndoPreview>(`${path}?${new URLSearchParams(change)}`)
	return (
		<div class="notice">
			<Loaded answer={answer} show={(preview) => <UndoForm {...parts} path={path} preview={preview} />} />
		</div>
	)
}

type UndoFormParts = UndoPanelParts & { readonly path: string; readonly preview: UndoPreview }

function UndoForm({ path, preview, change, onUndone, onClose }: UndoFormParts) {
	const [problem, setProblem] = useState<Problem>()
	const [isSending, setSending] = useState(false)
	const { activated, kinds, left, isPossible } = preview
	const undo = async (event: SubmitEvent): Promise<void> => {
		event.preventDefault()
		const form = event.currentTarget
		if (!(form instanceof HTMLFormElement)) return
		const typed = activated === 0 ? 0 : Number(new FormData(form).get('expected'))
		setSending(true)
		const outcome = await ask<UndoDone>(path, { method: 'POST', body: { ...change, expected: typed } })
		setSending(false)
		if ('problem' in outcome) return setProblem(outcome.problem)
		announce(outcome.value.text)
		onClose()
		onUndone()
	}
	return (
		<form onSubmit={undo}>
			{!isPossible && <p class="title">There is nothing to take back.</p>}
			{kinds.map(({ title, names }) => (
				<p key={title}>
					{title}: {names.join(', ')}
				</p>
			))}
			{left.map(({ name, reason }) => (
				<p key={`${name} ${reason}`} class="warn">
					{name}: {reason}
				</p>
			))}
			{isPossible && (
				<>
					<p class="hint">
						The identity provider does not know of this. Correct the cause there first: it may send the change again.
					</p>
					{activated > 0 && (
						<p>
							<label>
								People who become active again: {activated}. Type the number to continue{' '}
								<input name="expected" type="number" min="0" required autocomplete="off" />
							</label>
						</p>
					)}
				</>
			)}
			{problem !== undefined && <ProblemNotice problem={problem} />}
			<p>
				{isPossible && (
					<button type="submit" class="main" disabled={isSending}>
						Take the change back
					</button>
				)}{' '}
				<button type="button" onClick={onClose}>
					Close
				</button>
			</p>
		</form>
	)
}
