import { useEffect, useRef, useState } from 'preact/hooks'
import type { ActionForm, FieldValues, WriteAccess } from '../../answers/actions.ts'
import { sentence } from '../parts/states.tsx'
import type { OpenedAction, PageActions } from './action-button.tsx'
import { Field, filled, labelOf, Question } from './fields.tsx'
import { ActionResult } from './result.tsx'
import { type ActionView, actionPath, isBusy, useAction } from './use-action.ts'

type ActionDialogProps = {
	readonly actions: PageActions
	readonly action: OpenedAction
	readonly onClose: () => void
}

/** The form of an action, how far the action is, and how it ended. */
export function ActionDialog({ actions, action, onClose }: ActionDialogProps) {
	const dialog = useRef<HTMLDialogElement>(null)
	useEffect(() => dialog.current?.showModal(), [])
	const form = actions.forms.find(({ words }) => words === action.words)
	return (
		<dialog ref={dialog} onClose={onClose} aria-labelledby="action-title">
			{form !== undefined && (
				<ActionDialogForm actions={actions} action={action} form={form} close={() => dialog.current?.close()} />
			)}
		</dialog>
	)
}

type FormProps = Omit<ActionDialogProps, 'onClose'> & { readonly form: ActionForm; readonly close: () => void }

function ActionDialogForm({ actions, action, form, close }: FormProps) {
	const { label, known = {}, initial = {}, fields } = action
	const [values, setValues] = useState<FieldValues>(initial)
	const [answer, setAnswer] = useState('')
	const { view, run } = useAction(actions.onEnd)
	const missing = missingRoles(form, actions.access)
	const isOver = isDone(view)
	const submit = (event: Event): void => {
		event.preventDefault()
		const given = form.words === 'tenant set' ? values : filled(values)
		const answered = form.question === undefined ? {} : { answer }
		run(actionPath(actions.tenant, form.words), { ...given, ...known, ...answered })
	}
	const asked = form.fields.filter(({ name }) => !(name in known) && (fields === undefined || fields.includes(name)))
	return (
		<form onSubmit={submit}>
			<h2 id="action-title" class="dialog-title">
				{label}
			</h2>
			<p>{sentence(form.summary)}</p>
			<Known values={known} />
			{!isOver &&
				asked.map((field) => (
					<Field
						key={field.name}
						field={field}
						form="action"
						value={values[field.name]}
						onChange={(value) => setValues((before) => ({ ...before, [field.name]: value }))}
					/>
				))}
			{!isOver && form.question !== undefined && (
				<Question question={form.question} value={answer} onChange={setAnswer} />
			)}
			<ActionResult view={view} />
			<MissingRoles missing={missing} />
			<p class="buttons">
				{!isOver && (
					<button type="submit" class="main" disabled={isBusy(view) || missing.length > 0}>
						{label}
					</button>
				)}
				<button type="button" onClick={close}>
					{isOver || isBusy(view) ? 'Close' : 'Cancel'}
				</button>
			</p>
		</form>
	)
}

const Known = ({ values }: { readonly values: FieldValues }) => (
	<>
		{Object.entries(values).map(([name, value]) => (
			<p key={name}>
				{labelOf(name)} <code>{String(value)}</code>
			</p>
		))}
	</>
)

const isDone = (view: ActionView): boolean => view !== 'idle' && view !== 'starting' && view.state === 'done'

/** The sentences about the roles that an action needs and the operator lacks. */
export const missingRoles = ({ needs }: Pick<ActionForm, 'needs'>, access: WriteAccess): readonly string[] =>
	needs.flatMap((need) => access[need] ?? [])

export const MissingRoles = ({ missing }: { readonly missing: readonly string[] }) => (
	<>
		{missing.map((role) => (
			<p class="warn" key={role}>
				{sentence(role)}
			</p>
		))}
	</>
)
