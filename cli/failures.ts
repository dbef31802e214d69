import type { TargetCommand } from './command.ts'
import { type FailureGroup, failuresIn } from './failure-groups.ts'
import { parseSince } from './since.ts'
import { tenantNamed } from './tenant.ts'

const day = 24 * 3_600_000
const examplesAtMost = 3

/** Tells what was refused, by sentence: how often, how many people it concerns, and what helps. */
export const showFailures: TargetCommand = ({ args: [name = ''], values }) => {
	const since = parseSince(values.since, Date.now() - day)
	return async (target) => {
		const ledger = target.ledger(await tenantNamed(target, name))
		const { groups, others } = await failuresIn(ledger.refusalsSince(since), examplesAtMost)
		return { text: textOf(groups, others), json: { failures: groups.map(jsonOf), others } }
	}
}

function textOf(groups: readonly FailureGroup[], others: number): string {
	if (groups.length === 0 && others === 0) return 'Nothing was refused in this time.'
	const texts = groups.map((group) => {
		const { status, scimType, sentence, requests, subjects, count, first, last, remedy } = group
		const examples = namesIn(group)
		return [
			`${[status, scimType].filter((word) => word !== undefined).join(' ')}: ${sentence}`,
			`  ${count} ${count === 1 ? 'request' : 'requests'} (${requests.join(', ')}) about ${subjects} ${subjects === 1 ? 'person or group' : 'people or groups'}: ${examples.join(', ')}${subjects > examples.length ? ', …' : ''}`,
			`  first ${new Date(first).toISOString()}, last ${new Date(last).toISOString()}`,
			`  ${remedy}`,
		].join('\n')
	})
	const rest = others === 0 ? [] : [`${others} more were only counted, because too many kinds came in one second.`]
	return [...texts, ...rest].join('\n\n')
}

const namesIn = ({ examples }: FailureGroup): readonly string[] => examples.map(({ name, id }) => name ?? id ?? '')

const jsonOf = (group: FailureGroup) => ({
	status: group.status,
	...(group.scimType !== undefined && { scimType: group.scimType }),
	sentence: group.sentence,
	requests: group.requests,
	count: group.count,
	subjects: group.subjects,
	examples: namesIn(group),
	first: new Date(group.first).toISOString(),
	last: new Date(group.last).toISOString(),
	remedy: group.remedy,
})
