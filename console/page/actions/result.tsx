import type { ActionState } from '../../answers/actions.ts'
import { CopyRow } from '../parts/copy-row.tsx'
import { ProblemNotice } from '../parts/states.tsx'
import { WithDocs } from '../parts/with-docs.tsx'
import type { ActionView } from './use-action.ts'

/** How far an action is, or how it ended. */
export function ActionResult({ view }: { readonly view: ActionView }) {
	if (view === 'idle') return null
	if (view === 'starting') return <Progress done={0} words="" notes={[]} />
	switch (view.state) {
		case 'running':
			return <Progress done={view.done} words={view.progress} notes={view.notes} />
		case 'lost':
			return <ProblemNotice problem={view.problem} />
		case 'refused':
			return <ProblemNotice problem={{ status: 409, ...view }} />
		case 'done':
			return <Done {...view} />
	}
}

type ProgressProps = { readonly done: number; readonly words: string; readonly notes: readonly string[] }

/** A bar; without an end if only a count is known. */
export function Progress({ done, words, notes }: ProgressProps) {
	return (
		<div class="notice">
			<progress max={1} {...(done > 0 && { value: Math.min(done, 1) })} aria-label="Progress" />
			<p>{words === '' ? 'Working …' : words}</p>
			{notes.map((note) => (
				<p class="hint" key={note}>
					<WithDocs text={note} />
				</p>
			))}
		</div>
	)
}

/** What an answer has to copy, by the names in the JSON of the command line. */
const copyables = {
	url: 'Tenant URL',
	token: 'Secret Token',
	tokenEndpoint: 'Token endpoint',
	clientId: 'Client id',
	clientSecret: 'Client secret',
	code: 'Code',
} as const

const secrets: readonly string[] = ['token', 'clientSecret', 'code']

function Done({ text, json, isFailure, notes }: Extract<ActionState, { state: 'done' }>) {
	const values = copyablesIn(json)
	const lines = text.split('\n').filter((line) => !values.some(({ value }) => line.includes(value)))
	return (
		<div class={isFailure ? 'notice problem' : 'notice'}>
			{values.length > 0 && (
				<dl class="values">
					{values.map(({ label, value }) => (
						<CopyRow key={label} name={label} value={value} />
					))}
				</dl>
			)}
			{values.some(({ name }) => secrets.includes(name)) && (
				<p class="title">Copy it now. If only its digest is stored, it is never shown again.</p>
			)}
			{notes.map((note) => (
				<p class="hint" key={note}>
					<WithDocs text={note} />
				</p>
			))}
			<pre>
				<WithDocs text={lines.join('\n').trim()} />
			</pre>
		</div>
	)
}

function copyablesIn(
	json: unknown,
): readonly { readonly name: string; readonly label: string; readonly value: string }[] {
	if (typeof json !== 'object' || json === null) return []
	const known = new Map(Object.entries(json))
	return Object.entries(copyables).flatMap(([name, label]) => {
		const value: unknown = known.get(name)
		return typeof value === 'string' ? [{ name, label, value }] : []
	})
}
