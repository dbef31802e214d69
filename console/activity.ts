import { actorInWords, eventInWords, refusedInWords } from '../cli/history-words.ts'
import { kindOfId } from '../shared/scim/id.ts'
import type { ActivityCursor, ActivityEvent } from '../shared/storage/ledger/activity.ts'
import type { Lookup } from '../shared/storage/lookup.ts'
import type { RefusalCount } from '../shared/storage/refusals.ts'
import { ConsoleError } from './answer.ts'
import type { LiveLine, LiveLines, NamedResource } from './answers/activity.ts'
import { directoryOf } from './directory.ts'
import { tenantRoute } from './route.ts'

/** What happens in a tenant: the latest lines, and then what is new. */
export const activityRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/activity',
		handle: ({ tenant, query }, context) => activityOf(directoryOf(context, tenant), query.get('after')),
	}),
]

async function activityOf(lookup: Lookup, after: string | null): Promise<LiveLines> {
	const { changes, refusals, cursor, hasMore, isPartial } = await lookup.activity(
		after === null ? undefined : cursorIn(after),
	)
	const lines = [...changes.map(changeLine), ...refusals.map(refusalLine)]
	return {
		lines: lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)),
		cursor: textOf(cursor),
		hasMore,
		isPartial,
	}
}

function changeLine({ key, at, type, id, name, isDeactivation, ...event }: ActivityEvent): LiveLine {
	const words = eventInWords({ operation: '', epoch: '', ...event })
	return {
		...{ id: key, version: 0, at, isRefusal: false, by: actorInWords(event) },
		what: isDeactivation ? `${words}: deactivated` : words,
		about: { id, type, name: name ?? id },
	}
}

function refusalLine(refusal: RefusalCount): LiveLine {
	const { operation, count, last, name, resourceId } = refusal
	const about = resourceId === undefined ? undefined : namedResource(resourceId, name)
	return {
		...{ id: operation, version: count, at: new Date(last).toISOString(), isRefusal: true },
		what: refusalLineInWords(refusal),
		by: actorInWords(refusal),
		...(about === undefined ? name !== undefined && { name } : { about }),
	}
}

/** The time of the last one stands beside these words. */
export const refusalLineInWords = (refusal: RefusalCount): string =>
	`refused${refusal.count === 1 ? '' : ` ${refusal.count} times`}: ${refusedInWords(refusal)}`

function namedResource(id: string, name: string = id): NamedResource | undefined {
	const type = kindOfId(id)
	return type === 'User' || type === 'Group' ? { id, type, name } : undefined
}

const textOf = ({ entry, told, refusedSince }: ActivityCursor): string => [refusedSince, entry, told].join('~')

/** @throws ConsoleError 400 if no answer has had the cursor */
function cursorIn(text: string): ActivityCursor {
	const [, refusedSince, entry, told] = /^(\d{1,15})~([cf0-9a-f|]*)~([cf0-9a-f|]*)$/.exec(text) ?? []
	if (refusedSince === undefined || entry === undefined || told === undefined) {
		throw new ConsoleError(`after=${text} is no cursor of an answer`, { status: 400, hint: 'reload the page' })
	}
	return { refusedSince: Number(refusedSince), entry, told }
}
