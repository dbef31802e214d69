import { eventInWords, leavesOf, shown, type TimelineRow, timelineOf } from '../cli/history-words.ts'
import { kindOfId, timeOfId } from '../shared/scim/id.ts'
import type { AttributeValues } from '../shared/scim/resource.ts'
import { isObject } from '../shared/scim/value.ts'
import type { ChangedMembersPage, FirstMembers, MembersOfChange } from '../shared/storage/ledger/changed-members.ts'
import type { HistoryEvent, HistoryPage, LedgerSubject } from '../shared/storage/ledger/history.ts'
import type { Lookup } from '../shared/storage/lookup.ts'
import type { MemberPlace } from '../shared/storage/membership/member-page.ts'
import type { FoundPage, FoundResource } from '../shared/storage/query/search.ts'
import type { RefusalCount } from '../shared/storage/refusals.ts'
import { refusalLineInWords } from './activity.ts'
import { ConsoleError } from './answer.ts'
import type {
	ChangedMembersAnswer,
	GroupsAnswer,
	MembersAnswer,
	ResourceAnswer,
	SearchAnswer,
	SearchHit,
	SearchHits,
	ShownMember,
	ShownMembers,
	ShownValue,
	TimelineAnswer,
	TimelineLine,
} from './answers/lookup.ts'
import { directoryOf } from './directory.ts'
import { tenantRoute } from './route.ts'

/** People and groups: found by a search, each with its values, its memberships and its history. */
export const lookupRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/search',
		handle: ({ tenant, query }, context) => searchIn(directoryOf(context, tenant), query),
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/search/{type}/{by}',
		handle: ({ tenant, query, params }, context) => searchOn(directoryOf(context, tenant), params, query),
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/resources/{id}',
		handle: ({ tenant, params }, context) => resourceOf(directoryOf(context, tenant), subjectOf(params.id)),
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/resources/{id}/history',
		handle: ({ tenant, params, query }, context) =>
			historyOf(directoryOf(context, tenant), subjectOf(params.id), query.get('before') ?? ''),
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/resources/{id}/changes/{epoch}/{operation}/members',
		handle: ({ tenant, params, query }, context) =>
			changedMembersOf(directoryOf(context, tenant), params, query.get('behind') ?? ''),
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/resources/{id}/groups',
		handle: ({ tenant, params, query }, context) =>
			groupsOf(directoryOf(context, tenant), subjectOf(params.id, 'User').id, query.get('after') ?? ''),
	}),
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/resources/{id}/members',
		handle: ({ tenant, params, query }, context) =>
			membersOf(directoryOf(context, tenant), subjectOf(params.id, 'Group').id, placeIn(query)),
	}),
]

const hitsAtOnce = 10
const maxText = 200

async function searchIn(lookup: Lookup, query: URLSearchParams): Promise<SearchAnswer> {
	const { byId, pages, former } = await lookup.search({ text: textIn(query), count: hitsAtOnce })
	return { ...(byId !== undefined && { byId: hitOf(byId) }), pages: pages.map(hitsOf), former }
}

async function searchOn(
	lookup: Lookup,
	{ type, by }: { readonly type: string; readonly by: string },
	query: URLSearchParams,
): Promise<SearchHits> {
	const request = { text: textIn(query), count: hitsAtOnce, by, behind: query.get('behind') ?? '' }
	const page = type === 'User' || type === 'Group' ? await lookup.searchOn({ ...request, type }) : undefined
	if (page === undefined) throw new ConsoleError(`there is no search of ${type} by ${by}`, { status: 404 })
	return hitsOf(page)
}

/** @throws ConsoleError 400 if the text is missing or too long */
function textIn(query: URLSearchParams): string {
	const text = query.get('text')?.trim() ?? ''
	if (text === '')
		throw new ConsoleError('the search has no text', { status: 400, hint: 'type the beginning of a name' })
	if (text.length <= maxText) return text
	throw new ConsoleError(`the text of the search has ${text.length} characters`, {
		status: 400,
		hint: `search by the first ${maxText} characters`,
	})
}

const hitsOf = ({ type, by, found, next }: FoundPage): SearchHits => ({
	...{ type, by, hits: found.map(hitOf) },
	...(next !== undefined && { next }),
})

const hitOf = (found: FoundResource): SearchHit => found

/** @throws ConsoleError 404 if an id is that of no user and no group */
function subjectOf(id: string, wanted?: LedgerSubject['type']): LedgerSubject {
	const type = kindOfId(id)
	if ((type === 'User' || type === 'Group') && (wanted === undefined || wanted === type)) return { id, type }
	throw new ConsoleError(`${id} is the id of no ${wanted === undefined ? 'user or group' : wanted.toLowerCase()}`, {
		status: 404,
	})
}

async function resourceOf(lookup: Lookup, subject: LedgerSubject): Promise<ResourceAnswer> {
	const resource = await lookup.get(subject)
	if (resource === undefined) {
		const { name = subject.id } = await lookup.history(subject, { before: '', count: eventsAtOnce })
		return { ...subject, name }
	}
	const { attributes, created, lastModified, version } = resource
	const name = attributes.userName ?? attributes.displayName ?? subject.id
	return {
		...subject,
		name: String(name),
		present: {
			...{ values: valuesIn(attributes), created, lastModified, version },
			isInactive: subject.type === 'User' && attributes.active === false,
		},
	}
}

/** The values of attributes and sub-attributes. A list is one value. */
const valuesIn = (attributes: AttributeValues): readonly ShownValue[] =>
	leavesOf(attributes, attributes).map(({ path, was }) => ({ path, value: inWords(was) }))

function inWords(value: unknown): string {
	if (Array.isArray(value)) return value.map(inWords).join(', ')
	if (!isObject(value)) return typeof value === 'string' ? value : shown(value)
	const { value: main, type, primary, $ref: _, ...rest } = value
	if (typeof main !== 'string') return shown(value)
	const notes = [
		type,
		primary === true ? 'primary' : undefined,
		...Object.entries(rest).map(([name, each]) => `${name} ${shown(each)}`),
	]
	const known = notes.filter((note) => note !== undefined)
	return known.length === 0 ? main : `${main} (${known.join(', ')})`
}

const eventsAtOnce = 50

async function historyOf(lookup: Lookup, subject: LedgerSubject, before: string): Promise<TimelineAnswer> {
	if (!/^([0-9a-f]{12}\|[0-9a-f]{32})?$/.test(before)) {
		throw new ConsoleError(`before=${before} is no place of a history`, { status: 400, hint: 'reload the page' })
	}
	const page = await lookup.history(subject, { before, count: eventsAtOnce })
	const { name, isDeleted, older, isBehind } = page
	return {
		...(name !== undefined && { name }),
		...{ isDeleted, isBehind },
		lines: timelineOf({ events: page.events, refusals: refusalsBetween(page, before) })
			.map((row) => lineOf(row, subject))
			.toReversed(),
		...(older !== undefined && { older }),
	}
}

/** The refusals between the oldest and the newest event of a page. Each refusal is on one page only. */
function refusalsBetween({ refusals, older }: HistoryPage, before: string) {
	const timeIn = (place: string): number => timeOfId(place.split('|')[1] ?? '')
	const from = older === undefined ? 0 : timeIn(older)
	const to = before === '' ? Number.POSITIVE_INFINITY : timeIn(before)
	return refusals.filter(({ first }) => first >= from && first < to)
}

function lineOf({ time, by, event, refusal }: TimelineRow, subject: LedgerSubject): TimelineLine {
	if (refusal !== undefined) return refusalTimelineLine(refusal, by)
	if (event === undefined) throw new TypeError('a line of a timeline is a change or refusals')
	const { operation, epoch, other, members, ...rest } = event
	// The names of the members stand beside these words.
	const what = eventInWords({ operation, epoch, ...(other !== undefined && { other }), ...rest })
	return {
		...{
			id: `${epoch}|${operation}`,
			at: time,
			what: event.before === undefined || event.kind === 'delete' ? what : changedNames(event),
			by,
			isRefusal: false,
		},
		values: event.kind === 'update' ? changesIn(event) : [],
		...(other !== undefined && { other: { ...other, name: other.name ?? other.id } }),
		...(members !== undefined && { members: shownMembers(event, members) }),
		...(canBeUndone(event, subject) && { undo: { operation, epoch } }),
	}
}

function shownMembers({ epoch, operation }: HistoryEvent, { added, removed }: MembersOfChange): ShownMembers {
	const isMore = ({ first, total = Number.POSITIVE_INFINITY }: FirstMembers): boolean => total > first.length
	const some = [
		...added.first.map((member) => ({ ...member, isAdded: true })),
		...removed.first.map((member) => ({ ...member, isAdded: false })),
	]
	return { change: `${epoch}/${operation}`, some: some.map(shownMember), hasMore: isMore(added) || isMore(removed) }
}

const shownMember = ({ id, name = id, isAdded }: ChangedMembersPage['members'][number]): ShownMember => ({
	...{ id, name, isAdded },
})

const changedAtOnce = 20

/** @throws ConsoleError 404 if the ledger has no such change of the group, 400 if no answer has had the place */
async function changedMembersOf(
	lookup: Lookup,
	{ id, epoch, operation }: { readonly id: string; readonly epoch: string; readonly operation: string },
	behind: string,
): Promise<ChangedMembersAnswer> {
	const { id: groupId } = subjectOf(id, 'Group')
	if (!/^([0-9a-f]{0,32}~\d{1,6})?$/.test(behind)) {
		throw new ConsoleError(`behind=${behind} is no place of a list`, { status: 400, hint: 'reload the page' })
	}
	const isChange = /^[0-9a-f]{12}$/.test(epoch) && /^[0-9a-f]{32}$/.test(operation)
	const request = { groupId, epoch, operation, behind, count: changedAtOnce }
	const page = isChange ? await lookup.changedMembers(request) : undefined
	if (page === undefined) throw new ConsoleError(`the ledger has no change ${epoch}/${operation}`, { status: 404 })
	const { members, next } = page
	return { members: members.map(shownMember), ...(next !== undefined && { next }) }
}

function refusalTimelineLine(refusal: RefusalCount, by: string): TimelineLine {
	const { operation, count, first, last } = refusal
	return {
		...{ id: operation, at: new Date(first).toISOString(), what: refusalLineInWords(refusal), by },
		...{ values: [], isRefusal: true },
		...(count > 1 && { until: new Date(last).toISOString() }),
	}
}

/** The values stand beside these words. */
const changedNames = ({ changed }: HistoryEvent): string =>
	`${changed.filter((name) => !/^[+-]/.test(name) && name !== 'members').join(', ')} changed`

const changesIn = ({ before, after }: HistoryEvent): TimelineLine['values'] =>
	before === undefined
		? []
		: leavesOf(before, after).map(({ path, was, is }) => ({
				...{ path, was: shown(was) },
				...(is !== undefined && { is: shown(is) }),
			}))

/** A creation stays, and so does a change whose values were not kept. */
function canBeUndone({ kind, before, other }: HistoryEvent, { type }: LedgerSubject): boolean {
	if (kind === 'update' || kind === 'delete') return before !== undefined || (kind === 'update' && type === 'Group')
	return kind === 'members' || ((kind === 'joined' || kind === 'left') && other?.type === 'Group')
}

const groupsAtOnce = 50

async function groupsOf(lookup: Lookup, id: string, after: string): Promise<GroupsAnswer> {
	const { groups, ...rest } = await lookup.groups(id, { after, count: groupsAtOnce })
	return { ...rest, groups: groups.map(({ value, display }) => ({ id: value, name: display })) }
}

const membersAtOnce = 50

const placeIn = (query: URLSearchParams): MemberPlace => {
	const before = query.get('before')
	return before === null ? { after: query.get('after') ?? '' } : { before }
}

async function membersOf(lookup: Lookup, id: string, place: MemberPlace): Promise<MembersAnswer> {
	const page = await lookup.members(id, { place, count: membersAtOnce })
	if (page === undefined) return { members: [], hasEarlier: false, hasLater: false }
	const users = new Map(
		(await lookup.users(page.members.map(({ value }) => value))).map((user) => [user.id, user.attributes]),
	)
	return {
		...page,
		members: page.members.map(({ value, display }) => {
			const { userName, displayName = display } = users.get(value) ?? {}
			return {
				id: value,
				name: String(userName ?? value),
				...(typeof displayName === 'string' && { displayName }),
			}
		}),
	}
}
