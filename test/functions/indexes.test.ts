import { expect, test } from 'vitest'
import { urn } from '../../shared/scim/urn.ts'
import type { IndexDefinition } from '../../shared/tenants/index-definition.ts'
import { useHost } from '../support/host.ts'

const newHost = useHost()

const unique: IndexDefinition = {
	...{ name: 'oa', slot: 0, path: { uri: urn.enterpriseUser, name: 'employeeNumber' }, type: 'string' },
	...{ caseExact: false, isUnique: true, stage: 'complete', since: 0, position: '', users: 0, worker: '', worked: 0 },
}

const user = (userName: string, employeeNumber: string) => ({
	schemas: [urn.user, urn.enterpriseUser],
	userName,
	[urn.enterpriseUser]: { employeeNumber },
})

test('a unique index of a tenant refuses what is taken, and answers its filter with one request', async () => {
	const host = await newHost({ indexes: [unique] })
	const ann = await host.create('/Users', user('ann', 'E-1'))
	const taken = {
		status: 409,
		body: {
			scimType: 'uniqueness',
			detail: `${urn.enterpriseUser}:employeeNumber "e-1" is already taken by the User with the id "${ann.id}"`,
		},
	}
	expect(await host.request('POST', '/Users', { body: user('bob', 'e-1') })).toMatchObject(taken)
	const bob = await host.create('/Users', user('bob', 'E-2'))
	const value = [{ op: 'Replace', path: `${urn.enterpriseUser}:employeeNumber`, value: 'e-1' }]
	const patch = { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: value }
	expect(await host.request('PATCH', `/Users/${bob.id}`, { body: patch })).toMatchObject(taken)
	const filter = encodeURIComponent(`${urn.enterpriseUser}:employeeNumber eq "e-2"`)
	const { result, requests } = await host.meter.measure(() => host.request('GET', `/Users?filter=${filter}`))
	expect(result.body).toMatchObject({ totalResults: 1, Resources: [{ id: bob.id }] })
	expect(requests).toBe(1)
	const disable = { ...patch, Operations: [{ op: 'Replace', path: 'active', value: 'False' }] }
	const disabled = await host.meter.measure(() => host.request('PATCH', `/Users/${bob.id}`, { body: disable }))
	expect([disabled.result.status, disabled.requests]).toEqual([200, 2])
	expect(await host.request('DELETE', `/Users/${ann.id}`)).toMatchObject({ status: 204 })
	expect(await host.request('PATCH', `/Users/${bob.id}`, { body: patch })).toMatchObject({ status: 200 })
})

test('/Schemas says that an attribute is unique while a complete unique index makes it so', async () => {
	const said = async (index: IndexDefinition) => {
		const host = await newHost({ indexes: [index] })
		const { body } = await host.request('GET', `/Schemas/${urn.enterpriseUser}`)
		const listed = (await host.request('GET', '/Schemas')).body.Resources
		expect(listed.find(({ id }: { readonly id: string }) => id === urn.enterpriseUser)).toEqual(body)
		const uniqueOnes = body.attributes.filter(({ uniqueness }: { uniqueness: string }) => uniqueness === 'server')
		return uniqueOnes.map(({ name }: { readonly name: string }) => name)
	}
	expect(await said(unique)).toEqual(['employeeNumber'])
	expect(await said({ ...unique, isUnique: false })).toEqual([])
	expect(await said({ ...unique, stage: 'filling' })).toEqual([])
	expect(await said({ ...unique, stage: 'leaving' })).toEqual([])
	expect(await said({ ...unique, caseExact: true })).toEqual([])
})
