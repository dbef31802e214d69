import { UsageError } from '../shared/cli/usage-error.ts'
import { isObject, type JsonObject } from '../shared/scim/value.ts'
import type { HistoryEvent, ResourceHistory } from '../shared/storage/ledger/history.ts'
import type { Ledger } from '../shared/storage/ledger/ledger.ts'
import type { RefusalCount } from '../shared/storage/refusals.ts'
import type { Actor } from '../shared/storage/rows/directory.ts'
import type { CommandResult, TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import { parseSince } from './since.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { tenantNamed } from './tenant.ts'

/** Tells what happened to a user or a group, and what was refused. */
export const showHistory: TargetCommand = ({ args: [name = '', text], values, environment }) => {
	if (text === undefined) {
		throw new UsageError('history needs a user or a group', {
			hint: `${environment.program} history ${name} WHO, or --admin for what administrators did`,
		})
	}
	const since = parseSince(values.since)
	return async (target) => {
		const ledger = target.ledger(await tenantNamed(target, name))
		const subjects = await ledger.find(text)
		if (subjects.length === 0) return refusedAlone(target, ledger, { name, text, since })
		const histories: ResourceHistory[] = []
		for (const subject of subjects) histories.push(sinceThen(await ledger.history(subject), since))
		return { text: histories.map(textOf).join('\n\n'), json: histories.map(jsonOf) }
	}
}

type NameRequest = { readonly name: string; readonly text: string; readonly since: number }

/** Refusals about a name that no user or group has or had: a person whom no request could create. */
async function refusedAlone(
	target: DeploymentTarget,
	ledger: Ledger,
	{ name, text, since }: NameRequest,
): Promise<CommandResult> {
	const refusals = (await ledger.refusalsAbout(text)).filter(({ last }) => last >= since)
	if (refusals.length === 0) throw noSubject(target, name, text)
	const rows = refusals.map((each) => [new Date(each.first).toISOString(), refusalInWords(each), actorInWords(each)])
	return {
		text: `${text} is no user and no group.\n${table(rows)}`,
		json: [{ name: text, refusals: refusals.map(refusalJson) }],
	}
}

/** A text that means nothing that is or was there. */
export const noSubject = (target: DeploymentTarget, name: string, text: string): Failure =>
	new Failure(`the tenant ${name} has no user or group ${JSON.stringify(text)}, and none that was deleted lately`, {
		hint: `give a userName, a displayName of a group or an id; what was refused: ${target.commandLine(`failures ${name}`)}`,
	})

function sinceThen(history: ResourceHistory, since: number): ResourceHistory {
	const { events, refusals } = history
	return {
		...history,
		events: events.filter(({ at }) => at === undefined || Date.parse(at) >= since),
		refusals: refusals.filter(({ last }) => last >= since),
	}
}

type TimelineRow = { readonly time: string; readonly what: string; readonly by: string }

function textOf(history: ResourceHistory): string {
	const { id, type, name = '(no name)', isDeleted } = history
	const heading = `${type} ${name}, ${id}${isDeleted ? ', deleted' : ''}`
	const rows = timelineOf(history)
	if (rows.length === 0) return `${heading}\nNothing is known of this time.`
	return `${heading}\n${table(rows.map(({ time, what, by }) => [time, what, by]))}`
}

/** Changes and refusals by their time. Changes stay in the order of the feed. */
function timelineOf({ events, refusals }: ResourceHistory): readonly TimelineRow[] {
	const rows = events.map((event) => ({ time: event.at ?? '', what: eventInWords(event), by: actorInWords(event) }))
	for (const refusal of refusals.toReversed()) {
		const time = new Date(refusal.first).toISOString()
		const index = rows.findIndex((row) => row.time > time)
		rows.splice(index < 0 ? rows.length : index, 0, { time, what: refusalInWords(refusal), by: actorInWords(refusal) })
	}
	return rows
}

function eventInWords({ kind, changed, before, after, other }: HistoryEvent): string {
	const otherName = other === undefined ? '' : (other.name ?? other.id)
	switch (kind) {
		case 'joined':
			return `joined ${otherName}`
		case 'left':
			return other?.type === 'User' ? `lost the member ${otherName}, who was deleted` : `left ${otherName}`
		case 'create':
			return changed.length === 0 ? 'created' : `created with ${changed.length} members`
		case 'delete':
			return changed.length === 0 ? 'deleted' : `deleted; left ${changed.length} groups`
		case 'unlink':
			return `left ${changed.length} groups`
		case 'erased':
			return 'taken out of the ledger'
		default:
			return [...valuesInWords(changed, before, after), ...membersInWords(changed)].join('; ')
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

type ChangedLeaf = { readonly path: string; readonly was: unknown; readonly is?: unknown }

function leavesOf(before: JsonObject, after: JsonObject | undefined, prefix = ''): readonly ChangedLeaf[] {
	return Object.entries(before).flatMap(([name, was]) => {
		// The last word of the URN of an extension is enough for a reader.
		const path = `${prefix}${name.startsWith('urn:') ? name.slice(name.lastIndexOf(':') + 1) : name}`
		const is = after?.[name]
		if (isObject(was) && isObject(is)) return leavesOf(was, is, `${path}.`)
		return [{ path, was, ...(after !== undefined && { is: is ?? null }) }]
	})
}

const shown = (value: unknown): string => (value === null ? 'nothing' : JSON.stringify(value))

function membersInWords(changed: readonly string[]): readonly string[] {
	const added = changed.filter((name) => name.startsWith('+')).length
	const removed = changed.filter((name) => name.startsWith('-')).length
	return [
		...(added > 0 ? [`${added} ${added === 1 ? 'member' : 'members'} added`] : []),
		...(removed > 0 ? [`${removed} ${removed === 1 ? 'member' : 'members'} removed`] : []),
	]
}

function refusalInWords({ method, path, status, scimType, sentence, count, first, last }: RefusalCount): string {
	const times = count === 1 ? '' : ` ${count} times until ${new Date(last > first ? last : first).toISOString()}`
	return `refused${times}: ${method} ${path} ${[status, scimType].filter((word) => word !== undefined).join(' ')}: ${sentence}`
}

const actorInWords = ({ client, credential, requestId }: Actor): string =>
	[client, credential && `credential ${credential.label ?? credential.id}`, requestId && `request ${requestId}`]
		.filter((word) => word !== undefined)
		.join(', ')

const jsonOf = ({ refusals, ...history }: ResourceHistory) => ({ ...history, refusals: refusals.map(refusalJson) })

/** A count of refusals with times as people read them. */
const refusalJson = ({ operation: _, first, last, ...refusal }: RefusalCount) => ({
	...refusal,
	first: new Date(first).toISOString(),
	last: new Date(last).toISOString(),
})
