import { UsageError } from '../shared/cli/usage-error.ts'
import type { ResourceHistory } from '../shared/storage/ledger/history.ts'
import type { Ledger } from '../shared/storage/ledger/ledger.ts'
import type { RefusalCount } from '../shared/storage/refusals.ts'
import type { CommandResult, TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import { actorInWords, refusalInWords, timelineOf } from './history-words.ts'
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

function textOf(history: ResourceHistory): string {
	const { id, type, name = '(no name)', isDeleted } = history
	const heading = `${type} ${name}, ${id}${isDeleted ? ', deleted' : ''}`
	const rows = timelineOf(history)
	if (rows.length === 0) return `${heading}\nNothing is known of this time.`
	return `${heading}\n${table(rows.map(({ time, what, by }) => [time, what, by]))}`
}

const jsonOf = ({ refusals, ...history }: ResourceHistory) => ({ ...history, refusals: refusals.map(refusalJson) })

/** A count of refusals with times as people read them. */
const refusalJson = ({ operation: _, first, last, ...refusal }: RefusalCount) => ({
	...refusal,
	first: new Date(first).toISOString(),
	last: new Date(last).toISOString(),
})
