import { beforeAll, describe, expect, it } from 'vitest'
import { type Host, useHost } from '../support/host.ts'

const host = useHost()
let tenant: Host
const ids = new Map<string, string>()

const listResponse = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'
const searchRequest = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

const users = [
	{ userName: 'Émile', title: 'b', active: true, emails: [{ value: 'emile@work', type: 'work' }], externalId: 'X-1' },
	{ userName: 'alice', title: 'C', active: false, name: { familyName: 'Zimmer' }, [enterprise]: { department: 'Ops' } },
	{ userName: 'Bob', active: true, name: { familyName: 'Adam' }, emails: [{ value: 'bob@home', type: 'home' }] },
	{
		userName: 'dora',
		title: 'a',
		name: { familyName: 'adam' },
		[enterprise]: { department: 'ops', manager: { value: 'boss' } },
	},
	{ userName: 'carol', title: 'B', externalId: 'x-1' },
]
const groups = [
	{ displayName: 'Readers', members: ['alice', 'Bob'] },
	{ displayName: 'Admins', members: ['alice'] },
	{ displayName: 'Nobody', members: [] },
]

beforeAll(async () => {
	tenant = await host()
	for (const user of users) ids.set(user.userName, (await tenant.create('/Users', user)).id)
	for (const { displayName, members } of groups) {
		const values = members.map((name) => ({ value: ids.get(name) }))
		ids.set(displayName, (await tenant.create('/Groups', { displayName, members: values })).id)
	}
})

const everybody = users.map(({ userName }) => userName)
const everyGroup = groups.map(({ displayName }) => displayName)

type Parameters = Readonly<Record<string, string | number>>

/** Searches by GET and by POST to .search, which must have the same answer. */
async function search(endpoint: '' | '/Users' | '/Groups', parameters: Parameters) {
	const query = new URLSearchParams(
		Object.entries(parameters).map(([name, value]): [string, string] => [name, `${value}`]),
	)
	const got = await tenant.request('GET', `${endpoint}?${query}`)
	const body = { schemas: [searchRequest], ...parameters }
	const posted = await tenant.request('POST', `${endpoint}/.search`, { body })
	expect([posted.status, withoutCursor(posted.body)]).toEqual([got.status, withoutCursor(got.body)])
	expect([got.status, got.body.schemas]).toEqual([200, [listResponse]])
	return got.body
}

/** A cursor contains the time at which it was made. */
const withoutCursor = ({ nextCursor, ...body }: Record<string, unknown>) => ({
	...body,
	hasNext: nextCursor !== undefined,
})

const namesIn = ({ Resources }: { Resources: { userName?: string; displayName?: string }[] }) =>
	Resources.map(({ userName, displayName }) => userName ?? displayName)

describe('a search', () => {
	it('without parameters finds all users in the order of their creation', async () => {
		expect(await search('/Users', {})).toEqual({
			schemas: [listResponse],
			totalResults: 5,
			startIndex: 1,
			itemsPerPage: 5,
			Resources: await Promise.all(
				everybody.map(async (name) => (await tenant.request('GET', `/Users/${ids.get(name)}`)).body),
			),
		})
		expect(namesIn(await search('/Groups', {}))).toEqual(everyGroup)
		expect(namesIn(await search('', {}))).toEqual([...everybody, ...everyGroup])
	})

	it.each([
		['startIndex=9007199254740993', '/Users'],
		[`startIndex=${'9'.repeat(300)}`, '/Users'],
		[`startIndex=${'9'.repeat(300)}&sortBy=userName`, '/Users'],
		[`startIndex=${'9'.repeat(300)}&sortBy=title`, '/Users'],
		[`startIndex=${'9'.repeat(300)}&filter=userName+pr`, '/Users'],
		[`startIndex=${'9'.repeat(300)}`, '/Groups'],
		[`startIndex=${'9'.repeat(300)}`, '/'],
	])('with %s at %s is an empty page', async (query, path) => {
		const { status, body } = await tenant.request('GET', `${path}?${query}`)
		const totalResults = path === '/Users' ? 5 : path === '/Groups' ? 3 : 8
		expect([status, body]).toEqual([
			200,
			{ schemas: [listResponse], totalResults, startIndex: Number.MAX_SAFE_INTEGER, itemsPerPage: 0, Resources: [] },
		])
	})

	it.each<[string, string[]]>([
		['userName eq "ÉMILE"', ['Émile']],
		['userName eq "E\u0301mile"', ['Émile']],
		['userName sw "a" or userName sw "b"', ['alice', 'Bob']],
		['externalId eq "x-1"', ['carol']],
		['title pr and active eq true', ['Émile', 'dora', 'carol']],
		['not (title pr)', ['Bob']],
		['name.familyName eq "ADAM"', ['Bob', 'dora']],
		['emails.value ew "HOME"', ['Bob']],
		['emails[type eq "work" and value co "emile"]', ['Émile']],
		[`${enterprise}:department eq "OPS"`, ['alice', 'dora']],
		[`${enterprise}:manager.value eq "boss"`, ['dora']],
		['groups.value eq "<Admins>"', ['alice']],
		['groups.display eq "readers"', ['alice', 'Bob']],
		['id eq "<Bob>"', ['Bob']],
		['meta.created gt "2020-01-01T00:00:00Z" and title le "a"', ['dora']],
		['userName eq "nobody"', []],
		['id eq "nobody"', []],
		['id eq "<Admins>"', []],
	])('of users by %s', async (filter, expected) => {
		const placed = filter.replaceAll(/<(\w+)>/g, (_, name) => ids.get(name) ?? '')
		const body = await search('/Users', { filter: placed })
		expect(namesIn(body)).toEqual(expected)
		expect(body).toMatchObject({ totalResults: expected.length, itemsPerPage: expected.length, startIndex: 1 })
	})

	it.each<[string, string[]]>([
		['displayName eq "ADMINS"', ['Admins']],
		['members.value eq "<alice>"', ['Readers', 'Admins']],
		['members[value eq "<Bob>"]', ['Readers']],
		['not (members pr)', ['Nobody']],
		['id eq "<Readers>" and members.value eq "<alice>"', ['Readers']],
		['id eq "<Nobody>" and members.value eq "<alice>"', []],
	])('of groups by %s', async (filter, expected) => {
		const placed = filter.replaceAll(/<(\w+)>/g, (_, name) => ids.get(name) ?? '')
		expect(namesIn(await search('/Groups', { filter: placed }))).toEqual(expected)
	})

	it.each<[string, string[]]>([
		['displayName pr', everyGroup],
		['title eq "b"', ['Émile', 'carol']],
		['meta.resourceType eq "Group"', everyGroup],
		['externalId pr', ['Émile', 'carol']],
	])('of everything by %s', async (filter, expected) => {
		expect(namesIn(await search('', { filter }))).toEqual(expected)
	})

	it('of everything by an attribute that no resource has is refused', async () => {
		const { status, body } = await tenant.request('GET', '?filter=nope+pr')
		expect([status, body.scimType]).toEqual([400, 'invalidFilter'])
	})

	it('returns the selected attributes of each resource', async () => {
		const body = await search('', { attributes: 'displayName,title' })
		expect(body.Resources[1]).toEqual({
			schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', enterprise],
			id: ids.get('alice'),
			title: 'C',
		})
		expect(body.Resources[5]).toEqual({
			schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'],
			id: ids.get('Readers'),
			displayName: 'Readers',
		})
		const excluded = await search('/Groups', { excludedAttributes: 'members' })
		expect(excluded.Resources.filter((group: object) => 'members' in group)).toEqual([])
	})
})

describe('an order', () => {
	it.each<[string, string, string[]]>([
		['userName', 'ascending', ['alice', 'Bob', 'carol', 'dora', 'Émile']],
		['userName', 'descending', ['Émile', 'dora', 'carol', 'Bob', 'alice']],
		['title', 'ascending', ['dora', 'Émile', 'carol', 'alice', 'Bob']],
		['TITLE', 'Descending', ['Bob', 'alice', 'Émile', 'carol', 'dora']],
		['name.familyName', 'ascending', ['Bob', 'dora', 'alice', 'Émile', 'carol']],
		['emails', 'ascending', ['Bob', 'Émile', 'alice', 'dora', 'carol']],
		['externalId', 'ascending', ['Émile', 'carol', 'alice', 'Bob', 'dora']],
		['id', 'descending', [...everybody].reverse()],
		['meta.created', 'ascending', everybody],
	])('by %s, %s', async (sortBy, sortOrder, expected) => {
		expect(namesIn(await search('/Users', { sortBy, sortOrder }))).toEqual(expected)
		// The same order in pages of two.
		const paged = []
		for (const startIndex of [1, 3, 5])
			paged.push(...namesIn(await search('/Users', { sortBy, sortOrder, startIndex, count: 2 })))
		expect(paged).toEqual(expected)
	})

	it('is ascending by default, and applies to the matches of a filter', async () => {
		expect(namesIn(await search('/Users', { sortBy: 'userName', filter: 'title pr', count: 2 }))).toEqual([
			'alice',
			'carol',
		])
		expect(namesIn(await search('/Groups', { sortBy: 'displayName' }))).toEqual(['Admins', 'Nobody', 'Readers'])
	})
})

describe('a page', () => {
	it.each<[Parameters, number, string[]]>([
		[{ count: 2 }, 1, ['Émile', 'alice']],
		[{ startIndex: 4 }, 4, ['dora', 'carol']],
		[{ startIndex: 2, count: 3 }, 2, ['alice', 'Bob', 'dora']],
		[{ startIndex: 5, count: 1000 }, 5, ['carol']],
		[{ startIndex: 6, count: 10 }, 6, []],
		[{ startIndex: 0, count: 1 }, 1, ['Émile']],
		[{ startIndex: -3, count: 0 }, 1, []],
		[{ count: -1 }, 1, []],
	])('by %j', async (parameters, startIndex, expected) => {
		for (const filter of ['', 'userName pr']) {
			const body = await search('/Users', filter === '' ? parameters : { ...parameters, filter })
			expect(namesIn(body)).toEqual(expected)
			expect(body).toMatchObject({ totalResults: 5, startIndex, itemsPerPage: expected.length })
		}
	})

	it('of all types continues from one type to the next', async () => {
		const all = [...everybody, ...everyGroup]
		for (let startIndex = 1; startIndex <= 9; startIndex++) {
			const body = await search('', { startIndex, count: 3 })
			expect(namesIn(body)).toEqual(all.slice(startIndex - 1, startIndex + 2))
			expect(body.totalResults).toBe(8)
		}
	})
})

describe('a cursor', () => {
	/** All pages, read by following the cursors. */
	async function pages(endpoint: '' | '/Users' | '/Groups', parameters: Parameters): Promise<(string | undefined)[][]> {
		const found = []
		let cursor: string | undefined = ''
		while (cursor !== undefined) {
			const body: Awaited<ReturnType<typeof search>> = await search(endpoint, { ...parameters, cursor })
			expect(body).not.toHaveProperty('startIndex')
			found.push(namesIn(body))
			cursor = body.nextCursor
		}
		return found
	}

	it.each<['' | '/Users' | '/Groups', Parameters, string[][]]>([
		['/Users', { count: 2 }, [['Émile', 'alice'], ['Bob', 'dora'], ['carol']]],
		['/Users', {}, [everybody]],
		['/Users', { count: 2, sortBy: 'userName' }, [['alice', 'Bob'], ['carol', 'dora'], ['Émile']]],
		[
			'/Users',
			{ count: 2, sortBy: 'title', sortOrder: 'descending' },
			[['Bob', 'alice'], ['Émile', 'carol'], ['dora']],
		],
		['/Users', { count: 1, filter: 'name.familyName pr' }, [['alice'], ['Bob'], ['dora']]],
		['/Groups', { count: 2 }, [['Readers', 'Admins'], ['Nobody']]],
		['', { count: 3 }, [['Émile', 'alice', 'Bob'], ['dora', 'carol'], everyGroup]],
	])('leads through all pages of %s with %j', async (endpoint, parameters, expected) => {
		expect(await pages(endpoint, parameters)).toEqual(expected)
	})

	it('is valid only for its query and its tenant', async () => {
		const { nextCursor } = await search('/Users', { count: 2, cursor: '' })
		const refusal = {
			status: 400,
			body: {
				schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
				status: '400',
				scimType: 'invalidCursor',
				detail: 'the cursor does not belong to this query: begin again with an empty cursor',
			},
		}
		const other = await host()
		for (const [asked, path] of [
			[tenant, `/Groups?cursor=${nextCursor}`],
			[tenant, `?cursor=${nextCursor}`],
			[tenant, `/Users?filter=title+pr&cursor=${nextCursor}`],
			[tenant, `/Users?sortBy=title&cursor=${nextCursor}`],
			[tenant, `/Users?cursor=x${nextCursor}`],
			[other, `/Users?cursor=${nextCursor}`],
		] as const) {
			expect(await asked.request('GET', path)).toMatchObject(refusal)
		}
		expect(namesIn((await tenant.request('GET', `/Users?count=1&cursor=${nextCursor}`)).body)).toEqual(['Bob'])
	})

	it('returns every user once while other users are created and deleted', async () => {
		const busy = await host()
		const created = []
		for (const userName of ['a', 'b', 'c', 'd', 'e']) created.push((await busy.create('/Users', { userName })).id)
		const first = (await busy.request('GET', '/Users?count=2&cursor=')).body
		await busy.request('DELETE', `/Users/${created[0]}`)
		await busy.create('/Users', { userName: 'f' })
		const second = (await busy.request('GET', `/Users?count=2&cursor=${first.nextCursor}`)).body
		await busy.request('DELETE', `/Users/${created[3]}`)
		const third = (await busy.request('GET', `/Users?count=2&cursor=${second.nextCursor}`)).body
		expect([first, second, third].map(namesIn)).toEqual([
			['a', 'b'],
			['c', 'd'],
			['e', 'f'],
		])
		expect(third).not.toHaveProperty('nextCursor')
		expect(third.totalResults).toBe(4)
	})
})
