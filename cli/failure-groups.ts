import { withoutValues } from '../shared/scim/without-values.ts'
import { type RefusalCount, subjectOf } from '../shared/storage/refusals.ts'

/** Refusals of one sentence. */
export type FailureGroup = {
	readonly status: number
	readonly scimType: string | undefined
	/** Without the values that the requests had, and without the number of the operation. */
	readonly sentence: string
	/** Such as `POST /Users`. */
	readonly requests: readonly string[]
	readonly count: number
	/** How many people and groups it concerns. */
	readonly subjects: number
	/** Some of them. */
	readonly examples: readonly FailedSubject[]
	/** Milliseconds since 1970. */
	readonly first: number
	/** Milliseconds since 1970. */
	readonly last: number
	readonly remedy: string
	/** The same for a reader of the console, if the command line has another way. */
	readonly consoleRemedy?: string
	/** The page that says more, such as `docs/schema.md`. */
	readonly page: string
}

/** What a refused request was about: a name, an id, or both. */
export type FailedSubject = { readonly name?: string; readonly id?: string }

export type Failures = {
	/** The sentence that concerns most people and groups comes first. */
	readonly groups: readonly FailureGroup[]
	/** Requests that were only counted. */
	readonly others: number
}

/** Groups refusals by their sentence. @param examplesAtMost how many people and groups each group names */
export async function failuresIn(
	pages: AsyncIterable<readonly RefusalCount[]>,
	examplesAtMost: number,
): Promise<Failures> {
	const gatherings = new Map<string, Gathering>()
	let others = 0
	for await (const refusals of pages) {
		for (const refusal of refusals) {
			if (refusal.isOthers) others += refusal.count
			else gather(gatherings, refusal, examplesAtMost)
		}
	}
	const groups = [...gatherings.values()].map(groupOf)
	return { groups: groups.sort((a, b) => b.subjects - a.subjects || b.count - a.count), others }
}

type Gathering = Pick<FailureGroup, 'status' | 'scimType' | 'sentence'> & {
	readonly requests: Set<string>
	readonly subjects: Set<string>
	readonly examples: Map<string, FailedSubject>
	count: number
	first: number
	last: number
}

function gather(gatherings: Map<string, Gathering>, refusal: RefusalCount, examplesAtMost: number): void {
	const { status, scimType, method, path, name, resourceId, count, first, last } = refusal
	const sentence = kindOfSentence(refusal.sentence)
	const key = JSON.stringify([status, scimType, sentence])
	const group = gatherings.get(key) ?? {
		...{ status, scimType, sentence, count: 0, first, last },
		...{ requests: new Set<string>(), subjects: new Set<string>(), examples: new Map<string, FailedSubject>() },
	}
	gatherings.set(key, group)
	group.count += count
	group.first = Math.min(group.first, first)
	group.last = Math.max(group.last, last)
	group.requests.add(`${method} ${path}`)
	group.subjects.add(subjectOf(refusal))
	const example = name ?? resourceId
	if (example === undefined || group.examples.size === examplesAtMost) return
	group.examples.set(example, {
		...(name !== undefined && { name }),
		...(resourceId !== undefined && { id: resourceId }),
	})
}

/** The sentence without what the request had. The third operation of one PATCH may be refused for the reason of a POST. */
const kindOfSentence = (sentence: string): string =>
	withoutValues(sentence)
		.replace(/^Operations\[\d+\]: /, '')
		.replace(/^Operations\[\d+\]/, 'Operations[…]')

const groupOf = ({ requests, subjects, examples, ...gathering }: Gathering): FailureGroup => ({
	...gathering,
	requests: [...requests],
	subjects: subjects.size,
	examples: [...examples.values()],
	...remedyOf(gathering),
})

type Remedy = Pick<FailureGroup, 'remedy' | 'consoleRemedy' | 'page'>

/** What helps, by the first line that fits. */
const remedies: readonly (Remedy & {
	readonly fits: (group: Pick<FailureGroup, 'status' | 'scimType' | 'sentence'>) => boolean
})[] = [
	{
		fits: ({ status, sentence }) => status === 503 && sentence.startsWith('The guard of this tenant '),
		remedy:
			'Find out whether so many are to be deleted. If so: rollcall guard allow NAME --for 2h. If not, correct the scope in the identity provider.',
		consoleRemedy:
			'Find out whether so many are to be deleted. If so, press "Allow all deletions for a while" on the page Safety. If not, correct the scope in the identity provider.',
		page: 'docs/operations.md#very-many-are-deleted-or-deactivated',
	},
	{
		fits: ({ scimType }) => scimType === 'uniqueness',
		remedy:
			'Two resources have one value. Find the other one with rollcall history, and rename or remove one of the two in the identity provider.',
		consoleRemedy:
			'Two resources have one value. Search for the value on the page Activity, and rename or remove one of the two in the identity provider.',
		page: 'docs/operations.md#from-a-symptom-to-its-cause',
	},
	{
		fits: ({ status }) => status === 404,
		remedy:
			'The client still uses an id that is gone here. Restart provisioning in the identity provider, so that it looks the person up again.',
		page: 'docs/operations.md#from-a-symptom-to-its-cause',
	},
	{
		fits: ({ status }) => status === 403,
		remedy: 'The credential may only read. Give the client a token with the scope scim.',
		page: 'docs/cli.md#scopes',
	},
	{
		fits: ({ status }) => status === 412,
		remedy: 'The client had an older version. It reads the resource and tries again.',
		page: 'docs/history.md#refusals',
	},
	{
		fits: ({ status }) => status === 429,
		remedy: 'The client sends more than the rate of the tenant. It tries again; or raise ROLLCALL_RATE.',
		page: 'docs/operations.md#limits',
	},
	{
		fits: ({ status, scimType }) => status === 413 || scimType === 'tooMany',
		remedy: 'The request is too large. Send it in several parts.',
		page: 'docs/operations.md#limits',
	},
	{
		fits: ({ status }) => status === 405 || status === 501,
		remedy: 'The client asks for what Rollcall does not offer: see README.md.',
		page: 'README.md',
	},
	{
		fits: ({ status }) => status === 400,
		remedy:
			'The client sends a value that the schema refuses. The sentence names the attribute: correct its mapping in the identity provider.',
		page: 'docs/schema.md',
	},
	{
		fits: ({ status }) => status >= 500,
		remedy:
			'Storage, or the SCIM server behind the relay, was away. Clients try again; docs/operations.md says what to look at.',
		page: 'docs/operations.md#from-a-symptom-to-its-cause',
	},
]

const unknown: Remedy = { remedy: 'See the sentence.', page: 'docs/history.md#refusals' }

function remedyOf(group: Pick<FailureGroup, 'status' | 'scimType' | 'sentence'>): Remedy {
	const { fits: _, ...remedy } = remedies.find(({ fits }) => fits(group)) ?? { ...unknown, fits: undefined }
	return remedy
}
