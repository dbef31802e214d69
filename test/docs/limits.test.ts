import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

// Each figure of the table of limits, and the line of code that it comes from. A change of the one is a change of the other.

const page = readFileSync('docs/operations.md', 'utf8')
const section = page.slice(page.indexOf('## Limits'), page.indexOf('## From a symptom'))
const rows = new Map(
	section
		.split('\n')
		.filter((line) => line.startsWith('| '))
		.map((line) => line.split('|').map((cell) => cell.trim()))
		.map(([, name = '', value = '']) => [name, value]),
)

const mebibyte = '* 2 ** 20'

describe('the table of limits has the figures of the code:', () => {
	test.each<[row: string, figure: string, file: string, line: string]>([
		['rate', '100 units a second', 'functions/settings.ts', 'const defaultRate = 100'],
		['burst', '400 units at once', 'functions/settings.ts', '=> 4 * perSecond'],
		['units', 'for each ten operations', 'functions/bulk.ts', 'const operationsPerUnit = 10'],
		['requests that wait for the rate', '200 of a tenant', 'functions/turns.ts', 'const maxWaiting = 200'],
		['time in the queue', '10 s', 'functions/turns.ts', 'const longestWait = 10_000'],
		['requests in one instance', '8 with 512 MB', 'infra/modules/function-app.bicep', "'512': 8\n"],
		['requests in one instance', '64 with 2,048 MB', 'infra/modules/function-app.bicep', "'2048': 64\n"],
		['requests in one instance', '128 with 4,096 MB', 'infra/modules/function-app.bicep', "'4096': 128\n"],
		['requests under way', '32 places', 'functions/turns.ts', 'const places = 32'],
		['refused tokens', '100 a second, 400 at once', 'functions/turns.ts', 'const mayFail = allowance(rate, now)'],
		['unknown tenants', '60 at once, 60 a minute', 'shared/limits/allowance.ts', '{ perSecond: 1, burst: 60 }'],
		['tokens of a tenant', 'once in 2 s', 'shared/auth/tokens.ts', 'const rereadPause = 2 * second'],
		['tokens of a tenant', '4 that are valid', 'shared/auth/tokens.ts', 'const maxTokens = 4'],
		['answer of storage', '8 s', 'functions/usage.ts', 'const silenceAfter = 8_000'],
		['a bulk request', 'after 60 s', 'functions/bulk.ts', 'const longestBulk = 60_000'],
		["a tenant's `/health`", 'once in 10 s', 'functions/health.ts', 'const rememberFor = 10_000'],
		["a tenant's `/health`", 'waits 10 s', 'functions/health.ts', 'const longestCheck = 10_000'],
		['body of a request', 'nested up to 32 levels', 'shared/http/json.ts', 'const maxDepth = 32'],
		[
			'JSON of a user, or of a group without its members',
			'1 MiB',
			'shared/storage/rows/json-text.ts',
			'maxJsonBytes = 2 ** 20',
		],
		['e-mail addresses of a user', '20', 'shared/storage/rows/entity.ts', 'const maxEmails = 20'],
		[
			'display of a member',
			'30,000 characters',
			'shared/storage/membership/operations.ts',
			'maxDisplayLength = 30_000',
		],
		[
			'displays of more than 256 characters, of all members of a group',
			'2 Mi characters',
			'shared/storage/membership/members.ts',
			`const maxLongDisplays = 2 ${mebibyte}`,
		],
		['operations of a PATCH', '1,000', 'shared/scim/patch/request.ts', 'maxOperations = 1000'],
		['JSON of the resources on a page', '4 MiB', 'shared/storage/query/query.ts', `maxPageSize = 4 ${mebibyte}`],
		[
			'memberships on a page, if they are asked for',
			'20,000',
			'shared/storage/query/page-links.ts',
			'maxLinks = 20_000',
		],
		['a filter', '8,192 characters', 'shared/scim/filter/parse.ts', 'maxLength: 8192'],
		['a filter', '256 expressions', 'shared/scim/filter/parse.ts', 'maxExpressions = 256'],
		['a filter', '32 levels', 'shared/scim/filter/parse.ts', 'maxDepth = 32'],
		['resources that one query looks through', '50,000', 'shared/storage/table-store.ts', 'scanLimit = 50_000'],
		[
			'text that a query compares: the JSON of each candidate, times the comparisons of the filter and of `sortBy`',
			'2^30 characters',
			'shared/storage/query/query.ts',
			'maxCompared = 2 ** 30',
		],
		[
			'text that the operations of a PATCH compare: the current values, times the comparisons',
			'2^27 characters',
			'shared/scim/patch/apply.ts',
			'maxCompared = 2 ** 27',
		],
		['matches that a sort keeps in memory', '4 MiB', 'shared/storage/query/order.ts', `maxKeptSize = 4 ${mebibyte}`],
		['a page of the table service', '4 MiB', 'shared/storage/table/tables.ts', `maxPageBytes = 4 ${mebibyte}`],
		[
			'members in memory while a filter looks at them',
			'4,000',
			'shared/storage/query/page-links.ts',
			'rangeLimit = 4000',
		],
		['a turn of long work on the processor', '10 ms', 'shared/turn.ts', 'const turn = 10'],
		[
			'lines of memberships that an export keeps in memory',
			'16 Mi characters',
			'cli/transfer/export.ts',
			`spoolLength = 16 ${mebibyte}`,
		],
		['body of a request', '4 MiB', 'shared/scim/service-provider-config.ts', 'maxPayloadSize: 4_194_304'],
		['operations of a bulk request', '1,000', 'shared/scim/service-provider-config.ts', 'maxOperations: 1000'],
		['resources on a page', '1,000', 'shared/scim/service-provider-config.ts', 'maxResults: 1000'],
		['resources on a page', '100 if', 'shared/scim/service-provider-config.ts', 'defaultCount: 100'],
	])('%s, %s', (row, figure, file, line) => {
		expect(rows.get(row)).toContain(figure)
		expect(readFileSync(file, 'utf8')).toContain(line)
	})
})

test('the Functions host refuses no request itself', () => {
	expect(JSON.parse(readFileSync('host.json', 'utf8')).extensions.http).toEqual({
		routePrefix: '',
		maxConcurrentRequests: -1,
		maxOutstandingRequests: -1,
		dynamicThrottlesEnabled: false,
	})
})
