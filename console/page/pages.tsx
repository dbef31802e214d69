import type { ComponentChildren } from 'preact'
import { isDocPath } from '../answers/docs.ts'
import type { Address } from './address.ts'
import { DocPage } from './docs/doc-page.tsx'
import { ActivityPage } from './pages/activity.tsx'
import { ConnectPage } from './pages/connect.tsx'
import { CredentialsPage } from './pages/credentials.tsx'
import { FailuresPage } from './pages/failures.tsx'
import { GroupPage } from './pages/group.tsx'
import { PersonPage } from './pages/person.tsx'
import { RelayPage } from './pages/relay.tsx'
import { SafetyPage } from './pages/safety.tsx'
import { SchemaPage } from './pages/schema.tsx'
import { TenantsPage } from './pages/tenants.tsx'

/** A page of one tenant, in the order of the menu. */
export type TenantPage = {
	/** The part of the address behind the tenant; empty for the first page. */
	readonly path: string
	readonly title: string
	/** Whether the page is in the menu. A page of one person is not. */
	readonly isInMenu: boolean
	/** `rest` has the parts of the address behind the path. */
	readonly show: (page: TenantPageAddress) => ComponentChildren
}

export type TenantPageAddress = {
	readonly tenant: string
	readonly rest: readonly string[]
	readonly query: URLSearchParams
}

/** Every page of a tenant. */
export const tenantPages: readonly TenantPage[] = [
	{
		path: '',
		title: 'Activity',
		isInMenu: true,
		show: ({ tenant, query }) => <ActivityPage key={tenant} tenant={tenant} text={query.get('text') ?? ''} />,
	},
	{
		path: 'failures',
		title: 'Failures',
		isInMenu: true,
		show: ({ tenant, query }) => <FailuresPage key={tenant} tenant={tenant} since={query.get('since') ?? '24h'} />,
	},
	{
		path: 'people',
		title: 'Person',
		isInMenu: false,
		show: ({ tenant, rest: [id = ''] }) => <PersonPage key={`${tenant} ${id}`} tenant={tenant} id={id} />,
	},
	{
		path: 'groups',
		title: 'Group',
		isInMenu: false,
		show: ({ tenant, rest: [id = ''], query }) => (
			<GroupPage key={`${tenant} ${id}`} tenant={tenant} id={id} query={query} />
		),
	},
	{
		path: 'connect',
		title: 'Connect',
		isInMenu: true,
		show: ({ tenant }) => <ConnectPage key={tenant} tenant={tenant} />,
	},
	{
		path: 'credentials',
		title: 'Credentials',
		isInMenu: true,
		show: ({ tenant }) => <CredentialsPage key={tenant} tenant={tenant} />,
	},
	{
		path: 'schema',
		title: 'Schema',
		isInMenu: true,
		show: ({ tenant }) => <SchemaPage key={tenant} tenant={tenant} />,
	},
	{
		path: 'safety',
		title: 'Safety',
		isInMenu: true,
		show: ({ tenant }) => <SafetyPage key={tenant} tenant={tenant} />,
	},
	{ path: 'relay', title: 'Relay', isInMenu: true, show: ({ tenant }) => <RelayPage key={tenant} tenant={tenant} /> },
]

/** What an address shows, with its title; undefined if no page has the address. */
export function pageAt({
	parts,
	query,
}: Address): { readonly title: string; readonly content: ComponentChildren } | undefined {
	const [first, tenant, path = '', ...rest] = parts
	if (first === undefined) return { title: 'Tenants', content: <TenantsPage /> }
	const doc = parts.join('/')
	if (isDocPath(doc)) return { title: doc, content: <DocPage key={doc} path={doc} at={query.get('at')} /> }
	if (first !== 'tenants' || tenant === undefined) return undefined
	const page = tenantPages.find((each) => each.path === path)
	return page && { title: `${page.title} · ${tenant}`, content: page.show({ tenant, rest, query }) }
}
