import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { ActionForms, WriteAccess } from '../../answers/actions.ts'
import { useAnswer } from '../use-answer.ts'
import type { OpenedAction, PageActions } from './action-button.tsx'
import { ActionDialog } from './action-dialog.tsx'
import { RunningActions } from './running-actions.tsx'

/**
 * The actions of a page of a tenant, and the dialog and the running actions to show in the page. There are no buttons until
 * the server has told the actions. The dialog belongs to the page: an action may remove the row whose button has opened it.
 */
export function usePageActions(
	tenant: string,
	page: string,
	onEnd: () => void,
): { readonly actions: PageActions; readonly dialog: ComponentChildren } {
	const { value: known } = useAnswer<ActionForms>(`/tenants/${encodeURIComponent(tenant)}/forms/${page}`)
	const { value: access = {} } = useAnswer<WriteAccess>('/access')
	const [opened, setOpened] = useState<OpenedAction>()
	const actions = { tenant, forms: known?.forms ?? [], access, onEnd, open: setOpened }
	const close = (): void => {
		setOpened(undefined)
		// An action that still runs may have changed something already.
		onEnd()
	}
	const dialog = opened ? (
		<ActionDialog actions={actions} action={opened} onClose={close} />
	) : (
		<RunningActions tenant={tenant} />
	)
	return { actions, dialog }
}
