import { parseDuration } from '../cli/duration.ts'
import { type FailedSubject, failuresIn } from '../cli/failure-groups.ts'
import { kindOfId } from '../shared/scim/id.ts'
import type { RefusalCount } from '../shared/storage/refusals.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError } from './answer.ts'
import type { FailuresAnswer } from './answers/failures.ts'
import { type ConsoleContext, tenantRoute } from './route.ts'

/** What was refused, by sentence, with what helps. */
export const failureRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/failures',
		handle: ({ tenant, query }, context) => failuresOf(context, tenant, query.get('since') ?? '24h'),
	}),
]

const examplesAtMost = 20
/** Pages of up to a thousand refusals that one answer looks at. */
const pagesAtMost = 10

async function failuresOf({ target, now }: ConsoleContext, tenant: Tenant, since: string): Promise<FailuresAnswer> {
	const duration = parseDuration(since)
	if (duration === undefined) {
		throw new ConsoleError(`since=${since} is not a time`, { status: 400, hint: 'use a number with s, m, h or d' })
	}
	const reading = { isPartial: false }
	const pages = firstPages(target.ledger(tenant).refusalsSince(now() - duration), reading)
	const { groups, others } = await failuresIn(pages, examplesAtMost)
	return {
		groups: groups.map(({ scimType, first, last, examples, remedy, consoleRemedy = remedy, ...group }) => ({
			...{ ...group, remedy: consoleRemedy },
			examples: examples.map((example) => ({ ...example, ...typeOf(example) })),
			...(scimType !== undefined && { scimType }),
			first: new Date(first).toISOString(),
			last: new Date(last).toISOString(),
		})),
		others,
		isPartial: reading.isPartial,
	}
}

function typeOf({ id = '' }: FailedSubject): { readonly type?: 'User' | 'Group' } {
	const type = kindOfId(id)
	return type === 'User' || type === 'Group' ? { type } : {}
}

/** The first pages. `reading` gets whether there are more. */
async function* firstPages(
	pages: AsyncIterable<readonly RefusalCount[]>,
	reading: { isPartial: boolean },
): AsyncGenerator<readonly RefusalCount[]> {
	let count = 0
	for await (const page of pages) {
		if (count++ === pagesAtMost) {
			reading.isPartial = true
			return
		}
		yield page
	}
}
