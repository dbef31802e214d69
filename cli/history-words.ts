import { isObject, type JsonObject } from '../shared/scim/value.ts'
import type { FirstMembers, MembersOfChange } from '../shared/storage/ledger/changed-members.ts'
import type { HistoryEvent, ResourceHistory } from '../shared/storage/ledger/history.ts'
import type { RefusalCount } from '../shared/storage/refusals.ts'
import type { Actor } from '../shared/storage/rows/directory.ts'

/** One line of a timeline: a change, or refusals that are alike. */
export type TimelineRow = {
	/** RFC 3339; empty for an entry of version 0.1.0. */
	readonly time: string
	readonly what: string
	readonly by: string
	/** The change; undefined for refusals. */
	readonly event?: HistoryEvent
	readonly refusal?: RefusalCount
}

/** Changes and refusals by their time. Changes stay in the order of the feed. */
export function timelineOf({ events, refusals }: Pick<ResourceHistory, 'events' | 'refusals'>): readonly TimelineRow[] {
	const rows: TimelineRow[] = events.map((event) => ({
		...{ time: event.at ?? '', what: eventInWords(event), by: actorInWords(event) },
		event,
	}))
	for (const refusal of refusals.toReversed()) {
		const time = new Date(refusal.first).toISOString()
		const index = rows.findIndex((row) => row.time > time)
		rows.splice(index < 0 ? rows.length : index, 0, {
			...{ time, what: refusalInWords(refusal), by: actorInWords(refusal) },
			refusal,
		})
	}
	return rows
}

/** @param event with the names of members, if they are to be said */
export function eventInWords(event: HistoryEvent): string {
	const { kind, changed, before, after, other, members } = event
	const otherName = other === undefined ? '' : (other.name ?? other.id)
	switch (kind) {
		case 'joined':
			return `joined ${otherName}`
		case 'left':
			return other?.type === 'User' ? `lost the member ${otherName}, who was deleted` : `left ${otherName}`
		case 'create':
			return createdInWords(changed, members)
		case 'delete':
			if (members !== undefined) return ['deleted', ...membersInWords(changed, members)].join('; ')
			return changed.length === 0 ? 'deleted' : `deleted; left ${changed.length} groups`
		case 'unlink':
			return `left ${changed.length} groups`
		case 'erased':
			return 'taken out of the ledger'
		default:
			return [
				...valuesInWords(withoutMembers(changed, members), before, after),
				...membersInWords(changed, members),
			].join('; ')
	}
}

/** @example valuesInWords(['title'], { title: 'boss' }, { title: 'chief' }) // ['title: "boss" → "chief"'] */
function valuesInWords(
	changed: readonly string[],
	before: JsonObject | undefined,
	after: JsonObject | undefined,
): readonly string[] {
	if (before === undefined) return changed.filter((name) => !/^[+-]/.test(name)).map((name) => `${name} changed`)
	return leavesOf(before, after).map(({ path, was, is }) =>
		is === undefined ? `${path}: was ${shown(was)}` : `${path}: ${shown(was)} → ${shown(is)}`,
	)
}

/** A value that a change has replaced; `is` is left out if it is not known. Null stands for nothing. */
export type ChangedLeaf = { readonly path: string; readonly was: unknown; readonly is?: unknown }

/** The sub-attributes that a change has changed. */
export function leavesOf(before: JsonObject, after: JsonObject | undefined, prefix = ''): readonly ChangedLeaf[] {
	return Object.entries(before).flatMap(([name, was]) => {
		// The last word of the URN of an extension is enough for a reader.
		const path = `${prefix}${name.startsWith('urn:') ? name.slice(name.lastIndexOf(':') + 1) : name}`
		const is = after?.[name]
		if (isObject(was) && isObject(is)) return leavesOf(was, is, `${path}.`)
		return [{ path, was, ...(after !== undefined && { is: is ?? null }) }]
	})
}

/** A value as people read it. */
export const shown = (value: unknown): string => (value === null ? 'nothing' : JSON.stringify(value))

const countOfMembers = (count: number): string => (count === 1 ? '1 member' : `${count} members`)

function createdInWords(changed: readonly string[], members: MembersOfChange | undefined): string {
	const added = members?.added ?? { first: [], total: changed.length }
	return someInWords((count) => `created with ${count}`, added) ?? 'created'
}

/** The members are said by their names. */
const withoutMembers = (changed: readonly string[], members: MembersOfChange | undefined): readonly string[] =>
	members === undefined ? changed : changed.filter((name) => name !== 'members')

function membersInWords(changed: readonly string[], members: MembersOfChange | undefined): readonly string[] {
	const counted = (sign: string) => ({ first: [], total: changed.filter((name) => name.startsWith(sign)).length })
	const { added, removed } = members ?? { added: counted('+'), removed: counted('-') }
	const words = [someInWords((count) => `${count} added`, added), someInWords((count) => `${count} removed`, removed)]
	return words.filter((each) => each !== undefined)
}

/** @example someInWords((count) => `${count} added`, { first: [{ id: '1', name: 'joy' }], total: 3 }) // '3 members added: joy and 2 more' */
function someInWords(say: (count: string) => string, { first, total }: FirstMembers): string | undefined {
	if (first.length === 0 && (total ?? 0) === 0) return undefined
	const words = say(total === undefined ? 'members' : countOfMembers(total))
	if (first.length === 0) return words
	const names = first.map(({ id, name }) => name ?? id).join(', ')
	const more = total === undefined ? ' and more' : total > first.length ? ` and ${total - first.length} more` : ''
	return `${words}: ${names}${more}`
}

export function refusalInWords(refusal: RefusalCount): string {
	const { count, first, last } = refusal
	const times = count === 1 ? '' : ` ${count} times until ${new Date(Math.max(first, last)).toISOString()}`
	return `refused${times}: ${refusedInWords(refusal)}`
}

/** @example 'POST /Users 409 uniqueness: userName "joy" is already taken' */
export const refusedInWords = ({ method, path, status, scimType, sentence }: RefusalCount): string =>
	`${method} ${path} ${[status, scimType].filter((word) => word !== undefined).join(' ')}: ${sentence}`

export const actorInWords = ({ client, credential, requestId }: Actor): string =>
	[client, credential && `credential ${credential.label ?? credential.id}`, requestId && `request ${requestId}`]
		.filter((word) => word !== undefined)
		.join(', ')
