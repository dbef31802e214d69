import { expect, it } from 'vitest'
import { useHost } from '../support/host.ts'

const host = useHost()

it.each([
	['GET', '/Users', 200],
	['HEAD', '/Users', 200],
	['GET', '/Users/nobody', 404],
	['POST', '/Users', 400],
	['PUT', '/Users', 405],
	['GET', '/nothing', 404],
	['GET', '/ServiceProviderConfig', 200],
	['GET', '/health', 200],
	['GET', '/../health', 200],
	['GET', '/../nobody/Users', 401],
] as const)('no browser may guess the type of the answer to %s %s', async (method, path, status) => {
	const tenant = await host()
	const answer = await fetch(`${tenant.baseUrl}${path}`, {
		method,
		headers: { authorization: `Bearer ${tenant.token}` },
	})
	expect([answer.status, answer.headers.get('x-content-type-options')]).toEqual([status, 'nosniff'])
})
