import type { ComponentChildren } from 'preact'
import type { Address } from './address.ts'
import { CredentialsPage } from './pages/credentials.tsx'
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
	if (first !== 'tenants' || tenant === undefined) return undefined
	const page = tenantPages.find((each) => each.path === path)
	return page && { title: `${page.title} · ${tenant}`, content: page.show({ tenant, rest, query }) }
}
