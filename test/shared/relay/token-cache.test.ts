import { beforeEach, expect, test } from 'vitest'
import { cached } from '../../../shared/relay/token-cache.ts'

const minute = 60_000
let now = 0
let requests = 0
let isAway = false
const clock = { now: () => now, after: () => () => undefined }
const source = async () => {
	requests++
	if (isAway) throw new Error('away')
	return { token: `token ${requests}`, expiresOnTimestamp: now + 60 * minute }
}

beforeEach(() => {
	now = 0
	requests = 0
	isAway = false
})

test('a token is cached for three quarters of its lifetime', async () => {
	const token = cached(source, clock)
	const first = await token()
	now = 44 * minute
	expect(await token()).toEqual(first)
	now = 46 * minute
	expect(await token()).toMatchObject({ token: 'token 2' })
})

test('concurrent callers share one request', async () => {
	const token = cached(source, clock)
	expect(new Set((await Promise.all([token(), token(), token()])).map((result) => result.token))).toEqual(
		new Set(['token 1']),
	)
})

test('a valid token is used while the source fails, and each call asks the source again', async () => {
	const token = cached(source, clock)
	await token()
	isAway = true
	for (const after of [46, 52, 58]) {
		now = after * minute
		expect(await token()).toMatchObject({ token: 'token 1' })
	}
	expect(requests).toBe(4)
	isAway = false
	expect(await token()).toMatchObject({ token: 'token 5' })
})

test.each([
	['has less than a minute left', 59.5, false],
	['was refused', 46, true],
])('a token that %s is not used', async (_, after, fresh) => {
	const token = cached(source, clock)
	await token()
	isAway = true
	now = after * minute
	await expect(token(fresh)).rejects.toThrow('away')
})
