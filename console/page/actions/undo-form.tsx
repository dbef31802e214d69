import { useState } from 'preact/hooks'
import type { ActionForm, FieldValues } from '../../answers/actions.ts'
import { EmptyNotice } from '../parts/states.tsx'
import type { PageActions } from './action-button.tsx'
import { MissingRoles, missingRoles } from './action-dialog.tsx'
import { Field, filled, Question } from './fields.tsx'
import { ActionResult } from './result.tsx'
import { actionPath, isBusy, useAction } from './use-action.ts'

const kinds = ['deletions', 'deactivations', 'memberships', 'attributes'] as const

/** Undo: first a preview, then the number of people who become active again. */
export function UndoForm({ actions, initial = {} }: { readonly actions: PageActions; readonly initial?: FieldValues }) {
	const form = actions.forms.find(({ words }) => words === 'undo')
	if (form === undefined) {
		return <EmptyNotice title="The changes of this tenant are made in the SCIM server behind the relay." />
	}
	return <Steps actions={actions} form={form} initial={initial} />
}

type StepsProps = { readonly actions: PageActions; readonly form: ActionForm; readonly initial: FieldValues }

function Steps({ actions, form, initial }: StepsProps) {
	const [values, setValues] = useState<FieldValues>({ since: '1h', ...initial })
	const [chosen, setChosen] = useState<readonly string[]>(['deletions'])
	const [answer, setAnswer] = useState('')
	const preview = useAction()
	const undo = useAction(actions.onEnd)
	const fields = { ...filled(values), ...(chosen.length > 0 && { only: chosen.join(',') }) }
	const change = (name: string, value: string | boolean): void => {
		// Another question needs another preview.
		preview.reset()
		undo.reset()
		setValues((before) => ({ ...before, [name]: value }))
	}
	const choose = (kind: string, isChosen: boolean): void => {
		preview.reset()
		undo.reset()
		setChosen((before) => kinds.filter((each) => (each === kind ? isChosen : before.includes(each))))
	}
	const isPlanned = preview.view !== 'idle' && preview.view !== 'starting' && preview.view.state === 'done'
	const isUndone = undo.view !== 'idle' && undo.view !== 'starting' && undo.view.state === 'done'
	const missing = missingRoles(form, actions.access)
	const path = `/tenants/${encodeURIComponent(actions.tenant)}/undo-preview`
	return (
		<>
			<form
				class="panel"
				aria-label="What to undo"
				onSubmit={(event) => {
					event.preventDefault()
					setAnswer('')
					undo.reset()
					preview.run(path, fields)
				}}
			>
				<fieldset class="choices">
					<legend>What to take back</legend>
					{kinds.map((kind) => (
						<label key={kind}>
							<input
								type="checkbox"
								checked={chosen.includes(kind)}
								onChange={(event) => choose(kind, event.currentTarget.checked)}
							/>{' '}
							{kind}
						</label>
					))}
				</fieldset>
				<div class="fields">
					{form.fields
						.filter(({ name }) => name !== 'only')
						.map((field) => (
							<Field
								key={field.name}
								field={field}
								form="undo"
								value={values[field.name]}
								onChange={(value) => change(field.name, value)}
							/>
						))}
				</div>
				<p class="buttons">
					<button type="submit" class="main" disabled={isBusy(preview.view)}>
						Preview
					</button>
				</p>
			</form>
			<ActionResult view={preview.view} />
			{isPlanned && !isUndone && (
				<form
					class="panel"
					aria-label="Undo"
					onSubmit={(event) => {
						event.preventDefault()
						undo.run(actionPath(actions.tenant, 'undo'), { ...fields, answer })
					}}
				>
					<Question question={form.question ?? ''} value={answer} onChange={setAnswer} />
					<MissingRoles missing={missing} />
					<p class="buttons">
						<button type="submit" class="main" disabled={isBusy(undo.view) || missing.length > 0}>
							Undo
						</button>
					</p>
				</form>
			)}
			<ActionResult view={undo.view} />
		</>
	)
}
