import { expect, test } from 'vitest'
import { toPowerShell } from './powershell.ts'

test.each([
	['npm ci && npm start', 'npm ci; npm start'],
	['npm run rollcall -- tenant list', "npm run rollcall '--' tenant list"],
	['URL=http://127.0.0.1:7071/scim/demo TOKEN=abc', "$URL = 'http://127.0.0.1:7071/scim/demo'; $TOKEN = 'abc'"],
	['ROLLCALL_TOKEN=$TOKEN npm test', '$env:ROLLCALL_TOKEN = $TOKEN; npm test'],
	['APP=$(az group list --output tsv)', '$APP = az group list --output tsv'],
	[
		'curl -H "Authorization: Bearer $TOKEN" \\\n  "$URL/Users"',
		'curl.exe -H "Authorization: Bearer $TOKEN" `\n  "$URL/Users"',
	],
	['# npm ci', '# npm ci'],
])('%s is %s in PowerShell', (bash, powershell) => expect(toPowerShell(bash)).toBe(powershell))
