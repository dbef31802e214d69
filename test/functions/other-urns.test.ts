import { expect, it } from 'vitest'
import { useHost } from '../support/host.ts'

const host = useHost()

const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

it.each([
	'urn:ietf:params:scim:schemas:extension:enterprise:2.0.User',
	'urn:scim:schemas:extension:enterprise:1.0',
	'urn:scim:schemas:extension:enterprise:2.0',
])('the URN of the enterprise extension may be %s in bodies, paths, filters, selections and orders', async (urn) => {
	const tenant = await host()
	const user = await tenant.create('/Users', {
		schemas: ['urn:scim:schemas:core:1.0', urn],
		userName: 'joy',
		[urn]: { department: 'Ops' },
	})
	expect(user[enterprise]).toEqual({ department: 'Ops' })
	const selected = { schemas: user.schemas, id: user.id, [enterprise]: { department: 'Ops' } }
	for (const query of [
		`filter=${urn}:department+eq+"ops"`,
		`attributes=${urn}`,
		`attributes=${urn}.department`,
		`attributes=${enterprise}.department&sortBy=${enterprise}.department`,
	]) {
		const { body } = await tenant.request('GET', `/Users?${query}`)
		expect(body.Resources, query).toEqual([query.startsWith('attributes') ? selected : user])
		expect(tenant.events.at(-1)?.quirks).toEqual(['urnInOtherSpelling'])
	}
	const Operations = [
		{ op: 'replace', path: `${urn}:department`, value: 'Dev' },
		{ op: 'replace', value: { [`${enterprise}.division`]: 'EMEA', [urn]: { costCenter: '7' } } },
	]
	const { body } = await tenant.request('PATCH', `/Users/${user.id}`, { body: { Operations } })
	expect(body[enterprise]).toEqual({ department: 'Dev', division: 'EMEA', costCenter: '7' })
})
