import type { EndingSoon, ListedTenant, ListedTenants, TenantSummary } from '../../answers/tenants.ts'
import { hrefOf } from '../address.ts'
import { useAbout } from '../parts/about.tsx'
import { Copy } from '../parts/copy.tsx'
import { EmptyNotice, Loaded } from '../parts/states.tsx'
import { Time } from '../parts/time.tsx'
import { useAnswer } from '../use-answer.ts'
import { AddTenant } from './add-tenant.tsx'

/** Every tenant, and how it is doing. */
export function TenantsPage() {
	const answer = useAnswer<ListedTenants>('/tenants', { every: 30 })
	return (
		<>
			<h1>Tenants</h1>
			<Loaded answer={answer} show={(list) => <TenantTable {...list} />} />
			<AddTenant />
		</>
	)
}

function TenantTable({ tenants }: ListedTenants) {
	const { place } = useAbout()
	if (tenants.length === 0) return <EmptyNotice title={`There are no tenants in ${place}.`} />
	return (
		<>
			<p class="under-title">In {place}.</p>
			<table>
				<thead>
					<tr>
						<th scope="col">Name</th>
						<th scope="col">Mode</th>
						<th scope="col">Tenant URL</th>
						<th scope="col" class="number">
							People
						</th>
						<th scope="col" class="number">
							Groups
						</th>
						<th scope="col">Last write</th>
						<th scope="col" class="number">
							Failures today
						</th>
						<th scope="col">Worth a look</th>
					</tr>
				</thead>
				<tbody>
					{tenants.map((tenant) => (
						<TenantRow key={tenant.name} {...tenant} />
					))}
				</tbody>
			</table>
		</>
	)
}

function TenantRow({ name, mode, url }: ListedTenant) {
	const { value: summary, problem } = useAnswer<TenantSummary>(`/tenants/${name}/summary`, { every: 30 })
	return (
		<tr>
			<th scope="row">
				<a href={hrefOf(['tenants', name])}>{name}</a>
			</th>
			<td>{mode}</td>
			<td>
				<Copy name={`Tenant URL of ${name}`} value={url} />
			</td>
			<td class="number">{summary === undefined ? '' : (summary.people ?? '–')}</td>
			<td class="number">{summary === undefined ? '' : (summary.groups ?? '–')}</td>
			<td>{summary?.lastWrite !== undefined && <Time at={summary.lastWrite} />}</td>
			<td class="number">{summary?.failuresToday}</td>
			<td>
				{problem === undefined ? (
					summary && <Worth tenant={name} summary={summary} />
				) : (
					<span class="bad">{problem.error}</span>
				)}
			</td>
		</tr>
	)
}

type WorthProps = { readonly tenant: string; readonly summary: TenantSummary }

function Worth({ tenant, summary: { people, groups, ending, relay, credentialsProblem } }: WorthProps) {
	return (
		<>
			{people === 0 && groups === 0 && <a href={hrefOf(['tenants', tenant, 'connect'])}>Empty: connect it</a>}
			{ending.map((credential) => (
				<Ending key={credential.name} {...credential} />
			))}
			{credentialsProblem !== undefined && <div class="quiet">{credentialsProblem}</div>}
			{relay !== undefined && <div>{relay}</div>}
		</>
	)
}

function Ending({ kind, name, expires }: EndingSoon) {
	return (
		<div class="warn">
			The {kind} {name} ends <Time at={expires} />
		</div>
	)
}
