import type { ActionForm, FieldValues, WriteAccess } from '../../answers/actions.ts'

/** What the page knows of an action before its form is open. */
export type OpenedAction = {
	/** The words of the command. */
	readonly words: string
	/** What the button says. */
	readonly label: string
	/** Fields whose values the page knows. The form shows them and does not ask. */
	readonly known?: FieldValues
	/** Values that the form begins with. */
	readonly initial?: FieldValues
	/** The only fields of the form, if it has fewer than the command. */
	readonly fields?: readonly string[]
}

/** The actions of a page, and what the operator may not write. */
export type PageActions = {
	readonly tenant: string
	readonly forms: readonly ActionForm[]
	readonly access: WriteAccess
	/** Called when an action has ended, so that the page is read again. */
	readonly onEnd: () => void
	/** Opens the form of an action. */
	readonly open: (action: OpenedAction) => void
}

type ActionButtonProps = OpenedAction & {
	readonly actions: PageActions
	/** What tells the button from others with the same label, such as the name of a token. */
	readonly of?: string
}

/** A button that opens the form of an action. Nothing is shown if the tenant does not have the action. */
export function ActionButton({ actions, of, ...action }: ActionButtonProps) {
	const { words, label } = action
	if (!actions.forms.some((each) => each.words === words)) return null
	return (
		<button
			type="button"
			onClick={() => actions.open(action)}
			aria-label={of === undefined ? undefined : `${label} ${of}`}
		>
			{label}
		</button>
	)
}
