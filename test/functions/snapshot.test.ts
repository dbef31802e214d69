import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Host, useHost } from '../support/host.ts'

const newHost = useHost()
afterEach(() => void vi.useRealTimers())

type Told = { readonly operation: string; readonly resourceType: string; readonly resourceId: string }

/** The answers to a reader who goes on until nothing is new. Calls `between` behind each answer. */
async function read(tenant: Host, query: string, between: (page: number) => Promise<unknown> = async () => {}) {
	const answers: { snapshot?: true; nextCursor: string; changes: readonly Told[] }[] = []
	for (let cursor = ''; ; ) {
		vi.advanceTimersByTime(61_000)
		const { status, body } = await tenant.request('GET', `/Changes?snapshot=true&${query}&cursor=${cursor}`)
		expect({ status, body }).toMatchObject({ status: 200, body: { itemsPerPage: body.changes?.length } })
		answers.push(body)
		if (body.changes.length === 0 && body.nextCursor === cursor) return answers
		cursor = body.nextCursor
		await between(answers.length)
	}
}

const idsIn = (answers: readonly { changes: readonly Told[] }[]) =>
	answers.flatMap(({ changes }) => changes.map(({ resourceId }) => resourceId))

let days = 0

describe.each([1, 2])('a snapshot of a tenant in format %i', (format) => {
	async function newTenant() {
		vi.useFakeTimers({ toFake: ['Date', 'performance'] })
		// Ids never go back in time, and earlier tests have set the clock to the future.
		vi.setSystemTime(Date.now() + ++days * 86_400_000)
		return newHost({ format })
	}

	async function newPeople(tenant: Host) {
		const users: string[] = []
		for (const userName of ['joy', 'ann', 'max']) users.push((await tenant.create('/Users', { userName })).id)
		const group = (await tenant.create('/Groups', { displayName: 'Staff', members: [{ value: users[0] }] })).id
		vi.advanceTimersByTime(3_600_000)
		// Another reader comes first, who closes the epoch of these changes.
		await tenant.request('GET', '/Changes')
		return { users, group }
	}

	test('has each user and then each group as created, page by page, and then nothing is new', async () => {
		const tenant = await newTenant()
		const { users, group } = await newPeople(tenant)
		const answers = await read(tenant, 'count=2')
		expect(answers.map(({ snapshot, changes }) => [snapshot, changes.length])).toEqual([
			[true, 2],
			[true, 1],
			[true, 1],
			[undefined, 0],
		])
		expect(idsIn(answers)).toEqual([...users, group])
		const version = (await tenant.request('GET', `/Groups/${group}`)).body.meta
		expect(answers[2]?.changes).toEqual([
			{
				...{ id: expect.stringMatching(/^[0-9a-f]{32}$/), timestamp: version.lastModified, operation: 'create' },
				...{ resourceType: 'Group', resourceId: group, $ref: `${tenant.baseUrl}/Groups/${group}` },
			},
		])
	})

	test('is followed by each change that was made while it was read', async () => {
		const tenant = await newTenant()
		const { users, group } = await newPeople(tenant)
		const [joy = '', ann = '', max = ''] = users
		const added = { op: 'add', path: 'members', value: [{ value: max }] }
		const answers = await read(tenant, 'count=1', async (page) => {
			if (page === 1) await tenant.request('DELETE', `/Users/${joy}`)
			if (page === 2) await tenant.create('/Users', { userName: 'new' })
			if (page === 3) await tenant.request('PUT', `/Users/${ann}`, { body: { userName: 'ann', active: false } })
			if (page === 4) await tenant.request('PATCH', `/Groups/${group}`, { body: { Operations: [added] } })
		})
		const behind = answers.filter(({ snapshot }) => snapshot === undefined).flatMap(({ changes }) => changes)
		expect(behind).toMatchObject([
			{ operation: 'delete', resourceId: joy, userName: 'joy' },
			{ operation: 'create', resourceType: 'User' },
			{ operation: 'update', resourceId: ann, attributes: ['active'] },
			{ operation: 'update', resourceId: group, addedMembers: [max] },
		])
	})

	test('of groups has no user, neither before nor behind its end', async () => {
		const tenant = await newTenant()
		const { group } = await newPeople(tenant)
		const answers = await read(tenant, 'types=group', async (page) => {
			if (page === 1) await tenant.create('/Users', { userName: 'new' })
			if (page === 2) await tenant.request('DELETE', `/Groups/${group}`)
		})
		const told = answers.flatMap(({ changes }) => changes)
		expect(told).toMatchObject([
			{ operation: 'create', resourceId: group },
			{ operation: 'delete', resourceId: group },
		])
	})

	test('of an empty directory goes on with the first user', async () => {
		const tenant = await newTenant()
		const answers = await read(tenant, 'types=User', async (page) => {
			if (page === 1) await tenant.create('/Users', { userName: 'joy' })
		})
		expect(answers.slice(0, 2)).toMatchObject([
			{ snapshot: true, changes: [] },
			{ changes: [{ operation: 'create', resourceType: 'User' }] },
		])
	})

	test('takes 3 requests to storage at the beginning and 2 a page, whatever the number of users', async () => {
		const tenant = await newTenant()
		await newPeople(tenant)
		const ask = async (cursor: string) =>
			(await tenant.request('GET', `/Changes?snapshot=true&count=2&cursor=${cursor}`)).body.nextCursor
		let next = await ask('')
		const first = await tenant.meter.measure(() => ask(''))
		const second = await tenant.meter.measure(async () => {
			next = await ask(next)
		})
		expect([first, second]).toMatchObject([{ requests: 3 }, { requests: 2 }])
	})
})

test('types leaves out the other changes of the feed, and the cursor moves on behind them', async () => {
	vi.useFakeTimers({ toFake: ['Date', 'performance'] })
	const tenant = await newHost({ format: 2 })
	const joy = (await tenant.create('/Users', { userName: 'joy' })).id
	const group = (await tenant.create('/Groups', { displayName: 'Staff' })).id
	const ask = async (query: string) => (await tenant.request('GET', `/Changes?${query}`)).body
	vi.advanceTimersByTime(1000)
	const both = await ask('types=Group,User')
	expect(idsIn([both])).toEqual([joy, group])
	const users = await ask('types=User')
	expect(users).toMatchObject({ itemsPerPage: 1, changes: [{ resourceId: joy }], nextCursor: both.nextCursor })
	const nobody = await ask('types=Group&count=1')
	expect(nobody).toMatchObject({ itemsPerPage: 0, changes: [] })
	expect(idsIn([await ask(`types=Group&cursor=${nobody.nextCursor}`)])).toEqual([group])
})

test('a snapshot of no entries begins at its first page again', async () => {
	const tenant = await newHost()
	await tenant.create('/Users', { userName: 'joy' })
	expect(await tenant.request('GET', '/Changes?snapshot=TRUE&count=0')).toMatchObject({
		...{ status: 200, body: { snapshot: true, nextCursor: '', changes: [] } },
	})
})

test('snapshot=false, and a snapshot without a value, is the feed', async () => {
	const tenant = await newHost()
	for (const query of ['snapshot=false', 'snapshot=&types=']) {
		expect((await tenant.request('GET', `/Changes?${query}`)).body).not.toHaveProperty('snapshot')
	}
})

const foreign = 'the cursor does not belong to /Changes: begin again with an empty cursor'
const user = '01a214972b2e700182471521e32e49d3'
test.each([
	['snapshot=yes', 'invalidValue', 'snapshot must be true or false, not "yes"'],
	['snapshot=true&Snapshot=true', 'invalidSyntax', 'the query has snapshot twice'],
	['types=Device', 'invalidValue', 'types: there is no resource type "Device": use User, Group or User,Group'],
	['types=User,', 'invalidValue', 'types: there is no resource type "": use User, Group or User,Group'],
	['types=User&types=Group', 'invalidSyntax', 'the query has types twice'],
	['cursor=s.User.x.000000000001-~', 'invalidCursor', foreign],
	[`cursor=s.Group.${user}.000000000001-~`, 'invalidCursor', foreign],
	['cursor=s.Device..000000000001-~', 'invalidCursor', foreign],
	['cursor=s.User.', 'invalidCursor', foreign],
])('%s is refused', async (query, scimType, detail) => {
	const tenant = await newHost()
	expect(await tenant.request('GET', `/Changes?${query}`)).toMatchObject({
		...{ status: 400, body: { scimType, detail } },
	})
})
