import type { ResourceId } from './resource.ts'
import type { ResourceType } from './resource-type.ts'

/** The kind of thing that an identifier stands for. The variant digit of the UUID says it, so an id alone is enough. */
export type IdKind = ResourceType['name'] | 'Operation'

const variants = { User: '8', Group: 'a', Operation: 'b' } as const satisfies Record<IdKind, string>

/** Makes identifiers. The identifiers of one generator are strictly ascending, in the order of their creation. */
export type IdGenerator = (kind: IdKind) => ResourceId

/**
 * Identifiers in the layout of a version 7 UUID (RFC 9562 section 5.7) without hyphens: 48 bits of milliseconds, a
 * counter of 12 bits, 60 random bits.
 *
 * @param now milliseconds since 1970
 * @param randomHex returns as many random hexadecimal digits as the caller asks for
 */
export function idGenerator(now: () => number, randomHex: (digits: number) => string): IdGenerator {
	let last = 0
	let counter = 0
	return (kind) => {
		const time = now()
		if (time > last) {
			last = time
			counter = 0
		} else if (++counter > 0xfff) {
			// The counter is full. The next millisecond is borrowed so that the ids stay ascending.
			last++
			counter = 0
		}
		const id = `${hex(last, 12)}7${hex(counter, 3)}${variants[kind]}${randomHex(15)}`
		return id as ResourceId // sound: resource ids are made only here
	}
}

/** The time at which an id was made, in milliseconds since 1970. */
export const timeOfId = (id: string): number => Number.parseInt(id.slice(0, 12), 16)

/**
 * An id that is later than another: the id itself, or else one of the next tick after the other. The generator's own time
 * does not move, so that one id from the future does not move all ids after it.
 */
export function laterThan(id: ResourceId, other: string): ResourceId {
	if (tickOf(id) > tickOf(other)) return id
	const next = Number.parseInt(other.slice(13, 16), 16) + 1
	const [time, counter] = next > 0xfff ? [timeOfId(other) + 1, 0] : [timeOfId(other), next]
	return `${hex(time, 12)}7${hex(counter, 3)}${id.slice(16)}` as ResourceId // sound: the rest is that of an id
}

/** The time and the counter of an id. */
const tickOf = (id: string): string => id.slice(0, 16)

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

const pattern = /^[0-9a-f]{12}7[0-9a-f]{3}([8ab])[0-9a-f]{15}$/

/** The kind of an id that we made; undefined for any other string. */
export function kindOfId(id: string): IdKind | undefined {
	switch (pattern.exec(id)?.[1]) {
		case '8':
			return 'User'
		case 'a':
			return 'Group'
		case 'b':
			return 'Operation'
		default:
			return undefined
	}
}
