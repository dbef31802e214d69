import { useState } from 'preact/hooks'
import type { TimelineAnswer, TimelineLine } from '../../answers/lookup.ts'
import { ask, type Problem } from '../api.ts'
import { ResourceLink } from '../parts/resource-link.tsx'
import { EmptyNotice, Loaded, ProblemNotice } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useAnswer } from '../use-answer.ts'
import { ChangedMembers } from './changed-members.tsx'
import { UndoPanel } from './undo-panel.tsx'

type TimelineSubject = {
	readonly tenant: string
	readonly id: string
	/** The version of the resource now; empty if it is deleted. */
	readonly version: string
	/** Called when a change was taken back. */
	readonly onUndone: () => void
}

/** What happened to a person or group, the newest first, and what was refused. */
export function Timeline({ tenant, id, version, onUndone }: TimelineSubject) {
	const answer = useAnswer<TimelineAnswer>(`/tenants/${tenant}/resources/${id}/history`, { every: 5 })
	const undone = (): void => {
		answer.refresh()
		onUndone()
	}
	return (
		<section aria-labelledby="timeline">
			<h2 id="timeline">Timeline</h2>
			<Loaded
				answer={answer}
				show={(first) => <TimelinePages key={version} {...{ tenant, id, first }} onUndone={undone} />}
			/>
		</section>
	)
}

type TimelineParts = Omit<TimelineSubject, 'version'> & { readonly first: TimelineAnswer }

function TimelinePages({ tenant, id, first, onUndone }: TimelineParts) {
	const [earlier, setEarlier] = useState<TimelineAnswer>()
	const [problem, setProblem] = useState<Problem>()
	const lines = [...first.lines, ...(earlier?.lines ?? [])]
	const older = earlier === undefined ? first.older : earlier.older
	const more = async (): Promise<void> => {
		const path = `/tenants/${tenant}/resources/${id}/history?before=${encodeURIComponent(older ?? '')}`
		const outcome = await ask<TimelineAnswer>(path)
		if ('problem' in outcome) return setProblem(outcome.problem)
		setProblem(undefined)
		setEarlier({ ...outcome.value, lines: [...(earlier?.lines ?? []), ...outcome.value.lines] })
	}
	if (lines.length === 0) return <EmptyNotice title="Nothing is known of the time that is kept." />
	return (
		<>
			{first.isBehind && (
				<p class="warn">Very many changes are new: the newest ones may be missing until the sweep has come to them.</p>
			)}
			<Table
				columns={[
					{ name: 'When', class: 'when' },
					'What',
					{ name: 'By', class: 'by' },
					{ name: 'Take back', class: 'action', isUnseen: true },
				]}
				class="lines"
			>
				{lines.map((line) => (
					<TimelineRow key={line.id} {...{ tenant, id, line }} onUndone={onUndone} />
				))}
			</Table>
			{problem !== undefined && <ProblemNotice problem={problem} />}
			{older !== undefined && (
				<p>
					<button type="button" onClick={more}>
						Show older changes
					</button>
				</p>
			)}
		</>
	)
}

type RowParts = Omit<TimelineParts, 'first'> & { readonly line: TimelineLine }

function TimelineRow({ tenant, id, line, onUndone }: RowParts) {
	const [isOpen, setOpen] = useState(false)
	const { at, until, by, isRefusal, undo, members } = line
	return (
		<>
			<tr class={isRefusal ? 'refused' : undefined}>
				<td>
					{at === '' ? 'not known' : <Time at={at} />}
					{until !== undefined && (
						<div class="quiet">
							until <Time at={until} />
						</div>
					)}
				</td>
				<td class="what">
					<What tenant={tenant} line={line} />
					{members !== undefined && <ChangedMembers tenant={tenant} id={id} members={members} />}
				</td>
				<td class="by">{by}</td>
				<td>
					{undo !== undefined && (
						<button type="button" class="small" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
							Undo
						</button>
					)}
				</td>
			</tr>
			{isOpen && undo !== undefined && (
				<tr>
					<td colSpan={4}>
						<UndoPanel tenant={tenant} id={id} change={undo} onUndone={onUndone} onClose={() => setOpen(false)} />
					</td>
				</tr>
			)}
		</>
	)
}

function What({ tenant, line: { what, values, other } }: { readonly tenant: string; readonly line: TimelineLine }) {
	const [verb] = what.split(' ')
	if (other !== undefined && (verb === 'joined' || verb === 'left')) {
		return (
			<>
				{verb} <ResourceLink tenant={tenant} {...other} />
			</>
		)
	}
	if (values.length === 0) return <>{what}</>
	return (
		<ul class="plain">
			{values.map(({ path, was, is }) => (
				<li key={path}>
					{path}: <del>{was}</del>{' '}
					{is !== undefined && (
						<>
							→ <ins>{is}</ins>
						</>
					)}
				</li>
			))}
		</ul>
	)
}
