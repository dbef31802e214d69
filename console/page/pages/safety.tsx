import { useState } from 'preact/hooks'
import type { AdministratorsDeed, GuardNumbers, TenantSafety } from '../../answers/safety.ts'
import { ActionButton, type PageActions } from '../actions/action-button.tsx'
import { UndoForm } from '../actions/undo-form.tsx'
import { usePageActions } from '../actions/use-page-actions.tsx'
import { EmptyNotice, Loaded } from '../parts/states.tsx'
import { numberColumn, Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useAnswer } from '../use-answer.ts'

/** The guard against mass deletion, undo, export and import, erasure, and what administrators did. */
export function SafetyPage({ tenant }: { readonly tenant: string }) {
	const answer = useAnswer<TenantSafety>(`/tenants/${encodeURIComponent(tenant)}/safety`, { every: 30 })
	const { actions, dialog } = usePageActions(tenant, 'safety', answer.refresh)
	return (
		<>
			<h1>Safety</h1>
			{dialog}
			<Loaded answer={answer} show={(safety) => <Everything safety={safety} actions={actions} />} />
		</>
	)
}

function Everything({ safety, actions }: { readonly safety: TenantSafety; readonly actions: PageActions }) {
	const { guard, guardLine, administration, exportFile } = safety
	return (
		<>
			<h2>Guard against mass deletion</h2>
			{guard === undefined ? (
				<EmptyNotice title="The people of this tenant are in the SCIM server behind the relay, which the guard does not see." />
			) : (
				<>
					<Guard guard={guard} line={guardLine} />
					<p class="buttons">
						<ActionButton
							actions={actions}
							words="guard allow"
							label="Allow all deletions for a while"
							initial={{ for: '2h' }}
						/>
					</p>
				</>
			)}
			<h2>Undo</h2>
			<UndoForm actions={actions} />
			<h2>Export and import</h2>
			{guard === undefined ? (
				<EmptyNotice title="The users and groups of this tenant are in the SCIM server behind the relay." />
			) : (
				<p class="buttons">
					<ActionButton actions={actions} words="export" label="Export" initial={{ out: exportFile }} />
					<ActionButton actions={actions} words="import" label="Import" />
				</p>
			)}
			<h2>What cannot be undone</h2>
			<p class="buttons">
				<ErasePerson actions={actions} />
				<ActionButton
					actions={actions}
					words="tenant remove"
					label="Remove the tenant"
					initial={guard === undefined ? {} : { out: exportFile }}
				/>
			</p>
			<h2>What administrators did in the last 90 days</h2>
			<Administration deeds={administration} />
		</>
	)
}

/** The name of a person is typed each time, and not remembered. */
const ErasePerson = ({ actions }: { readonly actions: PageActions }) => (
	<ActionButton actions={actions} words="erase" label="Take a person out of the ledger" />
)

function Guard({ guard, line }: { readonly guard: GuardNumbers; readonly line: string }) {
	const rows = [
		['People deleted', guard.deletedPeople, guard.allowedPeople],
		['People deactivated', guard.deactivatedPeople, guard.allowedPeople],
		['Groups deleted', guard.deletedGroups, guard.allowedGroups],
	] as const
	return (
		<>
			<p class={guard.isBeyond ? 'bad' : 'under-title'}>
				{guard.isBeyond ? line : `The guard is set to ${guard.setting}.`}
				{guard.allowedUntil !== undefined && (
					<>
						{' '}
						It allows all deletions, and ends that <Time at={guard.allowedUntil} />.
					</>
				)}
			</p>
			<Table columns={['In the last hour', numberColumn('Happened'), numberColumn('Allowed')]}>
				{rows.map(([what, count, allowed]) => (
					<tr key={what}>
						<th scope="row">{what}</th>
						<td class={count > allowed ? 'number bad' : 'number'}>{count.toLocaleString('en')}</td>
						<td class="number">{allowed.toLocaleString('en')}</td>
					</tr>
				))}
			</Table>
		</>
	)
}

const firstShown = 10

function Administration({ deeds }: { readonly deeds: readonly AdministratorsDeed[] }) {
	const [isWhole, setWhole] = useState(false)
	if (deeds.length === 0) return <EmptyNotice title="No command has changed this tenant in this time." />
	return (
		<>
			<Table columns={['Time', 'Command', 'By', 'Outcome']}>
				{deeds
					.slice(0, isWhole ? deeds.length : firstShown)
					.map(({ id, time, command, name, administrator, outcome }) => (
						<tr key={id}>
							<td>
								<Time at={time} />
							</td>
							<td>{command}</td>
							<td title={administrator}>{name}</td>
							<td class={outcome === 'done' ? undefined : 'warn'}>
								{outcome === 'begun' ? 'interrupted, or still at work' : outcome}
							</td>
						</tr>
					))}
			</Table>
			{!isWhole && deeds.length > firstShown && (
				<p class="buttons">
					<button type="button" onClick={() => setWhole(true)}>
						Show all {deeds.length}
					</button>
				</p>
			)}
		</>
	)
}
