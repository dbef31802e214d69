import { afterEach, describe, expect, test, vi } from 'vitest'
import { matches, matchesInTurns } from '../../../../shared/scim/filter/match.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import { applyPatch, applyPatchInTurns } from '../../../../shared/scim/patch/apply.ts'
import { parsePatch } from '../../../../shared/scim/patch/request.ts'
import { userType } from '../../../../shared/scim/resource-type.ts'

afterEach(() => vi.restoreAllMocks())

const user = { userName: 'joy', nickName: 'x'.repeat(1000), emails: [{ value: 'a@x', type: 'work' }] }

describe('other work has its turn', () => {
	test.each([
		['nickName co "a" or nickName co "b" or userName eq "joy"', 3],
		['nickName co "a" and nickName co "b"', 1],
		['emails[type eq "home" or value co "@"]', 2],
		['not (title pr)', 1],
	])('before each expression that decides %s', async (text, turns) => {
		const filter = parseFilter(text)
		let count = 0
		const yieldTurn = () => {
			count++
			return undefined
		}
		expect(await matchesInTurns(filter, user, { type: userType, yieldTurn })).toBe(matches(filter, user, userType))
		expect(count).toBe(turns)
	})

	test('while a long text is folded: once before the expression, three times while it is folded, and once behind', async () => {
		const long = { ...user, nickName: '\u0301'.repeat(2 ** 16) }
		const filter = parseFilter('nickName co "a" or nickName co "b"')
		let count = 0
		const yieldTurn = () => {
			count++
			return undefined
		}
		expect(await matchesInTurns(filter, long, { type: userType, yieldTurn })).toBe(false)
		// The second expression finds the text folded.
		expect(count).toBe(1 + 3 + 1 + 1)
		expect(matches(filter, long, userType)).toBe(false)
	})

	test('before each operation of a PATCH', async () => {
		const Operations = Array.from({ length: 5 }, (_, index) => ({ op: 'replace', path: 'title', value: `t${index}` }))
		const options = { type: userType, quirks: new Set<never>() }
		const operations = parsePatch({ Operations }, userType, options.quirks)
		let count = 0
		const yieldTurn = () => {
			count++
			return undefined
		}
		const patched = await applyPatchInTurns(user, operations, { ...options, yieldTurn })
		expect(patched).toEqual(applyPatch(user, operations, options))
		expect(count).toBe(5)
	})
})

test('a long value is folded once, however many expressions compare it', () => {
	const filter = parseFilter(Array.from({ length: 100 }, (_, index) => `nickName co "y${index}"`).join(' or '))
	const lower = vi.spyOn(String.prototype, 'toLowerCase')
	expect(matches(filter, user, userType)).toBe(false)
	expect(lower.mock.contexts.filter((text) => String(text) === user.nickName)).toHaveLength(1)
})
