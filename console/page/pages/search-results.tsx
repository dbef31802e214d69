import { useState } from 'preact/hooks'
import type { SearchAnswer, SearchHit, SearchHits } from '../../answers/lookup.ts'
import { ask, type Problem } from '../api.ts'
import { DirectoryLoaded } from '../parts/directory-state.tsx'
import { announce } from '../parts/live-region.tsx'
import { ResourceLink } from '../parts/resource-link.tsx'
import { EmptyNotice, ProblemNotice } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { useAnswer } from '../use-answer.ts'

type Search = { readonly tenant: string; readonly text: string }

/** What a search has found, by the attribute that begins with the text. */
export function SearchResults({ tenant, text }: Search) {
	const answer = useAnswer<SearchAnswer>(`/tenants/${tenant}/search?text=${encodeURIComponent(text)}`)
	return <DirectoryLoaded answer={answer} show={(found) => <Found tenant={tenant} text={text} found={found} />} />
}

function Found({ tenant, text, found: { byId, pages, former } }: Search & { readonly found: SearchAnswer }) {
	const isEmpty = byId === undefined && pages.length === 0 && former.length === 0
	if (isEmpty) {
		return (
			<EmptyNotice title={`Nothing begins with ${text}.`}>
				<p>
					The search looks at the beginnings of userName, displayName, e-mail and externalId, and at ids. It finds
					family names if the tenant has an index of name.familyName.
				</p>
			</EmptyNotice>
		)
	}
	return (
		<>
			{byId !== undefined && <HitTable tenant={tenant} title="The id" hits={[byId]} />}
			{pages.map((page) => (
				<HitPages key={`${page.type} ${page.by}`} tenant={tenant} text={text} first={page} />
			))}
			{former.length > 0 && (
				<section>
					<h2>Was called this until a change or deletion</h2>
					<ul>
						{former.map(({ id, type }) => (
							<li key={id}>
								{type === 'User' ? 'Person' : 'Group'} <ResourceLink tenant={tenant} id={id} type={type} name={id} />
							</li>
						))}
					</ul>
				</section>
			)}
		</>
	)
}

function HitPages({ tenant, text, first }: Search & { readonly first: SearchHits }) {
	const [hits, setHits] = useState(first.hits)
	const [next, setNext] = useState(first.next)
	const [problem, setProblem] = useState<Problem>()
	const { type, by } = first
	const more = async (): Promise<void> => {
		const query = new URLSearchParams({ text, behind: next ?? '' })
		const outcome = await ask<SearchHits>(`/tenants/${tenant}/search/${type}/${encodeURIComponent(by)}?${query}`)
		if ('problem' in outcome) return setProblem(outcome.problem)
		setProblem(undefined)
		setHits([...hits, ...outcome.value.hits])
		setNext(outcome.value.next)
		announce(`${outcome.value.hits.length} more`)
	}
	return (
		<HitTable tenant={tenant} title={`${type === 'User' ? 'People' : 'Groups'} by ${by}`} hits={hits}>
			{problem !== undefined && <ProblemNotice problem={problem} />}
			{next !== undefined && (
				<p>
					<button type="button" onClick={more}>
						Show more by {by}
					</button>
				</p>
			)}
		</HitTable>
	)
}

type Hits = {
	readonly tenant: string
	readonly title: string
	readonly hits: readonly SearchHit[]
	readonly children?: preact.ComponentChildren
}

function HitTable({ tenant, title, hits, children }: Hits) {
	return (
		<section>
			<h2>{title}</h2>
			<Table columns={['Name', 'displayName', 'Found by']}>
				{hits.map(({ id, type, name, displayName, value, isInactive }) => (
					<tr key={id}>
						<td>
							<ResourceLink tenant={tenant} id={id} type={type} name={name} />{' '}
							{isInactive && <span class="badge">inactive</span>}
						</td>
						<td>{displayName}</td>
						<td>{value}</td>
					</tr>
				))}
			</Table>
			{children}
		</section>
	)
}
