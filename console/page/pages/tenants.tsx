import { useState } from 'preact/hooks'
import type { EndingSoon, ListedTenant, ListedTenants, TenantLosses, TenantSummary } from '../../answers/tenants.ts'
import { hrefOf } from '../address.ts'
import { useAbout } from '../parts/about.tsx'
import { EmptyNotice, Loaded } from '../parts/states.tsx'
import { numberColumn, Table } from '../parts/table.tsx'
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

/** Each tenant in view is asked for by itself, so that a thousand tenants cost no more than a page of them. */
const pageSize = 25

function TenantTable({ tenants }: ListedTenants) {
	const { place } = useAbout()
	const [part, setPart] = useState('')
	const [page, setPage] = useState(0)
	if (tenants.length === 0) return <EmptyNotice title={`There are no tenants in ${place}.`} />
	const fitting = tenants.filter(({ name }) => name.includes(part.trim().toLowerCase()))
	const first = page * pageSize
	const filter = (event: Event & { readonly currentTarget: HTMLInputElement }): void => {
		setPart(event.currentTarget.value)
		setPage(0)
	}
	return (
		<>
			{tenants.length > pageSize && (
				<div class="field">
					<label for="tenant-part">Search tenants</label>
					<input id="tenant-part" class="short" type="search" value={part} onInput={filter} autocomplete="off" />
				</div>
			)}
			<Table
				columns={[
					'Name',
					'Mode',
					numberColumn('People'),
					numberColumn('Groups'),
					'Last write',
					numberColumn('Failures today'),
					'Worth a look',
				]}
			>
				{fitting.slice(first, first + pageSize).map((tenant) => (
					<TenantRow key={tenant.name} {...tenant} />
				))}
			</Table>
			{fitting.length === 0 && <EmptyNotice title={`No name of a tenant has ${part}.`} />}
			{fitting.length > pageSize && (
				<p class="buttons">
					<button type="button" disabled={page === 0} onClick={() => setPage(page - 1)}>
						Previous
					</button>
					<button type="button" disabled={first + pageSize >= fitting.length} onClick={() => setPage(page + 1)}>
						Next
					</button>
					<span class="quiet">
						{first + 1} to {Math.min(first + pageSize, fitting.length)} of {fitting.length}
					</span>
				</p>
			)}
		</>
	)
}

function TenantRow({ name, mode }: ListedTenant) {
	const { value: summary, problem } = useAnswer<TenantSummary>(`/tenants/${name}/summary`, { every: 60 })
	return (
		<tr>
			<th scope="row">
				<a href={hrefOf(['tenants', name])}>{name}</a>
			</th>
			<td>{mode}</td>
			<td class="number">{summary === undefined ? '' : count(summary.people)}</td>
			<td class="number">{summary === undefined ? '' : count(summary.groups)}</td>
			<td>{summary?.lastWrite !== undefined && <Time at={summary.lastWrite} />}</td>
			<td class="number">{summary !== undefined && <Failures tenant={name} count={summary.failuresToday} />}</td>
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

const numbers = new Intl.NumberFormat('en')

/** @example count(200000) // '200,000'; a dash for a directory that is in a SCIM server */
const count = (number: number | undefined): string => (number === undefined ? '–' : numbers.format(number))

type FailuresProps = { readonly tenant: string; readonly count: number }

const Failures = ({ tenant, count: failures }: FailuresProps) =>
	failures === 0 ? (
		<>0</>
	) : (
		<a class="bad" href={hrefOf(['tenants', tenant, 'failures'])}>
			{numbers.format(failures)}
		</a>
	)

type WorthProps = { readonly tenant: string; readonly summary: TenantSummary }

function Worth({ tenant, summary }: WorthProps) {
	const { people, groups, ending, relay, credentialsProblem } = summary
	const losses = useAnswer<TenantLosses>(`/tenants/${tenant}/losses`, { every: 60 }).value?.losses
	return (
		<>
			{people === 0 && groups === 0 && <a href={hrefOf(['tenants', tenant, 'connect'])}>Empty: connect it</a>}
			{losses !== undefined && (
				<div>
					<a class="bad" href={hrefOf(['tenants', tenant, 'safety'])}>
						{losses}
					</a>
				</div>
			)}
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
