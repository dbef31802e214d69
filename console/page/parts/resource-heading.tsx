import type { ResourceAnswer } from '../../answers/lookup.ts'
import { Copy } from './copy.tsx'
import { Time } from './time.tsx'

type Heading = { readonly kind: 'Person' | 'Group'; readonly resource: ResourceAnswer }

/** The name of a person or group, and how it is. */
export function ResourceHeading({ kind, resource: { id, name, present } }: Heading) {
	return (
		<>
			<h1>
				{name} {present === undefined && <span class="badge bad">deleted</span>}
				{present?.isInactive && <span class="badge">inactive</span>}
			</h1>
			<p class="under-title facts">
				<span>{kind}</span>
				<Copy name="id" value={id} />
				{present !== undefined && (
					<>
						<span>
							created <Time at={present.created} />
						</span>
						<span>
							changed <Time at={present.lastModified} />
						</span>
					</>
				)}
			</p>
		</>
	)
}
