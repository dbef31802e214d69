import type { MembersAnswer, ResourceAnswer } from '../../answers/lookup.ts'
import { hrefOf } from '../address.ts'
import { DirectoryLoaded } from '../parts/directory-state.tsx'
import { ResourceHeading } from '../parts/resource-heading.tsx'
import { ResourceLink } from '../parts/resource-link.tsx'
import { ResourceValues } from '../parts/resource-values.tsx'
import { EmptyNotice, Loaded } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { useAnswer } from '../use-answer.ts'
import { Timeline } from './timeline.tsx'

type GroupAddress = {
	readonly tenant: string
	readonly id: string
	/** `after` or `before` with an id, or with nothing for the first and the last page of members. */
	readonly query: URLSearchParams
}

/** A group: its members page by page, and what happened. */
export function GroupPage({ tenant, id, query }: GroupAddress) {
	const answer = useAnswer<ResourceAnswer>(`/tenants/${tenant}/resources/${encodeURIComponent(id)}`, { every: 5 })
	return (
		<DirectoryLoaded
			answer={answer}
			show={(group) => (
				<>
					<ResourceHeading kind="Group" resource={group} />
					{group.present !== undefined && (
						<>
							<ResourceValues values={group.present.values} />
							<Members tenant={tenant} id={id} query={query} />
						</>
					)}
					<Timeline tenant={tenant} id={id} version={group.present?.version ?? ''} onUndone={answer.refresh} />
				</>
			)}
		/>
	)
}

function Members({ tenant, id, query }: GroupAddress) {
	const before = query.get('before')
	const place =
		before === null ? `after=${encodeURIComponent(query.get('after') ?? '')}` : `before=${encodeURIComponent(before)}`
	const answer = useAnswer<MembersAnswer>(`/tenants/${tenant}/resources/${id}/members?${place}`, { every: 15 })
	return (
		<section aria-labelledby="members">
			<h2 id="members">Members</h2>
			<Loaded answer={answer} show={(page) => <MemberTable tenant={tenant} id={id} page={page} />} />
		</section>
	)
}

type MemberTableParts = { readonly tenant: string; readonly id: string; readonly page: MembersAnswer }

function MemberTable({ tenant, id, page: { members, hasEarlier, hasLater } }: MemberTableParts) {
	if (members.length === 0 && !hasEarlier && !hasLater) return <EmptyNotice title="The group has no members." />
	const href = (query: Readonly<Record<string, string>>) => hrefOf(['tenants', tenant, 'groups', id], query)
	const [first, last] = [members[0]?.id ?? '', members.at(-1)?.id ?? '']
	return (
		<>
			<Table columns={['Name', 'displayName']}>
				{members.map((member) => (
					<tr key={member.id}>
						<td>
							<ResourceLink tenant={tenant} id={member.id} type="User" name={member.name} />
						</td>
						<td>{member.displayName}</td>
					</tr>
				))}
			</Table>
			{(hasEarlier || hasLater) && (
				<nav class="pages" aria-label="Pages of members">
					<PageLink name="First" href={href({})} isThere={hasEarlier} />
					<PageLink name="Previous" rel="prev" href={href({ before: first })} isThere={hasEarlier} />
					<PageLink name="Next" rel="next" href={href({ after: last })} isThere={hasLater} />
					<PageLink name="Last" href={href({ before: '' })} isThere={hasLater} />
					<span class="quiet">in the order in which the people were created</span>
				</nav>
			)}
		</>
	)
}

type PageLinkParts = {
	readonly name: string
	readonly href: string
	readonly isThere: boolean
	readonly rel?: 'prev' | 'next'
}

function PageLink({ name, href, isThere, rel }: PageLinkParts) {
	return isThere ? (
		<a href={href} rel={rel}>
			{name}
		</a>
	) : (
		<span class="quiet">{name}</span>
	)
}
