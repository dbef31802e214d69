import { useState } from 'preact/hooks'
import type { ChangedMembersAnswer, ShownMember, ShownMembers } from '../../answers/lookup.ts'
import { ask, type Problem } from '../api.ts'
import { announce } from '../parts/live-region.tsx'
import { ResourceLink } from '../parts/resource-link.tsx'
import { ProblemNotice } from '../parts/states.tsx'

type ChangedMembersProps = {
	readonly tenant: string
	/** The group. */
	readonly id: string
	readonly members: ShownMembers
}

/** Whom a change has added to a group and removed from it: the first few, and all page by page. */
export function ChangedMembers({ tenant, id, members: { change, some, hasMore } }: ChangedMembersProps) {
	const [read, setRead] = useState<ChangedMembersAnswer>()
	const [problem, setProblem] = useState<Problem>()
	const more = async (): Promise<void> => {
		const behind = encodeURIComponent(read?.next ?? '')
		const path = `/tenants/${tenant}/resources/${id}/changes/${change}/members?behind=${behind}`
		const outcome = await ask<ChangedMembersAnswer>(path)
		if ('problem' in outcome) return setProblem(outcome.problem)
		setProblem(undefined)
		setRead({ ...outcome.value, members: [...(read?.members ?? []), ...outcome.value.members] })
		announce(`${outcome.value.members.length} more members`)
	}
	const isMore = read === undefined ? hasMore : read.next !== undefined
	return (
		<>
			<ul class="examples" aria-label="Members of the change">
				{(read?.members ?? some).map((member) => (
					<li key={`${member.isAdded} ${member.id}`}>
						<ChangedMember tenant={tenant} member={member} />
					</li>
				))}
				{isMore && (
					<li>
						<button type="button" class="small" onClick={more}>
							{read === undefined ? 'and more: show them' : 'Show more'}
						</button>
					</li>
				)}
			</ul>
			{problem !== undefined && <ProblemNotice problem={problem} />}
		</>
	)
}

function ChangedMember({ tenant, member }: { readonly tenant: string; readonly member: ShownMember }) {
	const { id, name, isAdded } = member
	const link = <ResourceLink tenant={tenant} id={id} type="User" name={name} />
	return isAdded ? <ins>+ {link}</ins> : <del>− {link}</del>
}
