import { describe, expect, it } from 'vitest'
import { type Host, useHost } from '../support/host.ts'

const host = useHost()

const patch = (...Operations: unknown[]) => ({ Operations })

const activeOf = async (tenant: Host, id: string) => (await tenant.request('GET', `/Users/${id}`)).body.active

describe('a POST of a user', () => {
	it.each<[string, object, boolean]>([
		['leaves active out', {}, true],
		['has null', { active: null }, true],
		['has an empty text', { active: '' }, true],
		['has an empty list', { active: [] }, true],
		['has true', { active: true }, true],
		['has false', { active: false }, false],
		['has "False"', { active: 'False' }, false],
	])('that %s', async (_, attributes, active) => {
		const tenant = await host()
		const user = await tenant.create('/Users', { userName: 'joy', ...attributes })
		expect(user.active).toBe(active)
		expect(await activeOf(tenant, user.id)).toBe(active)
		const { body } = await tenant.request('GET', `/Users?filter=active+eq+${active}`)
		expect(body.Resources).toEqual([user])
	})

	it('in a bulk request stores active as true', async () => {
		const tenant = await host()
		const Operations = [{ method: 'POST', path: '/Users', bulkId: 'a', data: { userName: 'joy' } }]
		await tenant.request('POST', '/Bulk', { body: { Operations } })
		const { body } = await tenant.request('GET', '/Users?filter=active+eq+true')
		expect(body.Resources).toMatchObject([{ userName: 'joy', active: true }])
	})
})

describe.each([true, false])('active: %s stays as it is', (active) => {
	it.each<[string, object]>([
		['that leaves active out', {}],
		['of null', { active: null }],
		['of an empty text', { active: '' }],
		['of an empty list', { active: [] }],
	])('after a PUT %s', async (_, attributes) => {
		const tenant = await host()
		const { id } = await tenant.create('/Users', { userName: 'joy', active })
		const { status, body } = await tenant.request('PUT', `/Users/${id}`, {
			body: { userName: 'joy', title: 'Dr', ...attributes },
		})
		expect([status, body]).toEqual([200, expect.objectContaining({ active, title: 'Dr' })])
		expect(await activeOf(tenant, id)).toBe(active)
	})

	it.each<[string, object]>([
		['a removal', { op: 'remove', path: 'active' }],
		['a removal with a value', { op: 'remove', path: 'active', value: active }],
		['null', { op: 'replace', path: 'active', value: null }],
		['an empty text', { op: 'Replace', path: 'active', value: '' }],
		['an empty list', { op: 'add', path: 'active', value: [] }],
		['null without a path', { op: 'replace', value: { active: null } }],
	])('after a PATCH with %s', async (_, operation) => {
		const tenant = await host()
		const user = await tenant.create('/Users', { userName: 'joy', active })
		const { status, body } = await tenant.request('PATCH', `/Users/${user.id}`, { body: patch(operation) })
		expect([status, body]).toEqual([200, user])
	})
})
