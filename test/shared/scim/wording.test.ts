import { expect, test } from 'vitest'
import * as z from 'zod'
import { allProblems, firstProblem, wording, wordingWithoutValues } from '../../../shared/scim/wording.ts'

const schema = z.strictObject({
	name: z.string().min(2).max(4),
	kind: z.enum(['a', 'b']).optional(),
	count: z.int().min(1).max(9).optional(),
	list: z.array(z.object({ id: z.guid() })).optional(),
	url: z.url().optional(),
	own: z.string({ error: 'has its own words' }).optional(),
	way: z
		.discriminatedUnion('type', [z.object({ type: z.literal('a') }), z.object({ type: z.literal('b') })])
		.optional(),
})

const problem = (value: unknown, error = wording) => {
	const parsed = schema.safeParse(value, { error })
	return parsed.success ? 'none' : firstProblem(parsed.error, 'the file')
}

test.each([
	[[], 'the file must be an object, not a list'],
	[{}, 'name is missing: it must be a string'],
	[{ name: 7 }, 'name must be a string, not the number 7'],
	[{ name: 'x' }, 'name is shorter than 2'],
	[{ name: 'xxxxx' }, 'name is longer than 4'],
	[{ name: 'xx', kind: 'c' }, 'kind must be "a" or "b", not the string "c"'],
	[{ name: 'xx', count: 0.5 }, 'count must be a whole number, not the number 0.5'],
	[{ name: 'xx', count: 0 }, 'count is less than 1'],
	[{ name: 'xx', count: 10 }, 'count is more than 9'],
	[{ name: 'xx', list: {} }, 'list must be a list, not an object'],
	[{ name: 'xx', list: [{}] }, 'list[0].id is missing: it must be a string'],
	[{ name: 'xx', list: [{ id: 'x' }] }, 'list[0].id is not a UUID'],
	[{ name: 'xx', url: 'x' }, 'url is not a URL'],
	[{ name: 'xx', nmae: 1 }, 'the file has an unknown member nmae'],
	[{ name: 'xx', own: 1 }, 'own has its own words'],
	[{ name: 'xx', way: { type: 'c' } }, 'way.type must be "a" or "b"'],
])('%j: %s', (value, expected) => expect(problem(value)).toBe(expected))

test('all problems are one line', () => {
	const { error } = schema.safeParse({ name: 7, count: 0 }, { error: wording })
	expect(error && allProblems(error, 'the file')).toBe('name must be a string, not the number 7; count is less than 1')
})

test('secret values are not shown', () => {
	expect(problem({ name: { secret: 'x' } }, wordingWithoutValues)).toBe('name must be a string')
	expect(problem('secret', wordingWithoutValues)).toBe('the file must be an object')
	expect(problem({ name: 'xx', kind: 'secret' }, wordingWithoutValues)).toBe('kind must be "a" or "b"')
})
