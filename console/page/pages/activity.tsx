import type { LiveLine } from '../../answers/activity.ts'
import type { TenantSummary } from '../../answers/tenants.ts'
import { hrefOf } from '../address.ts'
import { DirectoryProblem, NoDirectory } from '../parts/directory-state.tsx'
import { ResourceLink } from '../parts/resource-link.tsx'
import { SearchBox } from '../parts/search-box.tsx'
import { EmptyNotice } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useAnswer } from '../use-answer.ts'
import { useLive } from '../use-live.ts'
import { SearchResults } from './search-results.tsx'

/** The first page of a tenant: how it is doing, the search, and what happens as it happens. */
export function ActivityPage({ tenant, text }: { readonly tenant: string; readonly text: string }) {
	const { value, problem } = useAnswer<TenantSummary>(`/tenants/${tenant}/summary`, { every: 10 })
	return (
		<>
			<h1>{tenant}</h1>
			{problem === undefined ? (
				<p class="under-title facts">
					{value === undefined ? 'Loading' : <TenantFacts tenant={tenant} summary={value} />}
				</p>
			) : (
				<p class="under-title bad">{problem.error}</p>
			)}
			{value?.relay === undefined ? <DirectoryParts tenant={tenant} text={text} /> : <NoDirectory />}
		</>
	)
}

function TenantFacts({ tenant, summary }: { readonly tenant: string; readonly summary: TenantSummary }) {
	const { people, groups, lastWrite, failuresToday } = summary
	return (
		<>
			{people !== undefined && <span>{counted(people, 'person', 'people')}</span>}
			{groups !== undefined && <span>{counted(groups, 'group', 'groups')}</span>}
			{lastWrite !== undefined && (
				<span>
					last write <Time at={lastWrite} />
				</span>
			)}
			<a href={hrefOf(['tenants', tenant, 'failures'])}>{counted(failuresToday, 'failure today', 'failures today')}</a>
		</>
	)
}

const counted = (count: number, one: string, many: string): string =>
	`${count.toLocaleString('en')} ${count === 1 ? one : many}`

function DirectoryParts({ tenant, text }: { readonly tenant: string; readonly text: string }) {
	return (
		<>
			<SearchBox tenant={tenant} text={text} />
			{text === '' ? <LiveList tenant={tenant} /> : <SearchResults key={text} tenant={tenant} text={text} />}
		</>
	)
}

function LiveList({ tenant }: { readonly tenant: string }) {
	const { lines, isPartial = false, problem } = useLive(tenant)
	return (
		<section aria-labelledby="live">
			<h2 id="live">What happens</h2>
			{problem !== undefined && <DirectoryProblem problem={problem} />}
			{isPartial && (
				<p class="warn">
					Very many refusals are kept, and some new ones may be missing here. The page{' '}
					<a href={hrefOf(['tenants', tenant, 'failures'])}>Failures</a> groups them.
				</p>
			)}
			{lines === undefined ? (
				problem === undefined && <div class="loading" aria-busy="true" />
			) : lines.length === 0 ? (
				<EmptyNotice title="Nothing has happened yet.">
					<p>A change, or a request that is refused, shows here within five seconds.</p>
				</EmptyNotice>
			) : (
				<LiveTable tenant={tenant} lines={lines} />
			)}
		</section>
	)
}

type LiveTableLines = { readonly tenant: string; readonly lines: readonly LiveLine[] }

function LiveTable({ tenant, lines }: LiveTableLines) {
	return (
		<Table
			columns={[
				{ name: 'When', class: 'when' },
				{ name: 'About', class: 'about' },
				'What',
				{ name: 'By', class: 'by' },
			]}
			class="lines"
		>
			{lines.map(({ id, at, about, name, what, by, isRefusal }) => (
				<tr key={id} class={isRefusal ? 'refused' : undefined}>
					<td>
						<Time at={at} />
					</td>
					<td>{about === undefined ? name : <ResourceLink tenant={tenant} {...about} />}</td>
					<td class="what">{what}</td>
					<td class="by">{by}</td>
				</tr>
			))}
		</Table>
	)
}
