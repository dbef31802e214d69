import { expect, test } from 'vitest'
import { newRoleRetries } from '../../cli/retry-policy.ts'

/** Sends requests whose answers have this text, and returns the time of all waits. */
async function ask(status: number, text: string) {
	const waits: number[] = []
	const { tables } = newRoleRetries(
		() => {},
		async (milliseconds) => waits.push(milliseconds),
	)
	let requests = 0
	const send = tables(async () => {
		requests++
		return { status, text, headers: { get: () => undefined } }
	})
	const first = await send({ method: 'POST', path: '$batch', headers: {} })
	const after = { requests, seconds: waits.reduce((sum, each) => sum + each, 0) / 1000 }
	await send({ method: 'POST', path: '$batch', headers: {} })
	return { first: first.text, after, later: requests - after.requests }
}

const error = (code: string) => JSON.stringify({ 'odata.error': { code, message: { lang: 'en-US', value: 'x' } } })

test.each([
	[403, error('AuthorizationPermissionMismatch')],
	[202, `HTTP/1.1 403 Forbidden\r\n\r\n${error('AuthorizationPermissionMismatch')}`],
])('waits five minutes for a new role, in an answer of %i, and only once', async (status, text) => {
	expect(await ask(status, text)).toEqual({ first: text, after: { requests: 11, seconds: 300 }, later: 1 })
})

test.each([
	[403, error('AuthorizationFailure')],
	[202, 'HTTP/1.1 204 No Content\r\n\r\n'],
	[200, '{"value":[]}'],
])('returns every other answer at once: %i %s', async (status, text) => {
	expect(await ask(status, text)).toEqual({ first: text, after: { requests: 1, seconds: 0 }, later: 1 })
})
