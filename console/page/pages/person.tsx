import { useState } from 'preact/hooks'
import type { GroupsAnswer, ResourceAnswer } from '../../answers/lookup.ts'
import { ask, type Problem } from '../api.ts'
import { DirectoryLoaded } from '../parts/directory-state.tsx'
import { ResourceHeading } from '../parts/resource-heading.tsx'
import { ResourceLink } from '../parts/resource-link.tsx'
import { ResourceValues } from '../parts/resource-values.tsx'
import { EmptyNotice, Loaded, ProblemNotice } from '../parts/states.tsx'
import { useAnswer } from '../use-answer.ts'
import { Timeline } from './timeline.tsx'

type Subject = { readonly tenant: string; readonly id: string }

/** A person: values, groups, and what happened. */
export function PersonPage({ tenant, id }: Subject) {
	const answer = useAnswer<ResourceAnswer>(`/tenants/${tenant}/resources/${encodeURIComponent(id)}`, { every: 5 })
	return (
		<DirectoryLoaded answer={answer} show={(person) => <Person {...{ tenant, person }} refresh={answer.refresh} />} />
	)
}

type PersonParts = { readonly tenant: string; readonly person: ResourceAnswer; readonly refresh: () => void }

function Person({ tenant, person, refresh }: PersonParts) {
	const { id, present } = person
	return (
		<>
			<ResourceHeading kind="Person" resource={person} />
			{present !== undefined && (
				<div class="columns">
					<section aria-labelledby="values">
						<h2 id="values">Attributes</h2>
						<ResourceValues values={present.values} />
					</section>
					<section aria-labelledby="groups">
						<h2 id="groups">Groups</h2>
						<Groups key={present.version} tenant={tenant} id={id} />
					</section>
				</div>
			)}
			<Timeline tenant={tenant} id={id} version={present?.version ?? ''} onUndone={refresh} />
		</>
	)
}

function Groups({ tenant, id }: Subject) {
	const answer = useAnswer<GroupsAnswer>(`/tenants/${tenant}/resources/${id}/groups`, { every: 15 })
	return <Loaded answer={answer} show={(groups) => <GroupList tenant={tenant} id={id} first={groups} />} />
}

function GroupList({ tenant, id, first }: Subject & { readonly first: GroupsAnswer }) {
	const [later, setLater] = useState<GroupsAnswer>()
	const [problem, setProblem] = useState<Problem>()
	const groups = [...first.groups, ...(later?.groups ?? [])]
	const next = later === undefined ? first.next : later.next
	const more = async (): Promise<void> => {
		const outcome = await ask<GroupsAnswer>(`/tenants/${tenant}/resources/${id}/groups?after=${next}`)
		if ('problem' in outcome) return setProblem(outcome.problem)
		setProblem(undefined)
		setLater({ ...outcome.value, groups: [...(later?.groups ?? []), ...outcome.value.groups] })
	}
	if (groups.length === 0) return <EmptyNotice title="In no group." />
	return (
		<>
			<ul class="plain">
				{groups.map((group) => (
					<li key={group.id}>
						<ResourceLink tenant={tenant} id={group.id} type="Group" name={group.name} />
					</li>
				))}
			</ul>
			{problem !== undefined && <ProblemNotice problem={problem} />}
			{next !== undefined && (
				<p>
					<button type="button" onClick={more}>
						Show more of {first.total.toLocaleString('en')} groups
					</button>
				</p>
			)}
		</>
	)
}
