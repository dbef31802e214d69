import { request as send } from 'node:http'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { limits } from '../../shared/scim/service-provider-config.ts'
import { type Host, type RequestOptions, useHost } from '../support/host.ts'

const host = useHost()
let tenant: Host
let joy: string
let ops: string
let before: unknown

/** All stored resources, as clients see them. */
async function stored() {
	const users = await tenant.request('GET', '/Users?count=1000')
	const memberships = await tenant.request('GET', '/Users?count=1000&attributes=groups')
	const groups = await tenant.request('GET', '/Groups?count=1000')
	return [users.body, memberships.body, groups.body]
}

beforeAll(async () => {
	tenant = await host()
	joy = (await tenant.create('/Users', { userName: 'joy@example.com', title: 'Dr', emails: [{ value: 'joy@home' }] }))
		.id
	ops = (await tenant.create('/Groups', { displayName: 'Ops', members: [{ value: joy }] })).id
	before = await stored()
})

/** The refusal of a request. `detail` is the whole text, or a pattern of it. */
type Refusal = readonly [status: number, scimType: string | undefined, detail: string | RegExp]

async function expectRefusal(method: string, path: string, options: RequestOptions, refusal: Refusal): Promise<void> {
	const [status, scimType, detail] = refusal
	const where = path.replaceAll('<joy>', joy).replaceAll('<ops>', ops)
	const { headers, body, ...answer } = await tenant.request(method, where, placed(options))
	expect(answer.status).toBe(status)
	expect(headers.get('content-type')).toBe('application/scim+json; charset=utf-8')
	expect(body).toEqual({
		schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
		status: String(status),
		...(scimType !== undefined && { scimType }),
		detail:
			typeof detail === 'string'
				? detail.replaceAll('<joy>', joy).replaceAll('<ops>', ops)
				: expect.stringMatching(detail),
	})
	expect(await stored()).toEqual(before)
}

function placed({ body, ...options }: RequestOptions): RequestOptions {
	if (body === undefined) return options
	if (body instanceof Uint8Array) return { ...options, body }
	const text = typeof body === 'string' ? body : JSON.stringify(body)
	return { ...options, body: text.replaceAll('<joy>', joy).replaceAll('<ops>', ops) }
}

const patch = (...Operations: unknown[]) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
	Operations,
})
const title = { op: 'replace', path: 'title', value: 'Prof' }
const repeat = <T>(count: number, make: (index: number) => T): T[] =>
	Array.from({ length: count }, (_, index) => make(index))
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
/** Text that cannot be compressed. It is the same in every run. */
const noise = (length: number) => {
	let state = 1
	return repeat(length, () => {
		state = (state * 48_271) % 2_147_483_647
		return String.fromCharCode(0x4e00 + (state % 20_000))
	}).join('')
}

describe('a body', () => {
	const invalid = (detail: string | RegExp): Refusal => [400, 'invalidSyntax', detail]

	it.each<[string, unknown, Refusal]>([
		['that is empty', '', invalid('the request has no body')],
		['of white space', ' \n', invalid(/^the body is not JSON: /)],
		['that is cut off', '{"userName": "a"', invalid(/^the body is not JSON: .*position 16/)],
		[
			'that is cut off in a string',
			'{"userName": "a',
			invalid(/^the body is not JSON: Unterminated string .*position 15/),
		],
		['with text behind it', '{"userName": "a"} {}', invalid(/^the body is not JSON: .*position 18/)],
		['with single quotes', "{'userName': 'a'}", invalid(/^the body is not JSON: .*position 1/)],
		['with a raw control character', '{"userName": "a\nb"}', invalid(/^the body is not JSON: .*position 15/)],
		['of XML', '<user/>', invalid(/^the body is not JSON: .*</)],
		['of NaN', 'NaN', invalid(/^the body is not JSON: .*N/)],
		['of null', null, invalid('the body must be a JSON object, not null')],
		['of a list', [{ userName: 'a' }], invalid('the body must be a JSON object, not a list')],
		['of a string', '"a"', invalid('the body must be a JSON object, not the string "a"')],
		['of a number', '1e400', invalid('the body must be a JSON object, not the number Infinity')],
		[
			'with a name twice',
			'{"userName": "a", "userName": "b"}',
			invalid('the body has the name "userName" twice in one object'),
		],
		[
			'with a name twice, once escaped',
			'{"userName": "a", "\\u0075serName": "b"}',
			invalid('the body has the name "userName" twice in one object'),
		],
		[
			'with a name twice in another letter case',
			'{"userName": "a", "USERNAME": "b"}',
			invalid('userName is given twice'),
		],
		[
			'with a sub-attribute twice',
			'{"userName": "a", "name": {"givenName": "b", "GivenName": "c"}}',
			invalid('name.givenName is given twice'),
		],
		[
			'with __proto__',
			'{"userName": "a", "__proto__": {"active": true}}',
			invalid('the body has the name "__proto__"'),
		],
		[
			'with __proto__ far inside, escaped',
			'{"userName": "a", "name": {"x": [{"\\u005f_proto__": 1}]}}',
			invalid('the body has the name "__proto__"'),
		],
		['of 10,000 nested lists', nested(10_000), invalid('the body is nested deeper than 32 levels')],
		[
			'of 10,000 nested lists in an attribute',
			`{"userName": "a", "x": ${nested(10_000)}}`,
			invalid('the body is nested deeper than 32 levels'),
		],
		['of 100,000 objects that never end', '{"a":'.repeat(100_000), invalid(/^the body is not JSON: /)],
		['that is not UTF-8', Buffer.from('{"userName": "\xff"}', 'latin1'), invalid('the body is not UTF-8')],
		['with half a character', Buffer.from('{"userName": "é"}').subarray(0, 15), invalid('the body is not UTF-8')],
		['with an encoded surrogate', Buffer.from('7b2261223a22eda080227d', 'hex'), invalid('the body is not UTF-8')],
		['in UTF-16', Buffer.from('{"userName": "a"}', 'utf16le'), invalid(/^the body is not JSON: /)],
		[
			'that is too large',
			' '.repeat(limits.maxPayloadSize + 1),
			[413, undefined, 'the body is larger than 4194304 bytes'],
		],
	])('%s is refused', (_, body, refusal) => expectRefusal('POST', '/Users', { body }, refusal))

	it.each<[string, Record<string, string>, string]>([
		['text', { 'content-type': 'text/plain' }, 'the Content-Type is text/plain: send application/scim+json'],
		[
			'a form',
			{ 'content-type': 'application/x-www-form-urlencoded' },
			'the Content-Type is application/x-www-form-urlencoded: send application/scim+json',
		],
		[
			'almost JSON',
			{ 'content-type': 'application/jsonp' },
			'the Content-Type is application/jsonp: send application/scim+json',
		],
		['JSON in UTF-16', { 'content-type': 'application/json; charset=UTF-16' }, 'the charset is utf-16: send utf-8'],
		['compressed', { 'content-encoding': 'gzip' }, 'the Content-Encoding is gzip: send the body uncompressed'],
	])('declared as %s is refused', (_, headers, detail) =>
		expectRefusal('POST', '/Users', { body: { userName: 'a' }, headers }, [415, undefined, detail]),
	)

	it('in chunks is refused, because the Functions host drops it', async () => {
		const { status, body } = await sendInChunks('POST', '/Users')
		expect(status).toBe(411)
		expect(body).toEqual({
			schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
			status: '411',
			detail: 'send the body with a Content-Length instead of Transfer-Encoding: chunked',
		})
	})
})

function sendInChunks(method: string, path: string): Promise<{ status: number | undefined; body: unknown }> {
	return new Promise((resolve, reject) => {
		const headers = { authorization: `Bearer ${tenant.token}`, 'transfer-encoding': 'chunked' }
		send(`${tenant.baseUrl}${path}`, { method, headers }, async (response) => {
			let text = ''
			for await (const chunk of response) text += chunk
			resolve({ status: response.statusCode, body: JSON.parse(text) })
		})
			.on('error', reject)
			.end()
	})
}

describe('a user or group', () => {
	const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
	const invalid = (detail: string | RegExp): Refusal => [400, 'invalidValue', detail]
	const stranger = '0198aa00aaaa7000800000000000abcd'

	it.each<[string, string, unknown, Refusal]>([
		['without its name', '/Users', {}, invalid('userName is required')],
		['with an empty name', '/Users', { userName: '' }, invalid('userName is required')],
		['with a number for a name', '/Users', { userName: 1 }, invalid('userName must be a string, not the number 1')],
		[
			'with an object for a name',
			'/Users',
			{ userName: { value: 'a' } },
			invalid('userName must be a string, not an object'),
		],
		['with NUL in its name', '/Users', { userName: 'a\0' }, invalid('userName must not contain the character U+0000')],
		[
			'with half a surrogate pair',
			'/Users',
			'{"userName": "a\\udc00"}',
			invalid('userName must not contain half of a surrogate pair'),
		],
		[
			'with NUL far inside',
			'/Users',
			{ userName: 'a', emails: [{ value: 'a' }, { value: 'b\0' }] },
			invalid('emails[1].value must not contain the character U+0000'),
		],
		[
			'with a word for a boolean',
			'/Users',
			{ userName: 'a', active: 'perhaps' },
			invalid('active must be a boolean, not the string "perhaps"'),
		],
		[
			'with a number for an object',
			'/Users',
			{ userName: 'a', name: 1 },
			invalid('name must be an object, not the number 1'),
		],
		[
			'with a list in a list',
			'/Users',
			{ userName: 'a', emails: [[{ value: 'b' }]] },
			invalid('emails[0] must be an object, not a list'),
		],
		[
			'with two primary values',
			'/Users',
			{
				userName: 'a',
				emails: [
					{ value: 'b', primary: true },
					{ value: 'c', primary: true },
				],
			},
			invalid('emails: more than one value has primary true'),
		],
		[
			'with an extension that is not an object',
			'/Users',
			{ userName: 'a', [enterprise]: 'b' },
			invalid(`${enterprise} must be an object, not the string "b"`),
		],
		[
			'with too many addresses',
			'/Users',
			{ userName: 'a', emails: repeat(21, (index) => ({ value: `${index}` })) },
			invalid('emails: 21 different values; the limit is 20'),
		],
		[
			'with too many values',
			'/Users',
			{ userName: 'a', phoneNumbers: repeat(1001, (index) => ({ value: `${index}` })) },
			invalid('phoneNumbers: 1001 values; the limit is 1000'),
		],
		[
			'that is taken',
			'/Users',
			{ userName: 'JOY@example.com' },
			[409, 'uniqueness', 'userName "JOY@example.com" is already taken by the User with the id "<joy>"'],
		],
		[
			'that is too large',
			'/Users',
			{ userName: 'a', title: noise(600_000) },
			[413, undefined, /^the resource takes \d+ bytes as JSON; the limit is 1048576$/],
		],
		['of a group without its name', '/Groups', { members: [{ value: '<joy>' }] }, invalid('displayName is required')],
		[
			'of a group that is taken',
			'/Groups',
			{ displayName: 'oPS' },
			[409, 'uniqueness', 'displayName "oPS" is already taken by the Group with the id "<ops>"'],
		],
		[
			'with a member without an id',
			'/Groups',
			{ displayName: 'a', members: [null] },
			invalid('members[0].value is required'),
		],
		[
			'with an unknown member',
			'/Groups',
			{ displayName: 'a', members: [{ value: '<joy>' }, { value: stranger }] },
			invalid(`members[value eq "${stranger}"]: no user has this id`),
		],
		[
			'with a group for a member',
			'/Groups',
			{ displayName: 'a', members: [{ value: '<ops>' }] },
			invalid('members[0].value: "<ops>" is a group, and nested groups are not supported'),
		],
		[
			'with a key of the table for a member',
			'/Groups',
			{ displayName: 'a', members: [{ value: "a/b\\c#d?e'f\t" }] },
			invalid(`members[0].value: no user has the id "a/b\\c#d?e'f\t"`),
		],
		[
			'with a member that has a huge name',
			'/Groups',
			{ displayName: 'a', members: [{ value: '<joy>', display: 'x'.repeat(2_000_000) }] },
			invalid('members[value eq "<joy>"].display: 2000000 characters; the limit is 30000'),
		],
	])('%s is refused', (_, path, body, refusal) => expectRefusal('POST', path, { body }, refusal))

	it.each<[string, string, unknown, Refusal]>([
		['without its name', '/Users/<joy>', { title: 'Prof' }, invalid('userName is required')],
		[
			'with an unknown member',
			'/Groups/<ops>',
			{ displayName: 'Dev', members: [{ value: stranger }] },
			invalid(`members[value eq "${stranger}"]: no user has this id`),
		],
		[
			'that does not exist',
			`/Users/${stranger}`,
			{ userName: 'a' },
			[404, undefined, `there is no User with the id "${stranger}"`],
		],
	])('put %s is refused', (_, path, body, refusal) => expectRefusal('PUT', path, { body }, refusal))

	it.each<[string, string, unknown[], Refusal]>([
		[
			'of an unknown op',
			'/Users/<joy>',
			[title, { op: 'jump', path: 'title' }],
			[400, 'invalidSyntax', 'Operations[1].op must be add, replace or remove, not the string "jump"'],
		],
		[
			'without a path',
			'/Users/<joy>',
			[title, { op: 'remove' }],
			[400, 'noTarget', 'Operations[1]: remove must have a path'],
		],
		[
			'of a path that is cut off',
			'/Users/<joy>',
			[title, { op: 'remove', path: 'emails[type eq "work"' }],
			[400, 'invalidPath', /^Operations\[1\]: path, character 22: expected /],
		],
		[
			'of a read-only attribute',
			'/Users/<joy>',
			[title, { op: 'replace', path: 'id', value: 'x' }],
			[400, 'mutability', 'Operations[1]: id is read-only'],
		],
		[
			'of a required attribute',
			'/Users/<joy>',
			[title, { op: 'remove', path: 'userName' }],
			[400, 'mutability', 'Operations[1]: userName is required'],
		],
		[
			'of NUL',
			'/Users/<joy>',
			[title, { op: 'replace', path: 'nickName', value: '\0' }],
			invalid('Operations[1]: nickName must not contain the character U+0000'),
		],
		[
			'to too many values',
			'/Users/<joy>',
			[
				{ op: 'add', path: 'phoneNumbers', value: repeat(1000, (index) => ({ value: `${index}` })) },
				{ op: 'add', path: 'phoneNumbers[type eq "fax"].value', value: 'one more' },
			],
			invalid('Operations[1]: phoneNumbers: 1001 values; the limit is 1000'),
		],
		[
			'with too many values',
			'/Users/<joy>',
			[title, { op: 'remove', path: 'phoneNumbers', value: repeat(1001, (index) => `${index}`) }],
			invalid('Operations[1]: phoneNumbers: 1001 values; the limit is 1000'),
		],
		['too often', '/Users/<joy>', repeat(1001, () => title), [413, undefined, 'a PATCH may make at most 1000 changes']],
		[
			'that makes it too large',
			'/Users/<joy>',
			[{ ...title, value: noise(600_000) }],
			[413, undefined, /^the resource takes /],
		],
		[
			'of a name and an unknown member',
			'/Groups/<ops>',
			[
				{ op: 'replace', path: 'displayName', value: 'Dev' },
				{ op: 'add', path: 'members', value: [{ value: stranger }] },
			],
			invalid(`Operations[1]: members[value eq "${stranger}"]: no user has this id`),
		],
		[
			'of members that includes an unknown one',
			'/Groups/<ops>',
			[
				{ op: 'remove', path: 'members' },
				{ op: 'add', path: 'members', value: [{ value: 'a#b' }] },
			],
			invalid('Operations[1]: members[0].value: no user has the id "a#b"'),
		],
		[
			'of members by their addresses',
			'/Groups/<ops>',
			[{ op: 'remove', path: 'members[$ref ne "x"]' }],
			[400, 'invalidFilter', 'Operations[0]: filter: $ref is an address that we write; compare the id'],
		],
		[
			'of members that are malformed',
			'/Groups/<ops>',
			[
				{ op: 'remove', path: 'members[value eq "<joy>"]' },
				{ op: 'add', path: 'members', value: 1 },
			],
			invalid('Operations[1]: members must be an object, not the number 1'),
		],
	])('patched %s is refused as a whole', (_, path, operations, refusal) =>
		expectRefusal('PATCH', path, { body: patch(...operations) }, refusal),
	)

	it.each<[string, unknown, Refusal]>([
		['no operations', {}, [400, 'invalidSyntax', 'Operations is missing: it must be a list']],
		[
			'an operation that is malformed',
			patch('x'),
			[400, 'invalidSyntax', 'Operations[0] must be an object, not the string "x"'],
		],
		[
			'a name twice in another letter case',
			patch({ ...title, OP: 'remove' }),
			[400, 'invalidSyntax', 'Operations[0]: the PATCH has the name "OP" twice in one object'],
		],
		[
			'its operations twice',
			{ ...patch(title), operations: [] },
			[400, 'invalidSyntax', 'the PATCH has the name "operations" twice in one object'],
		],
		[
			'another message',
			{ schemas: ['urn:x'], Operations: [title] },
			[400, 'invalidSyntax', 'schemas must have urn:ietf:params:scim:api:messages:2.0:PatchOp, not "urn:x"'],
		],
	])('patched with %s is refused', (_, body, refusal) => expectRefusal('PATCH', '/Users/<joy>', { body }, refusal))
})

describe('a path', () => {
	const absent = (id: string): Refusal => [404, undefined, `there is no User with the id "${id}"`]
	const broken = (segment: string): Refusal => [
		400,
		'invalidSyntax',
		`the path has a broken percent encoding: ${segment}`,
	]

	const paths: [string, Refusal][] = [
		['/Users/%00', absent('\0')],
		['/Users/%2F', absent('/')],
		['/Users/a%5Cb%23c%3Fd', absent('a\\b#c?d')],
		['/Users/%0D%0Ax%3A%20y%7F', absent('\r\nx: y\x7f')],
		['/Users/%E2%80%A8', absent('\u2028')],
		["/Users/x')%20or%20(RowKey%20ne%20'", absent("x') or (RowKey ne '")],
		['/Users/u%7C<joy>', absent('u|<joy>')],
		['/Users/<ops>', absent('<ops>')],
		['/Users/__proto__', absent('__proto__')],
		[`/Users/${'x'.repeat(16_000)}`, [404, undefined, /^there is no User with the id "x{600,700} … x{200,290}"$/]],
		['/Users/%', broken('%')],
		['/Users/%zz', broken('%zz')],
		['/Users/%C3%28', broken('%C3%28')],
		['/Users/%ED%A0%80', broken('%ED%A0%80')],
	]
	it.each(
		paths.flatMap(([path, refusal]) => (['GET', 'DELETE'] as const).map((method) => [method, path, refusal] as const)),
	)('%s %s is refused', (method, path, refusal) => expectRefusal(method, path, {}, refusal))

	it.each<[string, string, Refusal]>([
		['GET', '/Nope', [404, undefined, /^there is no endpoint \/scim\/tenant-\d+\/Nope$/]],
		[
			'GET',
			'/Users/<joy>/emails',
			[404, undefined, /^there is no endpoint \/scim\/tenant-\d+\/Users\/[0-9a-f]{32}\/emails$/],
		],
		['DELETE', '/Users/..%2F..%2FUsers/<joy>', [404, undefined, /^there is no endpoint /]],
		['GET', '/Me', [501, undefined, '/Me is not supported: a token does not belong to a user']],
		['POST', '/Me', [501, undefined, '/Me is not supported: a token does not belong to a user']],
	])('%s %s is not an endpoint', (method, path, refusal) => expectRefusal(method, path, {}, refusal))

	it.each([
		...['DELETE', 'PUT', 'PATCH', 'OPTIONS', 'PROPFIND'].map(
			(method) => [method, '/Users', 'GET, POST, HEAD'] as const,
		),
		['POST', '/Users/<joy>', 'GET, PUT, PATCH, DELETE, HEAD'],
		['GET', '/Bulk', 'POST'],
		['GET', '/.search', 'POST'],
		['HEAD', '/Groups/.search', 'POST'],
		['POST', '/Schemas', 'GET, HEAD'],
		['DELETE', '/ServiceProviderConfig', 'GET, HEAD'],
		['PUT', '/ResourceTypes/User', 'GET, HEAD'],
		['POST', '', 'GET, HEAD'],
	] as const)('does not allow %s: %s', async (method, path, allow) => {
		const { status, headers, body } = await tenant.request(method, path.replace('<joy>', joy))
		expect([status, headers.get('allow')]).toEqual([405, allow])
		if (method !== 'HEAD')
			expect(body).toMatchObject({ status: '405', detail: `${method} is not supported here: use ${allow}` })
		expect(await stored()).toEqual(before)
	})
})

describe('a query', () => {
	const value = (detail: string): Refusal => [400, 'invalidValue', detail]
	const filter = (detail: string | RegExp): Refusal => [400, 'invalidFilter', detail]
	const conditions = (count: number) => repeat(count, () => 'title pr').join(' or ')

	it.each<[string, Refusal]>([
		['startIndex=x', value('startIndex must be an integer, not the string "x"')],
		['startIndex=1.5', value('startIndex must be an integer, not the string "1.5"')],
		['count=1e3', value('count must be an integer, not the string "1e3"')],
		['count=99999999999999999999', value('count must be an integer, not a string')],
		['count=0x10', value('count must be an integer, not the string "0x10"')],
		['count=1&COUNT=2', [400, 'invalidSyntax', 'the query has count twice']],
		[
			'cursor=abc',
			[400, 'invalidCursor', 'the cursor does not belong to this query: begin again with an empty cursor'],
		],
		[
			'cursor=%00%FF',
			[400, 'invalidCursor', 'the cursor does not belong to this query: begin again with an empty cursor'],
		],
		['cursor=&startIndex=1', value('cursor and startIndex are two ways to page: send one of them')],
		['sortBy=nope', value('sortBy: there is no attribute "nope"; did you mean name?')],
		['sortBy=constructor', value('sortBy: there is no attribute "constructor"')],
		['sortBy=%00', [400, 'invalidPath', 'path, character 1: expected an attribute name, found \0']],
		[
			'sortBy=userName&sortOrder=sideways',
			value('sortOrder must be ascending or descending, not the string "sideways"'),
		],
		[
			'attributes=title&excludedAttributes=name',
			value('attributes and excludedAttributes are mutually exclusive: send one of them'),
		],
		[`attributes=${'a,'.repeat(1001)}`, value('attributes has more than 1000 names')],
		['filter=userName', filter(/^filter, character 9: expected an operator /)],
		['filter=userName eq', filter(/^filter, character 12: expected a value/)],
		['filter=(userName pr', filter('filter, character 13: expected "and", "or" or ")", found the end')],
		['filter=nope pr', filter('filter: User has no attribute nope; did you mean name?')],
		['filter=meta.location pr', filter('filter: meta.location is an address that we write; compare the id')],
		['filter=title like "D"', filter(/^filter, character 7: expected an operator .* found like$/)],
		['filter=active gt true', filter('filter: active is a boolean and cannot be compared by gt with true')],
		['filter=title eq "\0"', filter('filter, character 10: expected a string that is valid JSON, found "\0"')],
		["filter=title eq 'Dr'", filter(/^filter, character 10: expected a value/)],
		[`filter=${'('.repeat(1000)}`, filter('the filter is nested deeper than 32 parentheses and brackets')],
		[`filter=${'not('.repeat(1000)}title pr`, filter('the filter is nested deeper than 32 parentheses and brackets')],
		[`filter=title eq "${'x'.repeat(9000)}"`, filter('the filter is longer than 8192 characters')],
		[`filter=${conditions(300)}`, filter('the filter is longer than 256 expressions')],
	])('of %s is refused', async (query, refusal) => {
		const encoded = query.replace(/(?<=filter=).*/s, encodeURIComponent)
		await expectRefusal('GET', `/Users?${encoded}`, {}, refusal)
	})

	it.each<[string, unknown, Refusal]>([
		['a list', [], [400, 'invalidSyntax', 'the search request must be a JSON object, not a list']],
		['a malformed count', { count: '1e3' }, value('count must be an integer, not the string "1e3"')],
		['a count twice', { count: 1, COUNT: 2 }, [400, 'invalidSyntax', 'the search request has count twice']],
		['a huge count', { count: 1e300 }, value('count must be an integer, not the number 1e+300')],
		['a malformed filter', { filter: ['title pr'] }, value('filter must be a string')],
		[
			'a huge filter',
			{ filter: `title eq "${'x'.repeat(3_000_000)}"` },
			filter('the filter is longer than 8192 characters'),
		],
		['malformed names', { attributes: [1] }, value('attributes must be a string or a list of strings')],
		[
			'a million names',
			{ excludedAttributes: repeat(300_000, () => 'title') },
			value('excludedAttributes has more than 1000 names'),
		],
		['a broken filter', { filter: 'title' }, filter(/^filter, character 6: /)],
	])('to .search of %s is refused', (_, body, refusal) => expectRefusal('POST', '/Users/.search', { body }, refusal))

	it.each([
		['startIndex=0&count=-1', { startIndex: 1, itemsPerPage: 0, totalResults: 1 }],
		['startIndex=999999999999999', { startIndex: 999999999999999, itemsPerPage: 0, totalResults: 1 }],
		['count=999999999999999', { startIndex: 1, itemsPerPage: 1, totalResults: 1 }],
		['filter=&sortBy=&startIndex=', { startIndex: 1, itemsPerPage: 1, totalResults: 1 }],
		['filter=title%20eq%20%22%5Cud800%22', { itemsPerPage: 0, totalResults: 0 }],
		[`filter=userName%20eq%20%22${'%2F'.repeat(4000)}%22`, { itemsPerPage: 0, totalResults: 0 }],
		['attributes=%00,[[,nope', { itemsPerPage: 1, totalResults: 1 }],
		['constructor=1&__proto__=2&toString=3', { itemsPerPage: 1, totalResults: 1 }],
	])('of %s is unusual, and answered', async (query, expected) => {
		const { status, body } = await tenant.request('GET', `/Users?${query}`)
		expect([status, body]).toEqual([200, expect.objectContaining(expected)])
	})
})

describe('a bulk request', () => {
	const creation = { method: 'POST', path: '/Users', bulkId: 'a', data: { userName: 'new' } }

	it.each<[string, unknown, Refusal]>([
		[
			'an empty list of operations',
			{ Operations: [] },
			[400, 'invalidSyntax', 'Operations is an empty list: it must have an operation'],
		],
		['no operations', { failOnErrors: 1 }, [400, 'invalidSyntax', 'Operations is missing: it must be a list']],
		[
			'an operation that is malformed',
			{ Operations: [creation, 'x'] },
			[400, 'invalidSyntax', 'Operations[1] must be an object, not the string "x"'],
		],
		['a list', [], [400, 'invalidSyntax', 'the bulk request must be an object, not a list']],
		[
			'a method that is a number',
			{ Operations: [{ ...creation, method: 1 }] },
			[400, 'invalidSyntax', 'Operations[0].method must be POST, PUT, PATCH or DELETE, not the number 1'],
		],
		[
			'an operation without a path',
			{ Operations: [{ method: 'DELETE' }] },
			[400, 'invalidSyntax', 'Operations[0].path is missing: it must be a string'],
		],
		[
			'an empty bulkId',
			{ Operations: [{ ...creation, bulkId: '' }] },
			[400, 'invalidSyntax', 'Operations[0].bulkId is empty'],
		],
		[
			'an unknown method',
			{ Operations: [creation, { method: 'GET', path: '/Users' }] },
			[400, 'invalidSyntax', 'Operations[1].method must be POST, PUT, PATCH or DELETE, not the string "GET"'],
		],
		[
			'a huge path',
			{ Operations: [creation, { method: 'DELETE', path: 'x'.repeat(2000) }] },
			[400, 'invalidSyntax', 'Operations[1].path is longer than 1024 characters'],
		],
		[
			'a limit of no errors',
			{ failOnErrors: 0, Operations: [creation] },
			[400, 'invalidSyntax', 'failOnErrors must be a whole number, 1 or more, not the number 0'],
		],
		[
			'a POST without a bulkId',
			{ Operations: [creation, { ...creation, bulkId: undefined }] },
			[400, 'invalidValue', 'a POST in a bulk request needs a bulkId'],
		],
		['a bulkId twice', { Operations: [creation, creation] }, [400, 'invalidValue', 'the bulkId "a" is given twice']],
		[
			'too many operations',
			{ Operations: repeat(1001, (index) => ({ ...creation, bulkId: `${index}` })) },
			[413, undefined, 'the bulk request has 1001 operations: 1000 are allowed'],
		],
		[
			'too much',
			{ Operations: [creation], x: 'x'.repeat(limits.maxPayloadSize) },
			[413, undefined, 'the body is larger than 4194304 bytes'],
		],
	])('with %s is refused as a whole', (_, body, refusal) => expectRefusal('POST', '/Bulk', { body }, refusal))
})

describe('any request', () => {
	const word = fc.constantFrom(
		'userName',
		'displayName',
		'members',
		'value',
		'emails',
		'active',
		'name',
		'schemas',
		'Operations',
		'op',
		'path',
		'add',
		'remove',
		'replace',
		'title',
		'filter',
		'count',
		'meta',
		'id',
		'toString',
		'method',
		'bulkId',
		'data',
		'/Users',
		'members[value eq "x"]',
		'emails[type eq "work"].value',
		'bulkId:x',
		'\0',
		'\ud800',
		'',
		'é\u0301',
	)
	const { json } = fc.letrec((tie) => ({
		json: fc.oneof(
			{ maxDepth: 4, withCrossShrink: true },
			word,
			fc.oneof(fc.boolean(), fc.constant(null), fc.integer(), fc.double(), fc.string({ unit: 'binary', maxLength: 8 })),
			fc.array(tie('json'), { maxLength: 4 }),
			fc.dictionary(word, tie('json'), { maxKeys: 5 }),
		),
	}))
	const attribute = fc.constantFrom('title', 'displayName', 'active', 'emails', 'name.givenName', 'members', 'userName')
	const operation = fc.record(
		{ op: fc.constantFrom('add', 'Remove', 'replace'), path: fc.oneof(attribute, word), value: json },
		{ requiredKeys: ['op'] },
	)
	const resource = fc.record(
		{
			userName: word,
			displayName: word,
			active: json,
			emails: json,
			members: fc.array(json, { maxLength: 2 }),
			x: json,
		},
		{ requiredKeys: ['userName', 'displayName'] },
	)
	const bulkOperation = fc.record({
		method: fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE', 'GET'),
		path: fc.oneof(fc.constantFrom('/Users', '/Groups', '/Users/bulkId:a'), word),
		bulkId: fc.constantFrom('a', 'b', undefined),
		data: fc.oneof(resource, json),
	})
	const targets = {
		resource: ['POST /Users', 'POST /Groups', 'PUT /Users/<user>', 'PUT /Groups/<group>'],
		patch: ['PATCH /Users/<user>', 'PATCH /Groups/<group>'],
		bulk: ['POST /Bulk'],
		search: ['POST /Users/.search', 'POST /.search'],
	}
	const to = (kind: keyof typeof targets) => fc.constantFrom(...targets[kind])
	const operations = (each: fc.Arbitrary<unknown>) =>
		fc.record({ Operations: fc.array(each, { minLength: 1, maxLength: 2 }) })
	const request = fc.oneof(
		fc.tuple(to('resource'), resource),
		fc.tuple(to('patch'), operations(operation)),
		fc.tuple(to('bulk'), operations(bulkOperation)),
		fc.tuple(fc.constantFrom(...Object.values(targets).flat()), json),
	)
	const whole = request.map(([target, message]) => [target, JSON.stringify(message)] as const)
	const broken = fc.tuple(request, fc.nat(200), fc.string({ maxLength: 3 })).map(([[target, message], at, noise]) => {
		const text = JSON.stringify(message)
		return [target, text.slice(0, at) + noise + text.slice(at + noise.length)] as const
	})
	const bytes = fc.tuple(to('resource'), fc.uint8Array({ maxLength: 40 }))
	const anything = fc.oneof({ weight: 6, arbitrary: whole }, broken, bytes)

	it('succeeds, or is refused with a SCIM error and has no effect', async () => {
		const fuzzed = await host()
		const user = await fuzzed.create('/Users', { userName: 'fuzzed' })
		const group = await fuzzed.create('/Groups', { displayName: 'fuzzed', members: [{ value: user.id }] })
		const all = async () => {
			const { body: users } = await fuzzed.request('GET', '/Users?count=1000')
			const { body: groups } = await fuzzed.request('GET', '/Groups?count=1000')
			return JSON.stringify([users, groups])
		}
		let last = await all()
		await fc.assert(
			fc.asyncProperty(anything, async ([target, content]) => {
				const [method = '', path = ''] = target.split(' ')
				const where = path.replace('<user>', user.id).replace('<group>', group.id)
				const answer = await fuzzed.request(method, where, { body: content })
				const now = await all()
				expect(answer.status).toBeLessThan(500)
				if (answer.status >= 400) {
					expect(answer.headers.get('content-type')).toBe('application/scim+json; charset=utf-8')
					expect(answer.body).toMatchObject({
						schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
						status: String(answer.status),
						detail: expect.stringMatching(/./),
					})
					expect(now).toBe(last)
				}
				last = now
			}),
			{ numRuns: 300, interruptAfterTimeLimit: 8000 },
		)
	})
})
