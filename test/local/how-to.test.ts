import { expect, test } from 'vitest'
import { howTo } from '../../local/how-to.ts'

test('the text at the start has what an identity provider asks for, and what to try', () => {
	expect(
		howTo({
			url: 'http://127.0.0.1:7071',
			tenants: [{ name: 'demo', token: 'a-token-of-the-demo' }],
			data: '/home/joy/rollcall/data',
		}),
	).toBe(`Tenant URL    http://127.0.0.1:7071/scim/demo
Secret Token  a-token-of-the-demo

Try it:
  URL=http://127.0.0.1:7071/scim/demo TOKEN=a-token-of-the-demo
  curl -H "Authorization: Bearer $TOKEN" "$URL/Users?count=10"

The data is in /home/joy/rollcall/data.
Ctrl-C stops.`)
})

test('the text at the start names every tenant, lets curl take any certificate, and says when nothing is kept', () => {
	expect(
		howTo({
			url: 'https://127.0.0.1:11015',
			tenants: [
				{ name: 'acme', token: 'first-token' },
				{ name: 'globex', token: 'second-token' },
			],
			data: undefined,
		}),
	).toBe(`Tenant URL    https://127.0.0.1:11015/scim/acme
Secret Token  first-token

Tenant URL    https://127.0.0.1:11015/scim/globex
Secret Token  second-token

Try it:
  URL=https://127.0.0.1:11015/scim/acme TOKEN=first-token
  curl -k -H "Authorization: Bearer $TOKEN" "$URL/Users?count=10"

The data is in memory and gone at the end.
Ctrl-C stops.`)
})
