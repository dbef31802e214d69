// All entries of one epoch are known together. Their ids mostly tell in which order the changes were made, because an id is
// later than the version that its change has replaced. What the ids do not tell is put right here:
// - A resource is created before and deleted after everything else that names it.
// - Members are added and removed without reading, so that no id says which change came first. But each such change had an
//   effect. So for one user in one group they alternate, and their sum is what the epoch did.

/** One entry of the feed of changes as it is read. */
export type ChangeEntry = {
	/** The id of the operation, which is the version of what it wrote. */
	readonly operation: string
	/** Milliseconds since 1970, by the clock of the process that wrote it. */
	readonly time: number
	readonly kind: 'create' | 'update' | 'members' | 'unlink' | 'delete'
	readonly resourceType: string
	readonly id: string
	/** Names of attributes; `+id` and `-id` for members; of `unlink`, and of a user's `delete`, the groups that were left. */
	readonly changed: readonly string[]
	/** Of a deletion: the `userName` or `displayName`, and the `externalId`. */
	readonly name?: string
	readonly externalId?: string
}

/** The entries of an epoch, given by id, in the order in which readers are told. */
export function inEpochOrder(entries: readonly ChangeEntry[]): readonly ChangeEntry[] {
	return withNetMembers(withListsLast(ordered(entries)))
}

/** Where an entry stands: `place` is an operation, and `rank` is before or behind the entry of that operation. */
type EntryPosition = { readonly place: string; readonly rank: number }

function ordered(entries: readonly ChangeEntry[]): readonly ChangeEntry[] {
	const spans = spansOf(entries)
	const positions = new Map(entries.map((entry) => [entry, positionOf(entry, spans)]))
	return entries.toSorted((a, b) => compare(positions.get(a), positions.get(b)))
}

type Span = { readonly first: string; readonly last: string }

/** The first and the last operation that names a resource. Entries are given by operation. */
function spansOf(entries: readonly ChangeEntry[]): ReadonlyMap<string, Span> {
	const spans = new Map<string, Span>()
	for (const entry of entries) {
		const { operation } = entry
		for (const id of namesOf(entry)) spans.set(id, { first: spans.get(id)?.first ?? operation, last: operation })
	}
	return spans
}

/** The ids of the resources that an entry is about: its own, its members, the groups that a user has left. */
const namesOf = ({ id, kind, resourceType, changed }: ChangeEntry): readonly string[] => [
	id,
	...(isLeaving({ kind, resourceType })
		? changed
		: changed.filter((name) => signOf(name) !== 0).map((name) => name.slice(1))),
]

const isLeaving = ({ kind, resourceType }: Pick<ChangeEntry, 'kind' | 'resourceType'>): boolean =>
	resourceType === 'User' && (kind === 'delete' || kind === 'unlink')

function positionOf({ id, kind, operation }: ChangeEntry, spans: ReadonlyMap<string, Span>): EntryPosition {
	const { first = operation, last = operation } = spans.get(id) ?? {}
	if (kind === 'create') return { place: first, rank: -1 }
	return kind === 'delete' ? { place: last, rank: 1 } : { place: operation, rank: 0 }
}

function compare(a: EntryPosition | undefined, b: EntryPosition | undefined): number {
	if (a === undefined || b === undefined) return 0
	return a.place === b.place ? a.rank - b.rank : a.place < b.place ? -1 : 1
}

/**
 * If an epoch has a change of a group's members that does not list them, all changes of these members are told as one
 * such entry, behind them all. The reader reads the group.
 */
function withListsLast(entries: readonly ChangeEntry[]): readonly ChangeEntry[] {
	const unlisted = new Map(entries.filter(isUnlisted).map((entry) => [entry.id, entry]))
	if (unlisted.size === 0) return entries
	const lastOf = new Map(
		entries.filter(({ id, kind }) => unlisted.has(id) && kind !== 'delete').map((entry) => [entry.id, entry]),
	)
	return entries.flatMap((entry) => {
		const list = unlisted.get(entry.id)
		if (list === undefined || entry.kind === 'delete') return [entry]
		const rest = entry.changed.filter((name) => name !== 'members' && signOf(name) === 0)
		const isEmptied = rest.length === 0 && entry.changed.length > 0
		const told = isEmptied || entry === list ? [] : [{ ...entry, changed: rest }]
		return lastOf.get(entry.id) === entry ? [...told, withMembers(list)] : told
	})
}

const isUnlisted = ({ kind, resourceType, changed }: ChangeEntry): boolean =>
	kind === 'update' && resourceType === 'Group' && changed.includes('members')

const withMembers = (entry: ChangeEntry): ChangeEntry => ({
	...entry,
	changed: [...entry.changed.filter((name) => signOf(name) === 0 && name !== 'members'), 'members'],
})

/**
 * Of all entries that add or remove one user in one group, the last one tells the sum, and the others leave it out. If the
 * sum is zero, the last one says that members changed. A reader may have read the group between the two changes.
 */
function withNetMembers(entries: readonly ChangeEntry[]): readonly ChangeEntry[] {
	const sums = new Map<string, number>()
	const lastOf = new Map<string, ChangeEntry>()
	for (const entry of entries) {
		for (const { pair, sign } of pairsOf(entry)) {
			sums.set(pair, (sums.get(pair) ?? 0) + sign)
			lastOf.set(pair, entry)
		}
	}
	return entries.flatMap((entry) => {
		const pairs = pairsOf(entry)
		if (pairs.length === 0) return [entry]
		const names = entry.changed.filter((name) => !pairs.some((pair) => pair.name === name))
		const told = pairs.flatMap(({ pair, name }) =>
			lastOf.get(pair) === entry ? toldName(name, sums.get(pair) ?? 0) : [],
		)
		const isEmptied = names.length + told.length === 0 && entry.kind !== 'delete'
		const kind = entry.kind === 'members' && told.includes('members') ? 'update' : entry.kind
		return isEmptied ? [] : [{ ...entry, kind, changed: [...new Set([...names, ...told])] }]
	})
}

/**
 * A member as the sum says: added, removed, or neither, so that the reader reads the group. A group that a user has left
 * has no sign: the deletion of the user says enough.
 */
function toldName(name: string, sum: number): readonly string[] {
	if (sum === 0) return signOf(name) === 0 ? [] : ['members']
	return signOf(name) === 0 ? [name] : [`${sum > 0 ? '+' : '-'}${name.slice(1)}`]
}

type Pair = { readonly pair: string; readonly sign: number; readonly name: string }

function pairsOf(entry: ChangeEntry): readonly Pair[] {
	const { id, changed, resourceType } = entry
	if (isLeaving(entry)) return changed.map((groupId) => ({ pair: `${groupId} ${id}`, sign: -1, name: groupId }))
	if (resourceType !== 'Group') return []
	return changed
		.filter((name) => signOf(name) !== 0)
		.map((name) => ({ pair: `${id} ${name.slice(1)}`, sign: signOf(name), name }))
}

/** 1 for `+<id>`, -1 for `-<id>`, 0 for the name of an attribute. */
const signOf = (name: string): number => (name.startsWith('+') ? 1 : name.startsWith('-') ? -1 : 0)
