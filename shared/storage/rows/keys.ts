import { createHash } from 'node:crypto'
import type { ResourceType } from '../../scim/resource-type.ts'
import { within } from '../table/key-range.ts'
import type { Range } from '../table/tables.ts'

// Row keys. All rows of a tenant lie in one partition, so that one transaction can change any of them together.
// `|` separates the parts of a key; it sorts after everything that a part may hold.

const letters = { User: 'u', Group: 'g' } as const satisfies Record<ResourceType['name'], string>

/** `u|<id>`, `g|<id>`: a resource. */
export const resourceKey = (type: ResourceType, id: string): string => `${resourcePrefix(type)}${id}`

export const resourcePrefix = ({ name }: ResourceType): string => `${letters[name]}|`

/** `r|<id>|`: exists as long as the resource does, and changes whenever a group takes it in. Sorts before its links. */
export const anchorKey = (id: string): string => `r|${id}|`

/** `r|<member>|<group>`: the membership, from the member's side. */
export const reverseKey = (memberId: string, groupId: string): string => `r|${memberId}|${groupId}`

/** `m|<group>|<member>`: the membership, from the group's side. */
export const memberKey = (groupId: string, memberId: string): string => `m|${groupId}|${memberId}`

/** `k|<group>`: exists as long as members may be changed without reading the group. */
export const gateKey = (groupId: string): string => `k|${groupId}`

/** `c|<operation>`: the entry in the feed of changes, which also tells that the operation was done. */
export const feedKey = (operation: string): string => `c|${operation}`

/** The feed's entries of operations that were begun before a time, in milliseconds since 1970. */
export const feedBefore = (time: number): Range => ({
	from: 'c|',
	to: `c|${time.toString(16).padStart(12, '0')}`,
	select: ['RowKey'],
})

/** `j|dg|<group>`: a deleted group whose memberships are still being removed. */
export const groupDeletionKey = (groupId: string): string => `j|dg|${groupId}`

/** `j|du|<user>`: a deleted user whose memberships are still being removed. */
export const userDeletionKey = (userId: string): string => `j|du|${userId}`

/** All work that somebody has begun and not finished. */
export const jobs: Range = { from: 'j|', to: 'j}' }

/** A change of many members of a group. `operation` is its own. */
export type Intent = { readonly groupId: string; readonly operation: string }

/** `j|gp|<group>|<operation>`: exists as long as a change of many members is being prepared. */
export const preparedKey = ({ groupId, operation }: Intent): string => `j|gp|${groupId}|${operation}`

/** `j|gm|<group>|<operation>`: exists from when a change of many members is committed until all of it is applied. */
export const intentKey = ({ groupId, operation }: Intent): string => `j|gm|${groupId}|${operation}`

/** `j|gi|<group>|<operation>|<number>`: a part of what a change of many members is to do. */
export const partKey = (intent: Intent, number: number): string =>
	`${partPrefix(intent)}${String(number).padStart(6, '0')}`

export const partPrefix = ({ groupId, operation }: Intent): string => `j|gi|${groupId}|${operation}|`

/**
 * `m|<group>|!`: the latest change of many members, for those who read the members after it: while it is open, their rows
 * are not all that counts.
 */
export const latestChangeKey = (groupId: string): string => `m|${groupId}|${latestChange}`

/** Stands in the place of a member's id and sorts before all of them. */
export const latestChange = '!'

/** `r|<user>|!<operation>`: tells those who read a user's groups that a change of many members will add one. */
export const noteKey = (userId: string, operation: string): string => `r|${userId}|!${operation}`

/** `n|u|!base`: how many there are, but for the deltas. */
export const countKey = ({ name }: ResourceType): string => `n|${letters[name]}|!base`

/** `n|u|+<operation>`: one more or one less than the count. */
export const deltaKey = ({ name }: ResourceType, operation: string): string => `n|${letters[name]}|+${operation}`

export const countRange = ({ name }: ResourceType): Range => within(`n|${letters[name]}|`)

const limit = 200
const kept = 150

/**
 * Writes any text as a part of a key: in printable ASCII without what a key or a URL cannot hold, and such that texts
 * and their encodings have the same order (that of UTF-16 code units, as `<` has it).
 *
 * A character that must not stand in a key is written as one that sorts just before it, `~`, and its code, or after
 * `!` or `{` at the ends of the alphabet: `a/b c` is `a.~2fb!20c`. Of an encoding longer than 200 characters the first
 * 150 are kept, followed by `=` and a digest.
 */
export function encode(text: string): string {
	const encoded = text.replace(/[^-.0-9@A-Z_a-z]/g, escaped)
	if (encoded.length <= limit) return encoded
	return `${encoded.slice(0, kept)}=${createHash('sha256').update(text).digest('base64url')}`
}

/** Whether the encodings of all texts that begin with another begin with this encoding of it. */
export const isPrefixKept = (encoded: string): boolean => encoded.length <= kept

function escaped(character: string): string {
	const code = character.charCodeAt(0)
	if (code < 0x2d) return `!${hex(code, 2)}`
	if (code > 0x7a) return `{${hex(code, 4)}`
	const before = code === 0x2f ? '.' : code < 0x40 ? '9' : code < 0x5f ? 'Z' : '_'
	return `${before}~${hex(code, 2)}`
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0')
