import { expect, test } from 'vitest'
import { howTo } from '../../local/how-to.ts'

test('the how-to has the values for an identity provider and a first request', () => {
	expect(
		howTo({
			url: 'http://127.0.0.1:7071',
			tenants: [{ name: 'demo', token: 'a-token-of-the-demo' }],
			data: '/home/joy/rollcall/data',
			consoleLink: 'http://127.0.0.1:7072/#a-key',
		}),
	).toBe(`Tenant URL    http://127.0.0.1:7071/scim/demo
Secret Token  a-token-of-the-demo

Console       http://127.0.0.1:7072/#a-key

Try it:
  URL=http://127.0.0.1:7071/scim/demo TOKEN=a-token-of-the-demo
  curl -H "Authorization: Bearer $TOKEN" "$URL/Users?count=10"

The data is in /home/joy/rollcall/data.
Ctrl-C stops.`)
})

test('the how-to has every tenant, lets curl accept any certificate, and says if the data is not kept', () => {
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

The data is in memory only and is lost at the end.
Ctrl-C stops.`)
})

test('on Windows, the how-to also has the first request for PowerShell', () => {
	const host = { url: 'https://127.0.0.1:7071', tenants: [{ name: 'demo', token: 'a-token' }], data: undefined }
	expect(howTo(host, 'win32')).toContain(`
Try it in PowerShell:
  $URL = 'https://127.0.0.1:7071/scim/demo'; $TOKEN = 'a-token'
  curl.exe -k -H "Authorization: Bearer $TOKEN" "$URL/Users?count=10"

Or in bash:
  URL=https://127.0.0.1:7071/scim/demo TOKEN=a-token
  curl -k -H "Authorization: Bearer $TOKEN" "$URL/Users?count=10"
`)
})
