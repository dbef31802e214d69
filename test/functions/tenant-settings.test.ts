import { describe, expect, test } from 'vitest'
import { routes } from '../../functions/routes.ts'
import { useHost } from '../support/host.ts'

const newHost = useHost()

/** Every endpoint but the one that gives access tokens, which asks for none and tells nothing of a tenant. */
const requests = routes
	.filter(({ name }) => !['agentEnrol', 'agentToken', 'token'].includes(name))
	.flatMap(({ path }) => ['GET', 'POST', 'PATCH', 'DELETE'].map((method) => [method, path] as const))

describe.each(['store', 'relay'] as const)('a tenant of mode %s', (mode) => {
	test('with a setting that the app does not know is answered 503 at every endpoint, with its name', async () => {
		const tenant = await newHost({ mode, settings: { tomorrow: 'on' } })
		for (const [method, path] of requests) {
			const body = method === 'GET' || method === 'DELETE' ? {} : { body: '{' }
			const answer = await tenant.request(method, `/${path}`, body)
			expect({ method, path, status: answer.status, body: answer.body }).toEqual({
				...{ method, path, status: 503 },
				body: {
					schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
					status: '503',
					detail:
						'This tenant has the setting tomorrow, which this version of Rollcall does not know. Deploy a version of Rollcall that knows tomorrow, or remove the setting with the rollcall of that version.',
				},
			})
			expect(answer.headers.get('retry-after')).toBe('60')
		}
	})
})
