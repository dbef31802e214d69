import { describe, expect, test } from 'vitest'
import { idGenerator } from '../../../shared/scim/id.ts'
import { type ChangeEntry, inEpochOrder } from '../../../shared/storage/feed-order.ts'

const entry = (
	operation: string,
	kind: ChangeEntry['kind'],
	id: string,
	changed: readonly string[] = [],
): ChangeEntry => ({ operation, time: 0, kind, resourceType: id.startsWith('g') ? 'Group' : 'User', id, changed })

/** What a reader is told, as `<operation> <changed>`. */
const told = (...entries: readonly ChangeEntry[]) =>
	inEpochOrder(entries).map(({ operation, changed }) => [operation, ...changed].join(' '))

describe('the entries of an epoch', () => {
	test('are told in the order of their ids', () => {
		expect(told(entry('1', 'update', 'u1', ['title']), entry('2', 'update', 'u2', ['title']))).toEqual([
			'1 title',
			'2 title',
		])
	})

	test('have the creation of a resource before all that names it, and its deletion behind', () => {
		const entries = [
			entry('1', 'members', 'g1', ['+u1']),
			entry('2', 'delete', 'u2', ['g1']),
			entry('3', 'update', 'u2', ['title']),
			entry('4', 'create', 'u1'),
			entry('5', 'create', 'g1'),
			entry('6', 'update', 'u3', ['title']),
		]
		expect(told(...entries)).toEqual(['4', '5', '1 +u1', '3 title', '2 g1', '6 title'])
	})

	test('have a user who was created and deleted in them, in that order', () => {
		expect(told(entry('1', 'delete', 'u1'), entry('2', 'create', 'u1'))).toEqual(['2', '1'])
	})

	test('have the deletion of a group last, behind its list of members', () => {
		const list = entry('3', 'update', 'g1', ['members'])
		expect(told(entry('1', 'delete', 'g1'), entry('2', 'members', 'g1', ['+u1']), list)).toEqual(['3 members', '1'])
	})
})

describe('for one user in one group, a reader is told', () => {
	const added = (operation: string) => entry(operation, 'members', 'g1', ['+u1'])
	const removed = (operation: string) => entry(operation, 'members', 'g1', ['-u1'])

	test.each([
		['to read the group if the user was added and removed', [added('1'), removed('2')], ['2 members']],
		['to read the group if the user was removed and added', [removed('1'), added('2')], ['2 members']],
		['the addition, in the last entry', [added('1'), added('2'), removed('3')], ['3 +u1']],
		['the removal, in the last entry', [removed('1'), removed('2'), added('3')], ['3 -u1']],
		['the removal by the deletion of the user', [entry('1', 'delete', 'u1', ['g1'])], ['1 g1']],
		['only the deletion if the user was added before', [added('2'), entry('1', 'delete', 'u1', ['g1'])], ['1']],
		[
			'to read a group that a deleted user has joined and left',
			[entry('1', 'unlink', 'u1', ['g1']), added('2')],
			['2 members'],
		],
	])('%s', (_, entries, expected) => {
		const ordered = [...entries].sort((a, b) => (a.operation < b.operation ? -1 : 1))
		expect(told(...ordered)).toEqual(expected)
	})

	test('what else the entries say, whatever becomes of the members', () => {
		const entries = [
			entry('1', 'update', 'g1', ['displayName', '+u1']),
			entry('2', 'members', 'g1', ['+u2', '-u1']),
			entry('3', 'members', 'g2', ['+u1']),
		]
		expect(told(...entries)).toEqual(['1 displayName', '2 +u2 members', '3 +u1'])
		expect(inEpochOrder(entries)[1]).toMatchObject({ kind: 'update' })
	})
})

test('a change of members that does not list them stands for all changes of these members, and comes last', () => {
	const entries = [
		entry('1', 'members', 'g1', ['+u1']),
		entry('2', 'update', 'g1', ['members', 'externalId']),
		entry('3', 'update', 'g1', ['displayName', '-u1']),
		entry('4', 'update', 'g1', ['members']),
		entry('5', 'members', 'g1', ['+u2']),
		entry('6', 'members', 'g2', ['+u1']),
	]
	expect(told(...entries)).toEqual(['2 externalId', '3 displayName', '4 members', '6 +u1'])
})

/** Numbers from 0 up to 1 that a seed determines. */
function randomFrom(seed: number): () => number {
	let state = seed
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
		return state / 2 ** 32
	}
}

test('a reader who applies random epochs has the members as they are, whatever clocks say', () => {
	const random = randomFrom(7)
	const below = (limit: number) => Math.floor(random() * limit)
	const clocks = [0, 3_600_000, 7_200_000]
	let time = 0
	const generators = clocks.map((offset, index) =>
		idGenerator(
			() => time + offset,
			(digits) => String(index).repeat(digits),
		),
	)
	const actual = new Set<string>()
	const replayed = new Set<string>()
	/** Of a reader who reads the group in the middle of an epoch, and then applies all of it. */
	let joined = new Set<string>()
	for (let epoch = 0; epoch < 500; epoch++) {
		const entries: ChangeEntry[] = []
		const changes = below(12)
		const joinedAt = below(12)
		for (let change = changes; change > 0; change--) {
			if (change === joinedAt) joined = new Set(actual)
			time += below(1000)
			const user = `u${below(4)}`
			const operation = generators[below(3)]?.('Operation') ?? ''
			entries.push(entry(operation, 'members', 'g1', [`${actual.has(user) ? '-' : '+'}${user}`]))
			if (!actual.delete(user)) actual.add(user)
		}
		const sorted = entries.sort((a, b) => (a.operation < b.operation ? -1 : 1))
		for (const mark of inEpochOrder(sorted).flatMap(({ changed }) => changed)) {
			for (const reader of [replayed, joined]) {
				if (mark.startsWith('+')) reader.add(mark.slice(1))
				else reader.delete(mark.slice(1))
			}
			if (mark === 'members') joined = new Set(actual)
		}
		expect([...joined].sort()).toEqual([...actual].sort())
		expect([...replayed].sort()).toEqual([...actual].sort())
	}
})
