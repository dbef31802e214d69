import { RestError } from '@azure/core-rest-pipeline'
import { expect, test } from 'vitest'
import { explain } from '../../cli/explain.ts'
import { Failure } from '../../cli/failure.ts'
import { UsageError } from '../../shared/cli/usage-error.ts'
import { unavailable } from '../../shared/scim/error.ts'

const busy = new Error('the table service answered 503 ServerBusy: too many\nRequestId: 7')
const refused = new Error('the table service answered 403 AuthorizationFailure: no')
const lost = Object.assign(new Error('getaddrinfo ENOTFOUND x.table.core.windows.net'), { code: 'ENOTFOUND' })

test.each([
	[new UsageError('--port x', { hint: 'a number' }), 2, /^error: --port x\nhint: a number$/],
	[new Failure('no', { hint: 'yes' }), 1, /^error: no\nhint: yes$/],
	[
		unavailable('away', 5, busy),
		1,
		/^error: away: the table service answered 503 ServerBusy: too many\nhint: try again /,
	],
	[
		unavailable('away', 5, refused),
		1,
		/^error: the table service answered 403 .*\nhint: you need the role Storage Table/,
	],
	[unavailable('away', 5, lost), 1, /^error: cannot connect to Azure: getaddrinfo .*\nhint: compare the addresses /],
	[
		new RestError('Forbidden\nmore', { statusCode: 403 }),
		1,
		/^error: the vault refused the request: Forbidden\nhint: you need the role /,
	],
	[new RestError('Throttled\nmore', { statusCode: 429 }), 1, /^error: Throttled\nhint: try again in a minute/],
	[
		new TypeError('x is not a function'),
		1,
		/^error: TypeError: x is not a function\n +at .*explain.*\nhint: this is a bug in/s,
	],
	['a string', 1, /^error: a string\nhint: /],
])('%s is printed as an error and a hint', (error, code, text) => {
	const { lines, code: given } = explain(error)
	expect(lines.join('\n')).toMatch(text)
	expect(given).toBe(code)
})
