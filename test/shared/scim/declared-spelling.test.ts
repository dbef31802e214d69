import { expect, test } from 'vitest'
import { inDeclaredSpelling } from '../../../shared/scim/declared-spelling.ts'
import { parseOwnSchemas, typesWith } from '../../../shared/scim/own-schema.ts'
import { builtInTypes } from '../../../shared/scim/resource-type.ts'

const hr = 'urn:example:hr:2.0:User'
const { User } = typesWith(
	parseOwnSchemas({
		id: hr,
		attributes: [{ name: 'badge' }, { name: 'desk', type: 'complex', subAttributes: [{ name: 'room' }] }],
	}),
)

test.each<[string, object, object]>([
	['another letter case', { [hr]: { BADGE: '7' } }, { [hr]: { badge: '7' } }],
	['a URN in another letter case', { [hr.toUpperCase()]: { badge: '7' } }, { [hr]: { badge: '7' } }],
	['a part in another letter case', { [hr]: { desk: { ROOM: '7' } } }, { [hr]: { desk: { room: '7' } } }],
	['two spellings: the declared one counts', { [hr]: { BADGE: '7', badge: '8' } }, { [hr]: { badge: '8' } }],
	['two other spellings: the first one counts', { [hr]: { BADGE: '7', Badge: '8' } }, { [hr]: { badge: '7' } }],
	[
		'two spellings of the URN: each name once',
		{ [hr.toUpperCase()]: { badge: '7', desk: { room: 'a' } }, [hr]: { BADGE: '8' } },
		{ [hr]: { badge: '8', desk: { room: 'a' } } },
	],
	['a name that no schema declares', { Nick: 'x', [hr]: { Shoe: 1 } }, { Nick: 'x', [hr]: { Shoe: 1 } }],
	['a value of another type', { [hr]: 'x', desk: 1 }, { [hr]: 'x', desk: 1 }],
])('reads %s', (_, stored, expected) => {
	expect(inDeclaredSpelling(User, { ...stored })).toEqual(expected)
})

test('answers the same object if there is nothing to respell', () => {
	const values = { userName: 'ann', NICK: 'x', [hr]: { badge: '7', desk: { room: 'a' } } }
	expect(inDeclaredSpelling(User, values)).toBe(values)
	const others = { [hr]: { BADGE: '7' } }
	expect(inDeclaredSpelling(builtInTypes.User, others)).toBe(others)
})
