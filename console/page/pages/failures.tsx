import type { FailedSentence, FailuresAnswer } from '../../answers/failures.ts'
import { hrefOf } from '../address.ts'
import { ResourceLink } from '../parts/resource-link.tsx'
import { EmptyNotice, Loaded } from '../parts/states.tsx'
import { Time } from '../parts/time.tsx'
import { DocLink, WithDocs } from '../parts/with-docs.tsx'
import { useAnswer } from '../use-answer.ts'

const spans = [
	{ since: '1h', name: 'last hour' },
	{ since: '24h', name: 'last day' },
	{ since: '7d', name: 'last 7 days' },
	{ since: '30d', name: 'last 30 days' },
] as const

/** What was refused, by sentence: how often, for whom, and what helps. */
export function FailuresPage({ tenant, since }: { readonly tenant: string; readonly since: string }) {
	const answer = useAnswer<FailuresAnswer>(`/tenants/${tenant}/failures?since=${encodeURIComponent(since)}`, {
		every: 5,
	})
	return (
		<>
			<h1>Failures</h1>
			<ul class="times" aria-label="Time">
				{spans.map((span) => (
					<li key={span.since}>
						<a
							href={hrefOf(['tenants', tenant, 'failures'], { since: span.since })}
							aria-current={span.since === since ? 'true' : undefined}
						>
							{span.name}
						</a>
					</li>
				))}
			</ul>
			<Loaded answer={answer} show={(failures) => <FailureList tenant={tenant} failures={failures} />} />
		</>
	)
}

function FailureList({ tenant, failures }: { readonly tenant: string; readonly failures: FailuresAnswer }) {
	const { groups, others, isPartial } = failures
	if (groups.length === 0 && others === 0) return <EmptyNotice title="Nothing was refused in this time." />
	return (
		<>
			{isPartial && <p class="warn">There are very many refusals: this page has looked at a part of them.</p>}
			{groups.map((group) => (
				<Failure key={`${group.status} ${group.scimType} ${group.sentence}`} tenant={tenant} group={group} />
			))}
			{others > 0 && (
				<p>{others.toLocaleString('en')} more were only counted, because too many kinds came in one second.</p>
			)}
		</>
	)
}

function Failure({ tenant, group }: { readonly tenant: string; readonly group: FailedSentence }) {
	const { status, scimType, sentence, requests, count, subjects, examples, first, last, remedy, page } = group
	return (
		<article class="failure">
			<h2>
				<span class="badge bad">{[status, scimType].filter((word) => word !== undefined).join(' ')}</span> {sentence}
			</h2>
			<p>
				{count.toLocaleString('en')} {count === 1 ? 'request' : 'requests'} ({requests.join(', ')}) about{' '}
				{subjects.toLocaleString('en')} {subjects === 1 ? 'person or group' : 'people or groups'}; first{' '}
				<Time at={first} />, last <Time at={last} />.
			</p>
			<p class="remedy">
				<WithDocs text={remedy} />{' '}
				<span class="quiet">
					More: <DocLink page={page} />
				</span>
			</p>
			<ul class="examples" aria-label="People and groups">
				{examples.map((example) => (
					<li key={example.id ?? example.name}>
						<FailedExample tenant={tenant} {...example} />
					</li>
				))}
				{subjects > examples.length && <li class="quiet">and {subjects - examples.length} more</li>}
			</ul>
		</article>
	)
}

/** An id leads to its page, and a name to a search. */
function FailedExample({
	tenant,
	name = '',
	id,
	type,
}: FailedSentence['examples'][number] & { readonly tenant: string }) {
	if (id !== undefined && type !== undefined) {
		return <ResourceLink tenant={tenant} id={id} type={type} name={name === '' ? id : name} />
	}
	return <a href={hrefOf(['tenants', tenant], { text: name })}>{name}</a>
}
