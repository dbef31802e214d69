import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Host, useHost } from '../support/host.ts'

const newHost = useHost()

/** The host uses the clock of this process. Changes appear in the feed when they are a minute old. */
const minuteLater = () => vi.setSystemTime(Date.now() + 61_000)
afterEach(() => void vi.useRealTimers())

const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const patch = (tenant: Host, path: string, ...Operations: unknown[]) =>
	tenant.request('PATCH', path, { body: { schemas: [patchOp], Operations } })

const changes = async (tenant: Host, query = '') => (await tenant.request('GET', `/Changes${query}`)).body

describe('GET /Changes', () => {
	test('lists the changes of all resources, in order', async () => {
		vi.useFakeTimers({ toFake: ['Date'] })
		const tenant = await newHost({ format: 1 })
		const joy = (await tenant.create('/Users', { userName: 'joy' })).id
		const ann = (await tenant.create('/Users', { userName: 'ann', externalId: 'a1' })).id
		const group = (await tenant.create('/Groups', { displayName: 'Staff', members: [{ value: joy }] })).id
		await patch(
			tenant,
			`/Users/${joy}`,
			{ op: 'replace', path: 'active', value: false },
			{ op: 'add', path: 'title', value: 'x' },
		)
		await patch(tenant, `/Groups/${group}`, { op: 'add', path: 'members', value: [{ value: ann }] })
		await patch(tenant, `/Groups/${group}`, { op: 'remove', path: `members[value eq "${joy}"]` })
		await patch(tenant, `/Groups/${group}`, { op: 'remove', path: `members[value eq "${joy}"]` })
		await tenant.request('DELETE', `/Users/${ann}`)
		await tenant.request('DELETE', `/Groups/${group}`)
		minuteLater()
		const told = await changes(tenant)
		const common = { id: expect.stringMatching(/^[0-9a-f]{32}$/), timestamp: expect.stringMatching(/^20.*Z$/) }
		const user = (id: string) => ({ ...common, resourceType: 'User', resourceId: id })
		const team = { ...common, resourceType: 'Group', resourceId: group }
		const $ref = (endpoint: string, id: string) => ({ $ref: `${tenant.baseUrl}/${endpoint}/${id}` })
		expect(told).toEqual({
			schemas: ['urn:rollcall:params:scim:api:messages:1.0:ChangeList'],
			itemsPerPage: 8,
			nextCursor: told.changes[7].id,
			changes: [
				{ ...user(joy), ...$ref('Users', joy), operation: 'create' },
				{ ...user(ann), ...$ref('Users', ann), operation: 'create' },
				{ ...team, ...$ref('Groups', group), operation: 'create' },
				{ ...user(joy), ...$ref('Users', joy), operation: 'update', attributes: ['active', 'title'] },
				{ ...team, ...$ref('Groups', group), operation: 'update', addedMembers: [ann] },
				{ ...team, ...$ref('Groups', group), operation: 'update', removedMembers: [joy] },
				{ ...user(ann), operation: 'delete', userName: 'ann', externalId: 'a1', leftGroups: [group] },
				{ ...team, operation: 'delete', displayName: 'Staff' },
			],
		})
	})

	test('continues at the cursor, and is complete if no changes follow', async () => {
		vi.useFakeTimers({ toFake: ['Date'] })
		const tenant = await newHost({ format: 1 })
		for (const name of ['a', 'b', 'c']) await tenant.create('/Users', { userName: name })
		minuteLater()
		const first = await changes(tenant, '?count=2')
		const second = await changes(tenant, `?count=2&cursor=${first.nextCursor}`)
		const third = await changes(tenant, `?cursor=${second.nextCursor}`)
		expect([first, second, third].map(({ itemsPerPage }) => itemsPerPage)).toEqual([2, 1, 0])
		expect(third.nextCursor).toBe(second.nextCursor)
		await tenant.create('/Users', { userName: 'd' })
		minuteLater()
		expect(await changes(tenant, `?cursor=${third.nextCursor}`)).toMatchObject({ itemsPerPage: 1 })
	})

	test('lists a change of many members as a change of the attribute', async () => {
		vi.useFakeTimers({ toFake: ['Date'] })
		const tenant = await newHost({ format: 1 })
		const members: { value: string }[] = []
		for (let index = 0; index < 40; index++) {
			members.push({ value: (await tenant.create('/Users', { userName: `user${index}` })).id })
		}
		const { id } = await tenant.create('/Groups', { displayName: 'Staff' })
		await patch(tenant, `/Groups/${id}`, { op: 'add', path: 'members', value: members })
		// Ids never go back in time, and earlier tests have set the clock to the future.
		vi.setSystemTime(Date.now() + 600_000)
		const told = (await changes(tenant)).changes
		expect(told).toHaveLength(42)
		expect(told[41]).toMatchObject({ operation: 'update', resourceId: id, attributes: ['members'] })
		expect(told[41]).not.toHaveProperty('addedMembers')
	})

	test('leaves out the name of a deleted resource that is longer than 1,000 characters', async () => {
		vi.useFakeTimers({ toFake: ['Date'] })
		const tenant = await newHost({ format: 1 })
		const { id } = await tenant.create('/Users', { userName: 'x'.repeat(1001), externalId: 'a1' })
		await tenant.request('DELETE', `/Users/${id}`)
		vi.setSystemTime(Date.now() + 1_200_000)
		const [, deletion] = (await changes(tenant)).changes
		expect(deletion).toMatchObject({ operation: 'delete', resourceId: id, externalId: 'a1' })
		expect(deletion).not.toHaveProperty('userName')
	})

	test('refuses a cursor if changes after it may be gone', async () => {
		const tenant = await newHost({ format: 1 })
		const cursor = '01a214972b2e7001b2471521e32e49d3'
		expect(await tenant.request('GET', `/Changes?cursor=${cursor}`)).toMatchObject({
			status: 400,
			body: {
				scimType: 'expiredCursor',
				detail: 'the cursor is older than the changes that are kept: begin again',
			},
		})
	})

	test('holds back a change until all earlier changes must have arrived', async () => {
		const tenant = await newHost({ format: 1 })
		await tenant.create('/Users', { userName: 'joy' })
		expect(await changes(tenant)).toMatchObject({ itemsPerPage: 0, nextCursor: '', changes: [] })
	})

	test('takes 1 request to storage', async () => {
		const tenant = await newHost({ format: 1 })
		await changes(tenant)
		expect(await tenant.meter.measure(() => changes(tenant))).toMatchObject({ requests: 1 })
	})

	test.each(['nonsense', '01a214972b2e700182471521e32e49d3'])('refuses the cursor %s', async (cursor) => {
		const tenant = await newHost({ format: 1 })
		expect(await tenant.request('GET', `/Changes?cursor=${cursor}`)).toMatchObject({
			status: 400,
			body: { scimType: 'invalidCursor' },
		})
	})
})

describe('GET /Changes of a tenant whose feed has epochs', () => {
	/** Time by which the host may close the next epoch. */
	const passSecond = () => vi.advanceTimersByTime(1000)

	test('lists a change at once, with the time at which it was made', async () => {
		vi.useFakeTimers({ toFake: ['Date', 'performance'] })
		const tenant = await newHost({ format: 2 })
		const joy = (await tenant.create('/Users', { userName: 'joy' })).id
		const first = await changes(tenant)
		expect(first).toMatchObject({ itemsPerPage: 1, nextCursor: '000000000001-~' })
		passSecond()
		await patch(tenant, `/Users/${joy}`, { op: 'replace', path: 'active', value: false })
		const made = new Date().toISOString()
		passSecond()
		const second = await changes(tenant, `?cursor=${first.nextCursor}`)
		expect(second.changes).toEqual([
			{
				...{ id: expect.any(String), timestamp: made, operation: 'update', attributes: ['active'] },
				...{ resourceType: 'User', resourceId: joy, $ref: `${tenant.baseUrl}/Users/${joy}` },
			},
		])
		passSecond()
		await tenant.request('DELETE', `/Users/${joy}`)
		passSecond()
		const third = await changes(tenant, `?cursor=${second.nextCursor}`)
		expect(third.changes).toMatchObject([{ operation: 'delete', userName: 'joy', leftGroups: [] }])
		expect(await changes(tenant, `?cursor=${third.nextCursor}`)).toMatchObject({
			...{ itemsPerPage: 0, nextCursor: third.nextCursor },
		})
	})

	test('goes on at a cursor of the time before epochs', async () => {
		vi.useFakeTimers({ toFake: ['Date', 'performance'] })
		const tenant = await newHost({ format: 1 })
		const joy = (await tenant.create('/Users', { userName: 'joy' })).id
		await tenant.create('/Users', { userName: 'ann' })
		// Ids never go back in time, and earlier tests have set the clock to the future.
		vi.setSystemTime(Date.now() + 3_600_000)
		const first = await changes(tenant, '?count=1')
		expect(first.nextCursor).toMatch(/^[0-9a-f]{32}$/)
		await tenant.setFormat(2)
		minuteLater()
		await tenant.request('DELETE', `/Users/${joy}`)
		const second = await changes(tenant, `?count=1&cursor=${first.nextCursor}`)
		expect(second).toMatchObject({ itemsPerPage: 1, nextCursor: expect.stringMatching(/^[0-9a-f]{32}$/) })
		passSecond()
		const third = await changes(tenant, `?cursor=${second.nextCursor}`)
		expect(third).toMatchObject({ nextCursor: '000000000001-~', changes: [{ operation: 'delete', resourceId: joy }] })
	})
})
