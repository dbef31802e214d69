import { hrefOf } from '../address.ts'
import type { TenantPage } from '../pages.tsx'

type Menu = { readonly tenant: string; readonly pages: readonly TenantPage[]; readonly current: string }

/** The pages of a tenant. */
export function TenantMenu({ tenant, pages, current }: Menu) {
	return (
		<nav aria-label={`Pages of ${tenant}`}>
			<a class="tenant" href={hrefOf(['tenants', tenant])}>
				{tenant}
			</a>
			<ul>
				{pages
					.filter(({ isInMenu }) => isInMenu)
					.map(({ path, title }) => (
						<li key={path}>
							<a
								href={hrefOf(path === '' ? ['tenants', tenant] : ['tenants', tenant, path])}
								aria-current={path === current ? 'page' : undefined}
							>
								{title}
							</a>
						</li>
					))}
			</ul>
		</nav>
	)
}
