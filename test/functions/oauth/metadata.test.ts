import { describe, expect, test } from 'vitest'
import { useOAuthHost } from '../../support/oauth-host.ts'

const newHost = useOAuthHost()

const addressOf = (url: string, name: string) =>
	`${new URL(url).origin}/.well-known/oauth-authorization-server/scim/${name}`

describe('the metadata of the token endpoint', () => {
	test('are as RFC 8414 has them', async () => {
		const { name, url } = await newHost()
		const response = await fetch(addressOf(url, name))
		expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json'])
		expect(await response.json()).toEqual({
			issuer: url,
			token_endpoint: `${url}/oauth2/token`,
			token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
			token_endpoint_auth_signing_alg_values_supported: ['RS256'],
			grant_types_supported: ['client_credentials'],
			response_types_supported: [],
			scopes_supported: ['scim', 'scim.read'],
		})
	})

	test('look the same for an unknown tenant, and ask no store', async () => {
		const { name, url, meter } = await newHost()
		const answers = []
		for (const each of [name, 'no-such-tenant']) {
			const { result, requests } = await meter.measure(() => fetch(addressOf(url, each)))
			const headers = [...result.headers].filter(
				([header]) => !['date', 'x-request-id', 'content-length'].includes(header),
			)
			answers.push({ requests, status: result.status, headers, body: (await result.text()).replaceAll(each, 'NAME') })
		}
		expect(answers[0]?.requests).toBe(0)
		expect(answers[1]).toEqual(answers[0])
	})

	test('are there for the names of tenants alone, and with GET and HEAD alone', async () => {
		const { name, url } = await newHost()
		expect((await fetch(addressOf(url, 'NOT_A_NAME'))).status).toBe(404)
		expect((await fetch(addressOf(url, name), { method: 'POST' })).status).toBe(405)
		expect((await fetch(addressOf(url, name), { method: 'HEAD' })).status).toBe(200)
	})
})
