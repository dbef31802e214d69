import { describe, expect, test } from 'vitest'
import { type Host, useHost } from '../support/host.ts'

const newHost = useHost()

const groupsIn = (user: { readonly groups?: readonly { readonly display: string }[] }) =>
	user.groups?.map(({ display }) => display)

/** Three users: one in two groups, one in one, one in none. */
async function fill(host: Host) {
	const ids: string[] = []
	for (const userName of ['ann', 'bob', 'eve']) ids.push((await host.create('/Users', { userName })).id)
	const [ann, bob, eve] = ids
	await host.create('/Groups', { displayName: 'all', members: [{ value: ann }, { value: bob }] })
	await host.create('/Groups', { displayName: 'few', members: [{ value: ann }] })
	return { ann, bob, eve }
}

/** What `/Schemas` says of `groups`. */
async function announced(host: Host) {
	const { body } = await host.request('GET', '/Schemas/urn:ietf:params:scim:schemas:core:2.0:User')
	return body.attributes.find(({ name }: { readonly name: string }) => name === 'groups')
}

describe('the groups of a user', () => {
	test('are returned on request, and a match does not wait for them', async () => {
		const host = await newHost()
		const { ann } = await fill(host)
		expect(await announced(host)).toMatchObject({
			returned: 'request',
			description: expect.stringContaining('asked for'),
		})
		expect(groupsIn((await host.request('GET', `/Users/${ann}`)).body)).toBe(undefined)
		const named = await host.request('GET', `/Users/${ann}?attributes=groups`)
		expect(groupsIn(named.body)).toEqual(['all', 'few'])
		const match = () => host.request('GET', '/Users?filter=userName+eq+%22ann%22')
		expect((await host.meter.measure(match)).requests).toBe(1)
	})

	test('are returned in every answer if the tenant says so, and /Schemas tells it', async () => {
		const host = await newHost({ settings: { userGroups: 'default' } })
		const { ann, bob } = await fill(host)
		expect(await announced(host)).toMatchObject({
			...{ returned: 'default', description: 'The groups of the user. Changed through the groups.' },
		})
		const one = await host.meter.measure(() => host.request('GET', `/Users/${ann}`))
		expect([groupsIn(one.result.body), one.requests]).toEqual([['all', 'few'], 2 + 2])
		// The page, its count, the memberships of the page, and its groups.
		const list = await host.meter.measure(() => host.request('GET', '/Users'))
		expect(list.result.body.Resources.map(groupsIn)).toEqual([['all', 'few'], ['all'], undefined])
		expect(list.requests).toBe(2 + 1 + 1)
		const match = await host.meter.measure(() => host.request('GET', '/Users?filter=userName+eq+%22bob%22'))
		expect([match.result.body.Resources.map(groupsIn), match.requests]).toEqual([[['all']], 1 + 2])
		const Operations = [{ op: 'replace', path: 'title', value: 'Lead' }]
		const patched = await host.request('PATCH', `/Users/${bob}`, {
			body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations },
		})
		expect(groupsIn(patched.body)).toEqual(['all'])
		const search = await host.request('POST', '/.search', { body: { filter: 'userName eq "ann"' } })
		expect(search.body.Resources.map(groupsIn)).toEqual([['all', 'few']])
	})

	test('cost nothing if the request excludes them', async () => {
		const host = await newHost({ settings: { userGroups: 'default' } })
		await fill(host)
		for (const query of ['excludedAttributes=groups', 'attributes=userName']) {
			const { result, requests } = await host.meter.measure(() => host.request('GET', `/Users?${query}`))
			expect([result.body.Resources.map(groupsIn), requests]).toEqual([[undefined, undefined, undefined], 2])
		}
	})

	test('that a client sends back change nothing', async () => {
		const host = await newHost({ settings: { userGroups: 'default' } })
		const { ann } = await fill(host)
		const { body: user } = await host.request('GET', `/Users/${ann}`)
		const answer = await host.request('PUT', `/Users/${ann}`, { body: { ...user, groups: [] } })
		expect([answer.status, groupsIn(answer.body), answer.body.meta.version]).toEqual([
			...[200, ['all', 'few'], user.meta.version],
		])
	})
})
