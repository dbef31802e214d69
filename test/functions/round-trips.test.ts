import { describe, expect, it } from 'vitest'
import { useHost } from '../support/host.ts'

const host = useHost()

const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const patch = (...Operations: unknown[]) => ({ schemas: [patchOp], Operations })
const member = (id: string) => ({ $ref: null, value: id })

/** The first requests of a tenant also read its row and fold counts. Requests after those are measured. */
async function warm() {
	const tenant = await host()
	await tenant.request('GET', '/Users?filter=userName+eq+%22nobody%22')
	const cost = async (method: string, path: string, options = {}) => {
		const { result, requests, waves } = await tenant.meter.measure(() => tenant.request(method, path, options))
		return { status: result.status, requests, waves, body: result.body }
	}
	return { tenant, cost }
}

const person = (name: string) => ({
	userName: `${name}@example.com`,
	externalId: `external-${name}`,
	displayName: `Person ${name}`,
	active: true,
	emails: [{ type: 'work', value: `${name}@example.com`, primary: true }],
})

/** One creation in 48 also folds counts: two more requests once its result is certain. */
const folding = 2

describe('requests to storage for one SCIM request', () => {
	it('are 1 to create a user, and 2 if its userName is taken, since the answer names the user that has it', async () => {
		const { tenant, cost } = await warm()
		// The first change of a tenant in a process also reads which epoch is open.
		await tenant.create('/Users', person('ann'))
		const created = await cost('POST', '/Users', { body: person('joy') })
		expect(created.status).toBe(201)
		expect([1, 1 + folding]).toContain(created.requests)
		expect(await cost('POST', '/Users', { body: person('joy') })).toMatchObject({ status: 409, requests: 2 })
	})

	it.each([
		['userName', '/Users?filter=userName+eq+%22JOY@example.com%22'],
		['externalId', '/Users?filter=externalId+eq+%22external-joy%22'],
		['a work e-mail address', '/Users?filter=emails%5Btype+eq+%22work%22%5D.value+eq+%22joy@example.com%22'],
		['emails.value', '/Users?filter=emails.value+eq+%22joy@example.com%22'],
		['displayName', '/Users?filter=displayName+eq+%22person+JOY%22'],
		['an indexed attribute and another one', '/Users?filter=active+eq+true+and+userName+eq+%22joy@example.com%22'],
	])('are 1 to match a user by %s', async (_, path) => {
		const { tenant, cost } = await warm()
		await tenant.create('/Users', person('joy'))
		expect(await cost('GET', path)).toMatchObject({ status: 200, requests: 1, body: { totalResults: 1 } })
		expect(await cost('GET', path.replaceAll(/joy/gi, 'ann'))).toMatchObject({
			status: 200,
			requests: 1,
			body: { totalResults: 0, Resources: [] },
		})
	})

	it('are 1 to read a user, 2 to change one, and 1 if nothing changes', async () => {
		const { tenant, cost } = await warm()
		const { id } = await tenant.create('/Users', person('joy'))
		const disable = { body: patch({ op: 'Replace', path: 'active', value: 'False' }) }
		expect(await cost('GET', `/Users/${id}`)).toMatchObject({ status: 200, requests: 1 })
		expect(await cost('GET', `/Users?filter=id+eq+${id}`)).toMatchObject({ status: 200, requests: 1 })
		const changed = await cost('PATCH', `/Users/${id}`, disable)
		expect(changed).toMatchObject({ status: 200, requests: 2, waves: 2 })
		const unchanged = await cost('PATCH', `/Users/${id}`, disable)
		expect(unchanged).toMatchObject({ status: 200, requests: 1 })
		expect(unchanged.body.meta).toEqual(changed.body.meta)
	})

	it('are 1 to change up to 32 members of a group of any size, and 1 to read it without them', async () => {
		const { tenant, cost } = await warm()
		const ids: string[] = []
		for (let i = 0; i < 80; i++) ids.push((await tenant.create('/Users', { userName: `user-${i}` })).id)
		const [first = '', second = '', third = ''] = ids
		const { id } = await tenant.create('/Groups', { displayName: 'Ops' })
		const add = (...added: string[]) => ({ body: patch({ op: 'Add', path: 'members', value: added.map(member) }) })
		const remove = (removed: string) => ({ body: patch({ op: 'Remove', path: 'members', value: [member(removed)] }) })
		for (const size of ['empty', 'with 75 members']) {
			expect(await cost('PATCH', `/Groups/${id}`, add(first)), size).toMatchObject({ status: 204, requests: 1 })
			expect(await cost('PATCH', `/Groups/${id}`, remove(first)), size).toMatchObject({ status: 204, requests: 1 })
			expect(await cost('GET', `/Groups/${id}?excludedAttributes=members`), size).toMatchObject({
				status: 200,
				requests: 1,
			})
			if (size === 'empty') {
				expect(await cost('PATCH', `/Groups/${id}`, add(...ids.slice(3, 35)))).toMatchObject({
					status: 204,
					requests: 1,
				})
				await cost('PATCH', `/Groups/${id}`, add(...ids.slice(35)))
			}
		}
		const { headers } = await tenant.request('GET', `/Groups/${id}?excludedAttributes=members`)
		const condition = { ...add(second), headers: { 'If-Match': headers.get('etag') ?? '' } }
		expect(await cost('PATCH', `/Groups/${id}`, condition)).toMatchObject({ status: 204, requests: 2 })
		const isMember = (user: string) => `/Groups?filter=id+eq+${id}+and+members+eq+${user}&attributes=id`
		expect(await cost('GET', isMember(second))).toMatchObject({ requests: 2, waves: 1, body: { totalResults: 1 } })
		expect(await cost('GET', isMember(third))).toMatchObject({ requests: 2, waves: 1, body: { totalResults: 0 } })
		expect(
			await cost('GET', `/Groups?filter=members.value+eq+%22${second}%22&excludedAttributes=members`),
		).toMatchObject({
			requests: 2,
			body: { totalResults: 1 },
		})
	})

	it('are 2 at a time to list a page, 3 in two waves to delete a user', async () => {
		const { tenant, cost } = await warm()
		const { id } = await tenant.create('/Users', person('joy'))
		await tenant.create('/Groups', { displayName: 'Ops', members: [{ value: id }] })
		const page = '/Users?startIndex=1&count=100'
		expect(await cost('GET', page)).toMatchObject({ status: 200, requests: 2, waves: 1, body: { totalResults: 1 } })
		const deleted = await cost('DELETE', `/Users/${id}`)
		expect(deleted.status).toBe(204)
		expect([3, 3 + folding]).toContain(deleted.requests)
	})
})
