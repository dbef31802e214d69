import { hrefOf } from '../address.ts'

type LinkedResource = {
	readonly tenant: string
	readonly id: string
	readonly type: 'User' | 'Group'
	readonly name: string
}

/** A link to the page of a person or group. The keys for next and previous reach it. */
export function ResourceLink({ tenant, id, type, name }: LinkedResource) {
	return (
		<a href={resourceHref(tenant, { id, type })} data-entry>
			{name}
		</a>
	)
}

const resourceHref = (tenant: string, { id, type }: Pick<LinkedResource, 'id' | 'type'>): string =>
	hrefOf(['tenants', tenant, type === 'User' ? 'people' : 'groups', id])
