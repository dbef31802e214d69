import { withoutValues } from '../shared/scim/without-values.ts'
import { type RefusalCount, subjectOf } from '../shared/storage/refusals.ts'
import type { TargetCommand } from './command.ts'
import { parseSince } from './since.ts'
import { tenantNamed } from './tenant.ts'

const day = 24 * 3_600_000

/** Tells what was refused, by sentence: how often, how many people it concerns, and what helps. */
export const showFailures: TargetCommand = ({ args: [name = ''], values }) => {
	const since = parseSince(values.since, Date.now() - day)
	return async (target) => {
		const ledger = target.ledger(await tenantNamed(target, name))
		const groups = new Map<string, FailureGroup>()
		let others = 0
		for await (const refusals of ledger.refusalsSince(since)) {
			for (const refusal of refusals) {
				if (refusal.isOthers) others += refusal.count
				else addTo(groups, refusal)
			}
		}
		const sorted = [...groups.values()].sort((a, b) => b.subjects.size - a.subjects.size || b.count - a.count)
		return { text: textOf(sorted, others), json: { failures: sorted.map(jsonOf), others } }
	}
}

type FailureGroup = {
	readonly status: number
	readonly scimType: string | undefined
	/** Without the values that the requests had. */
	readonly sentence: string
	readonly requests: Set<string>
	readonly subjects: Set<string>
	/** Some of the names. */
	readonly examples: Set<string>
	count: number
	first: number
	last: number
}

const maxExamples = 3

function addTo(groups: Map<string, FailureGroup>, refusal: RefusalCount): void {
	const { status, scimType, method, path, name, resourceId, count, first, last } = refusal
	const sentence = withoutValues(refusal.sentence)
	const key = JSON.stringify([status, scimType, sentence])
	const group = groups.get(key) ?? {
		...{ status, scimType, sentence, count: 0, first, last },
		...{ requests: new Set<string>(), subjects: new Set<string>(), examples: new Set<string>() },
	}
	groups.set(key, group)
	group.count += count
	group.first = Math.min(group.first, first)
	group.last = Math.max(group.last, last)
	group.requests.add(`${method} ${path}`)
	group.subjects.add(subjectOf(refusal))
	const example = name ?? resourceId
	if (example !== undefined && group.examples.size < maxExamples) group.examples.add(example)
}

/** What helps, by the first line that fits. */
const remedies: readonly (readonly [fits: (group: FailureGroup) => boolean, remedy: string])[] = [
	[
		({ scimType }) => scimType === 'uniqueness',
		'Two resources have one value. Find the other one with rollcall history, and rename or remove one of the two in the identity provider.',
	],
	[
		({ status }) => status === 404,
		'The client still uses an id that is gone here. Restart provisioning in the identity provider, so that it looks the person up again.',
	],
	[({ status }) => status === 403, 'The credential may only read. Give the client a token with the scope scim.'],
	[({ status }) => status === 412, 'The client had an older version. It reads the resource and tries again.'],
	[
		({ status }) => status === 429,
		'The client sends more than the rate of the tenant. It tries again; or raise ROLLCALL_RATE.',
	],
	[
		({ status, scimType }) => status === 413 || scimType === 'tooMany',
		'The request is too large. Send it in several parts.',
	],
	[
		({ status }) => status === 405 || status === 501,
		'The client asks for what Rollcall does not offer: see README.md.',
	],
	[
		({ status }) => status === 400,
		'The client sends a value that the schema refuses. The sentence names the attribute: correct its mapping in the identity provider.',
	],
	[
		({ status }) => status >= 500,
		'Storage, or the SCIM server behind the relay, was away. Clients try again; docs/operations.md says what to look at.',
	],
]

const remedyOf = (group: FailureGroup): string => remedies.find(([fits]) => fits(group))?.[1] ?? 'See the sentence.'

function textOf(groups: readonly FailureGroup[], others: number): string {
	if (groups.length === 0 && others === 0) return 'Nothing was refused in this time.'
	const texts = groups.map((group) => {
		const { status, scimType, sentence, requests, subjects, examples, count, first, last } = group
		return [
			`${[status, scimType].filter((word) => word !== undefined).join(' ')}: ${sentence}`,
			`  ${count} ${count === 1 ? 'request' : 'requests'} (${[...requests].join(', ')}) about ${subjects.size} ${subjects.size === 1 ? 'person or group' : 'people or groups'}: ${[...examples].join(', ')}${subjects.size > examples.size ? ', …' : ''}`,
			`  first ${new Date(first).toISOString()}, last ${new Date(last).toISOString()}`,
			`  ${remedyOf(group)}`,
		].join('\n')
	})
	const rest = others === 0 ? [] : [`${others} more were only counted, because too many kinds came in one second.`]
	return [...texts, ...rest].join('\n\n')
}

const jsonOf = (group: FailureGroup) => ({
	status: group.status,
	...(group.scimType !== undefined && { scimType: group.scimType }),
	sentence: group.sentence,
	requests: [...group.requests],
	count: group.count,
	subjects: group.subjects.size,
	examples: [...group.examples],
	first: new Date(group.first).toISOString(),
	last: new Date(group.last).toISOString(),
	remedy: remedyOf(group),
})
