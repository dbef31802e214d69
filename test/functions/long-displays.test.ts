import { beforeAll, describe, expect, test } from 'vitest'
import { type Host, useHost } from '../support/host.ts'
import { simulateTableService } from '../support/simulator/table-service.ts'

// 80 displays of 30,000 characters are more than 2 Mi characters, which 69 of them are not.

const service = simulateTableService()
const newHost = useHost({ intercept: () => service.send })

const size = 80
const whole = 69
const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']

let tenant: Host
let ids: readonly string[]
let group: string

/** Sends the members in two parts, because a request has at most 4 MiB. */
beforeAll(async () => {
	tenant = await newHost()
	const users: string[] = []
	for (let index = 0; index < size; index++) {
		users.push((await tenant.create('/Users', { userName: `user-${index}` })).id)
	}
	ids = users.toSorted()
	const members = ids.map((value, index) => ({ value, display: index === size - 1 ? 'short' : 'd'.repeat(30_000) }))
	group = (await tenant.create('/Groups', { displayName: 'Long', members: members.slice(0, 40) })).id
	const Operations = [{ op: 'add', path: 'members', value: members.slice(40) }]
	await patch(Operations)
})

const patch = (Operations: unknown) => tenant.request('PATCH', `/Groups/${group}`, { body: { schemas, Operations } })

/** How long the displays of members are; 0 for a member without one. */
const lengths = (members: readonly { readonly value: string; readonly display?: string }[]) =>
	members.map(({ value, display = '' }) => [value, display.length])

const bounded = () => ids.map((id, index) => [id, index < whole ? 30_000 : index === size - 1 ? 5 : 0])

describe('a group whose members have displays of 30,000 characters', () => {
	test.each([
		['itself', () => `/Groups/${group}`, (body: { members: [] }) => body.members],
		['in a list', () => '/Groups', (body: { Resources: [{ members: [] }] }) => body.Resources[0].members],
	])('is returned %s with all members, and displays of 2 Mi characters', async (_, path, membersIn) => {
		const { status, body } = await tenant.request('GET', path())
		expect(status).toBe(200)
		expect(lengths(membersIn(body))).toEqual(bounded())
	})

	test('is not changed by a PATCH that compares displays, of which some would be missing', async () => {
		const refused = await patch([{ op: 'remove', path: 'members[display eq "short"]' }])
		expect(refused).toMatchObject({
			status: 413,
			body: {
				detail:
					'the long displays of the members have more than 2097152 characters together: add and remove members by their ids',
			},
		})
		expect((await tenant.request('GET', `/Groups/${group}`)).body.members).toHaveLength(size)
	})

	test('is changed by ids, and by a PUT, which keeps the displays of those that stay', async () => {
		expect((await patch([{ op: 'remove', path: `members[value eq "${ids[0]}"]` }])).status).toBe(204)
		const members = ids
			.slice(1, 3)
			.concat(ids.slice(-2))
			.map((value) => ({ value }))
		const { status } = await tenant.request('PUT', `/Groups/${group}`, { body: { displayName: 'Long', members } })
		expect(status).toBe(200)
		const { body } = await tenant.request('GET', `/Groups/${group}`)
		expect(lengths(body.members)).toEqual(members.map(({ value }, index) => [value, index === 3 ? 5 : 30_000]))
	})
})
