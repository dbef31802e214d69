import { Fault } from '../../fault.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { Properties } from '../table/batch.ts'
import { histogram } from './count-histogram.ts'
import { jsonText, packedText } from './json-text.ts'
import { type IndexEntries, maxOwnIndexes } from './own-indexes.ts'
import { type Column, flag, integer, numberedTexts, optionalText, rowKind, tally, text } from './row-kind.ts'

// Every kind of row of a tenant's table: the one place that knows keys and stored names. All rows of a tenant lie in one
// partition, so that one transaction can change any of them together. `|` separates the parts of a key and sorts after
// everything that a part may hold. Rows of indexes are declared in indexes.ts.

const content = {
	id: text('id', 'the id of the resource'),
	created: text('cr', 'when the resource was created: RFC 3339, UTC'),
	lastModified: text('lm', 'when the resource was last changed: RFC 3339, UTC'),
	attributes: jsonText('the attributes of the resource as JSON, without `id`, `meta`, `members` and `groups`'),
	isFoldedAnew: flag('nf', 'keys and columns are folded as in format 2; only if format 1 folds a value in another way'),
}

const entryProperty = (slot: number): string => `o${slot}`

const entryProperties = Array.from({ length: maxOwnIndexes }, (_, slot) => entryProperty(slot))

/** The property of a user's row that has the entry of one index. An empty text removes the entry. */
export const withEntry = (slot: number, key: string): Properties => ({ [entryProperty(slot)]: key })

/** The keys of a user's rows in the tenant's own indexes, a property for each slot. An empty text stands for none. */
const entries: Column<IndexEntries> = {
	stored: 'o0',
	meaning: "the key of the user's row in the first of the tenant's own indexes; `o1` to `o4` those in the others",
	isIn: (row) => entryProperties.some((property) => row[property] !== undefined),
	of: (row) =>
		entryProperties.map((property) => {
			const value = row[property]
			return typeof value === 'string' && value !== '' ? value : undefined
		}),
	properties: (values) =>
		Object.fromEntries(values.flatMap((value, slot) => (value === undefined ? [] : [[entryProperty(slot), value]]))),
}

export const userRow = rowKind({
	parts: ['user'],
	key: (id) => `u|${id}`,
	meaning: 'A user.',
	columns: { ...content, version: text('v', 'the version: the operation that last changed the user'), entries },
})

export const groupRow = rowKind({
	parts: ['group'],
	key: (id) => `g|${id}`,
	meaning: 'A group without its members.',
	columns: {
		...content,
		attributesVersion: text('v', 'the operation that last wrote this row whole'),
		version: text('mv', 'the version: the operation that last changed the group or its members'),
		pendingChange: text('pend', 'the large change that is committed and not yet applied; empty if there is none'),
		latestChange: optionalText('lc', 'the change that the row `m|<group>|!` must name too'),
	},
})

/** A group's version moves with its members, a user's with the user alone. */
export const resourceRows = { User: userRow, Group: groupRow } as const satisfies Record<ResourceType['name'], unknown>

/** The key of a resource's own row. */
export const resourceKey = ({ name }: Pick<ResourceType, 'name'>, id: string): string => resourceRows[name].key(id)

/** The existence row of a resource sorts before the memberships of a user, which begin with the same parts. */
export const existenceRow = rowKind({
	parts: ['id'],
	key: (id) => `r|${id}|`,
	meaning: 'Exists as long as the resource does. Each change that adds the user to a group touches it.',
	columns: { letter: text('t', '`u` for a user, `g` for a group') },
})

export const memberRow = rowKind({
	parts: ['group', 'user'],
	key: (groupId, userId) => `m|${groupId}|${userId}`,
	meaning: 'A membership, listed by the group.',
	columns: {
		letter: text('t', '`u`: the member is a user'),
		display: optionalText('d', 'what the client called the member'),
		isLeaving: flag('x', 'the user is about to be deleted: the member counts while the existence row is there'),
	},
})

export const membershipRow = rowKind({
	parts: ['user', 'group'],
	key: (userId, groupId) => `r|${userId}|${groupId}`,
	meaning: 'The same membership, listed by the user.',
	columns: {},
})

export const membersUnlockedRow = rowKind({
	parts: ['group'],
	key: (groupId) => `k|${groupId}`,
	meaning: 'Exists while the members may be changed without reading the group: while no large change is pending.',
	columns: {},
})

/** Stands in the place of a member's id, or begins it, and sorts before all ids. */
const beforeIds = '!'

export const latestChangeRow = rowKind({
	parts: ['group'],
	key: (groupId) => `m|${groupId}|${beforeIds}`,
	meaning:
		'The latest large change, or change of attributes and members together. Readers of the members meet it first.',
	columns: {
		operation: text('op', 'the change'),
		isPending: flag('open', 'the change is committed and not yet applied: the rows of members are not all that counts'),
	},
})

/** Whether the last part of a key below `m|<group>|` stands for the latest change and not for a member. */
export const isLatestChange = (lastPart: string): boolean => lastPart === beforeIds

export const pendingMembershipRow = rowKind({
	parts: ['user', 'operation'],
	key: (userId, operation) => `r|${userId}|${beforeIds}${operation}`,
	meaning: 'A membership that a large change will add. It counts once the group names the operation as pending.',
	columns: { groupId: text('g', 'the group') },
})

/** The operation of a pending membership by the last part of its key; undefined for the id of a group. */
export const pendingOperation = (lastPart: string): string | undefined =>
	lastPart.startsWith(beforeIds) ? lastPart.slice(beforeIds.length) : undefined

export const feedRow = rowKind({
	parts: ['operation'],
	key: (operation) => `c|${operation}`,
	meaning: 'An entry of the feed of changes, and the proof that the operation was done.',
	columns: {
		kind: text('k', '`create`, `update`, `members`, `unlink`, `delete`; `withdrawn` if the operation was not done'),
		resourceType: text('rt', 'the name of the resource type'),
		id: text('id', 'the id of the resource'),
		changed: optionalText('chg', 'names of attributes, ids of members or groups, separated by blanks'),
		name: optionalText('nm', 'of a deletion: the `userName` of the user, or the `displayName` of the group'),
		externalId: optionalText('xid', 'of a deletion: the `externalId` of the resource'),
		at: optionalText('at', 'when, by the clock of the process that made the change: RFC 3339, UTC'),
		credential: optionalText('cred', 'the id of the credential of the request'),
		label: optionalText('lbl', 'the label of the credential'),
		requestId: optionalText('rq', 'the id of the request, as the log has it'),
		client: optionalText('cl', 'the kind of the client, such as Entra or Okta'),
		firstMembers: optionalText('add', 'of a created group: the ids of its first members, separated by blanks'),
		before: packedText('w', 'what the change has replaced or removed, as JSON'),
		large: optionalText('lg', 'the large change that the members came or went by'),
		isDeactivation: flag('off', 'the change has deactivated the user; only in rows `c` and `f`'),
		erased: optionalText(
			'er',
			'ids of people who were erased, whose histories leave the entry out; only in rows `c` and `f`',
		),
		addedMembers: tally('ad', 'how many members a large change of an existing group adds; only in rows `c` and `f`'),
		removedMembers: tally('rm', 'how many it removes, or how many users it names to remove'),
	},
})

/** The number of an epoch as a part of a key. */
export const epochPart = (epoch: number): string => epoch.toString(16).padStart(12, '0')

export const epochEntryRow = rowKind({
	parts: ['epoch', 'operation'],
	key: (epoch, operation) => `f|${epoch}|${operation}`,
	meaning: 'The same for a change that was made in an epoch.',
	columns: feedRow.columns,
})

export const epochPointerRow = rowKind({
	parts: [],
	key: () => `e|${beforeIds}`,
	meaning: 'Says which epoch is open.',
	columns: {
		open: integer('n', 'the open epoch; 0 as long as entries `c|` are written'),
		lanes: integer('lanes', 'how many rows `e|<epoch>|<lane>` the open epoch has'),
		first: integer('first', 'the oldest epoch that has all its entries; 0 as long as entries `c|` are kept'),
	},
})

export const epochLaneRow = rowKind({
	parts: ['epoch', 'lane'],
	key: (epoch, lane) => `e|${epoch}|${lane}`,
	meaning: 'Exists while the epoch is open. Each change touches one.',
	columns: {},
})

export const epochEndRow = rowKind({
	parts: ['epoch'],
	key: (epoch) => `z|${epoch}`,
	meaning: 'The epoch and all before it were over at the `Timestamp` of this row. Written at most once a minute.',
	columns: {},
})

export const historyRow = rowKind({
	parts: ['id', 'epoch', 'operation'],
	key: (id, epoch, operation) => `h|${id}|${epoch}|${operation}`,
	meaning:
		'An entry of the feed that is about the resource, by the resource. With `=<value>` for `<id>`: a name that a resource had until then.',
	columns: {
		...feedRow.columns,
		kind: text(
			'k',
			'as in the entry; `joined` and `left` for a member, with the other resource in `id`; `name`; `erased`',
		),
		name: optionalText('nm', 'the displayName of the group that a user has joined or left'),
	},
})

export const historyPointerRow = rowKind({
	parts: [],
	key: () => `h|${beforeIds}`,
	meaning: 'How far the sweep has come with the rows `h|`.',
	columns: {
		position: text('pos', 'the key of the last entry that is done; empty at the beginning'),
		part: optionalText('part', 'the key of the last row `l|` that is done of the next entry'),
	},
})

export const indexTurnRow = rowKind({
	parts: ['turn'],
	key: (turn) => `h|${beforeIds}${turn}`,
	meaning:
		'Exists while rows `h|` may be written of entries that were read in this turn. An erasure ends the turn. The turn 0 stays.',
	columns: {},
})

export const guardPointerRow = rowKind({
	parts: [],
	key: () => `d|${beforeIds}`,
	meaning: 'How far the guard against mass deletion has passed over entries that are older than an hour.',
	columns: { position: text('pos', 'the key of the last entry that was passed over') },
})

export const lossRow = rowKind({
	parts: ['operation'],
	key: (operation) => `d|${operation}`,
	meaning: 'A deletion that counts for the guard of a tenant with the setting `hold`. Removed after two hours.',
	columns: { resourceType: text('rt', '`User` or `Group`') },
})

/** All rows of deletions that count, and not the position of the guard. */
export const lossKeys = { from: 'd|0', to: 'd|~' } as const

/** The subject of the refusals that are only counted. */
export const otherRefusals = beforeIds

export const refusalRow = rowKind({
	parts: ['subject', 'operation'],
	key: (subject, operation) => `q|${subject}|${operation}`,
	meaning:
		'Refusals of one sentence to one credential about one resource, or about one name, as `=<value>`. `!` counts those that have no row.',
	columns: {
		name: optionalText('nm', 'the userName, displayName or externalId in the request'),
		method: text('me', 'the method of the request'),
		path: text('pa', 'the template of its path'),
		status: integer('s', 'the status of the answer'),
		scimType: optionalText('st', 'the scimType of the answer'),
		sentence: text('de', 'the sentence of the answer; without values if the history is `names`'),
		credential: feedRow.credential,
		label: feedRow.label,
		client: feedRow.client,
		requestId: optionalText('rq', 'the id of the last of these requests'),
		count: integer('n', 'how many'),
		first: text('fi', 'when the first one was: RFC 3339, UTC'),
		last: text('la', 'when the last one was: RFC 3339, UTC'),
	},
})

/** A large change of a group's members, by its own operation. */
export type LargeChange = { readonly groupId: string; readonly operation: string }

export const preparedChangeRow = rowKind({
	parts: ['group', 'operation'],
	key: (groupId, operation) => `j|gp|${groupId}|${operation}`,
	meaning: 'Exists while a large change is being prepared.',
	columns: {},
})

export const committedChangeRow = rowKind({
	parts: ['group', 'operation'],
	key: (groupId, operation) => `j|gm|${groupId}|${operation}`,
	meaning: 'Exists from the commit of a large change until all of it is applied.',
	columns: {},
})

export const sliceRow = rowKind({
	parts: ['group', 'operation', 'number'],
	key: (groupId, operation, number) => `j|gi|${groupId}|${operation}|${number}`,
	meaning: 'A slice of a large change, at most 1,000 members. Removed when it is applied.',
	columns: {
		change: jsonText('the members to add and the ids to remove, as JSON'),
		isKept: flag('keep', 'the ledger keeps the members: a row `l|` follows when they are applied'),
		stayed: numberedTexts(
			'c',
			'of the first part that is applied: the users to add who were members before, separated by blanks; `c1`, `c2`, … those of the next parts',
		),
	},
})

export const keptMembersRow = rowKind({
	parts: ['operation', 'part'],
	key: (operation, part) => `l|${operation}|${part}`,
	meaning: 'Members that a large change, or the deletion of a group, has added or removed. Kept as long as the feed.',
	columns: { change: packedText('w', 'the members to add and those that were removed, as JSON') },
})

export const orphanPointerRow = rowKind({
	parts: [],
	key: () => `l|${beforeIds}`,
	meaning: 'How far the sweep has looked for rows `h|` and `l|` whose entry is gone.',
	columns: { position: text('pos', 'the key of the last row that it has looked at; empty at the beginning') },
})

export const deletedGroupRow = rowKind({
	parts: ['group'],
	key: (groupId) => `j|dg|${groupId}`,
	meaning: 'A deleted group whose memberships are still being removed.',
	columns: { operation: optionalText('op', 'the deletion, if the ledger keeps the members') },
})

/** The job of a value of a unique own index that several users have, until one of them at most has it. */
export const sharedValueRow = rowKind({
	parts: ['index', 'value'],
	key: (index, value) => `j|ov|${index}|${value}`,
	meaning: 'A value of a unique index of the tenant that several users had before the index was there.',
	columns: {},
})

export const deletedUserRow = rowKind({
	parts: ['user'],
	key: (userId) => `j|du|${userId}`,
	meaning: 'A deleted user whose memberships are still being removed.',
	columns: {},
})

export const preparedKey = ({ groupId, operation }: LargeChange): string => preparedChangeRow.key(groupId, operation)
export const committedKey = ({ groupId, operation }: LargeChange): string => committedChangeRow.key(groupId, operation)

/** @param number counts from 0; '' for the beginning of the keys of all slices */
export const sliceKey = ({ groupId, operation }: LargeChange, number: number | ''): string =>
	sliceRow.key(groupId, operation, number === '' ? '' : String(number).padStart(6, '0'))

const letters = { User: 'u', Group: 'g' } as const satisfies Record<ResourceType['name'], string>

/** The existence row and the rows of counts tell users from groups by a letter. */
export const letterOf = ({ name }: Pick<ResourceType, 'name'>): 'u' | 'g' => letters[name]

export const countRow = rowKind({
	parts: ['letter'],
	key: (letter) => `n|${letter}|!base`,
	meaning: 'How many users (`u`) or groups (`g`) there are, without the differences below.',
	columns: {
		total: integer('n', 'how many'),
		histogram: histogram(),
	},
})

export const countDifferenceRow = rowKind({
	parts: ['letter', 'operation'],
	key: (letter, operation) => `n|${letter}|+${operation}`,
	meaning: 'A creation or a deletion that the count does not hold yet.',
	columns: {
		id: text('id', 'the id of the resource'),
		difference: integer('d', '1 or -1'),
	},
})

/** One row for many values, so that no row is left of a name that was deleted. */
export const spellingsRow = rowKind({
	parts: ['index', 'digits'],
	key: (index, digits) => `s|${index}|${digits}`,
	meaning:
		'Changes with each insert of a row of a unique index whose value format 1 may spell in several ways. Its key has two digits of a digest of the value.',
	columns: {},
})

export const clientRow = rowKind({
	parts: ['client'],
	key: (client) => `o|c|${client}`,
	meaning: 'What may get access tokens for the tenant, or may read with a token of Entra.',
	columns: { client: jsonText('the client as JSON, with digests of its secrets') },
})

export const agentsRow = rowKind({
	parts: [],
	key: () => `o|g|${beforeIds}`,
	meaning:
		'The agents that have enrolled or may enrol. One row, so that its ETag decides which of two machines was first.',
	columns: { agents: jsonText('the agents as JSON, with their public keys and digests of their codes') },
})

export const administrationRow = rowKind({
	parts: ['operation'],
	key: (operation) => `o|a|${operation}`,
	meaning: 'What an administrator has done with a command. It names no person of the directory.',
	columns: {
		time: text('at', 'when the command began: RFC 3339, UTC'),
		command: text('cmd', 'the words of the command'),
		administrator: text('oid', "the administrator's object id in Entra; empty on a laptop"),
		name: text('who', "the administrator's name in Entra, or the user of the laptop"),
		outcome: text('end', '`begun`, `done` or `failed`; `begun` stays if the command is interrupted'),
	},
})

export const lastUseRow = rowKind({
	parts: ['credential'],
	key: (credential) => `o|u|${credential}`,
	meaning: 'When a credential was last used. Each process writes the row at most once an hour.',
	columns: { used: text('at', 'the time: RFC 3339, UTC') },
})

export const undeclaredRow = rowKind({
	parts: ['letter', 'path'],
	key: (letter, path) => `w|${letter}|${path}`,
	meaning: 'A path that clients have sent for users (`u`) or groups (`g`), and that no schema declares.',
	columns: {
		path: text('p', 'the path as the client sent it'),
		types: text('ty', 'the JSON types of its values, separated by blanks'),
		count: integer('n', 'how many requests had it; each process adds at most once a minute'),
		first: text('fs', 'the first time: RFC 3339, UTC'),
		last: text('ls', 'the last time'),
	},
})

/** All rows of a type's undeclared paths. */
export const undeclaredKeys = 'w|'

/** All rows of the count of a type. */
export const countKeys = (type: Pick<ResourceType, 'name'>): string => `n|${letterOf(type)}|`

/** The last part of a key. */
export const lastPartOf = (key: string): string => key.slice(key.lastIndexOf('|') + 1)

/** What the row of a key is; `index` for a row of any index. */
export type KeyKind =
	| 'user'
	| 'group'
	| 'existence'
	| 'membership'
	| 'pendingMembership'
	| 'member'
	| 'latestChange'
	| 'membersUnlocked'
	| 'feed'
	| 'keptMembers'
	| 'refusal'
	| 'history'
	| 'guard'
	| 'epoch'
	| 'epochEnd'
	| 'count'
	| 'index'
	| 'spellings'
	| 'credential'
	| 'undeclared'
	| JobKind

/** Work that a request has begun and that another process may have to finish. */
export type JobKind = 'deletedGroup' | 'deletedUser' | 'sharedValue' | 'prepared' | 'committed' | 'slice'

const kinds: Readonly<Record<string, KeyKind>> = {
	u: 'user',
	g: 'group',
	k: 'membersUnlocked',
	c: 'feed',
	l: 'keptMembers',
	q: 'refusal',
	h: 'history',
	d: 'guard',
	f: 'feed',
	e: 'epoch',
	z: 'epochEnd',
	n: 'count',
	s: 'spellings',
	x: 'index',
	y: 'index',
	o: 'credential',
	w: 'undeclared',
	'j|dg': 'deletedGroup',
	'j|du': 'deletedUser',
	'j|ov': 'sharedValue',
	'j|gp': 'prepared',
	'j|gm': 'committed',
	'j|gi': 'slice',
}

/** @throws Fault if no row has such a key */
export function kindOfKey(key: string): KeyKind {
	const [first = '', second = ''] = key.split('|', 2)
	const last = lastPartOf(key)
	if (first === 'm') return isLatestChange(last) ? 'latestChange' : 'member'
	if (first === 'r') {
		if (last === '') return 'existence'
		return pendingOperation(last) === undefined ? 'membership' : 'pendingMembership'
	}
	const kind = kinds[first === 'j' ? `j|${second}` : first]
	if (kind === undefined) throw new Fault('a key is of no kind of row')
	return kind
}

/** All rows of jobs. */
export const jobKeys = 'j|'

/** What the key of a job names: the user or the group, and the operation of a large change; or an index and a value. */
export type Job = { readonly kind: JobKind; readonly id: string; readonly operation: string }

/** @param key of a row of a job */
export function jobOf(key: string): Job {
	const [, , id = '', operation = ''] = key.split('|')
	return { kind: kindOfKey(key) as JobKind, id, operation } // sound: the keys of jobs have no other kinds
}
