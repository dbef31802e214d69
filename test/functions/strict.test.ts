import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Quirk } from '../../shared/scim/dialect.ts'
import { strictRefusals } from '../../shared/scim/strict.ts'
import { aGroup, aUser, patchOf, urn } from '../clients/scim.ts'
import { useHost } from '../support/host.ts'

const host = useHost()

const strict = () => host({ settings: { dialect: 'strict' } })

type Deviation = readonly [quirk: keyof typeof strictRefusals, method: string, path: string, body?: unknown]

const patchUser = (...operations: readonly unknown[]) => ['PATCH', '/Users/{user}', patchOf(...operations)] as const
const enterprise = { [urn.enterprise]: { manager: '2819c223' } }
const role = { value: '{"id":"06b0","value":"25","displayName":"Admin"}' }

/** One request for each deviation that the standard dialect understands, but for those of a tenant's own attributes. */
const deviations: readonly Deviation[] = [
	['booleanFromString', 'POST', '/Users', aUser('eve', { active: 'True' })],
	['complexFromJson', 'POST', '/Users', aUser('eve', { emails: '[{"value":"eve@contoso.com"}]' })],
	['complexFromString', 'POST', '/Users', aUser('eve', enterprise)],
	['singleFromList', 'POST', '/Users', aUser('eve', { displayName: ['Eve'] })],
	['roleFromJson', 'POST', '/Users', aUser('eve', { roles: [role] })],
	['displayFromDisplayName', 'POST', '/Users', aUser('eve', { roles: [{ value: '25', displayName: 'Admin' }] })],
	['emptySchemas', ...patchUser({ op: 'add', path: 'title', value: 'x' })],
	['urnInOtherSpelling', ...patchUser({ op: 'add', path: 'urn:scim:schemas:core:1.0:title', value: 'x' })],
	['operationInAnyCase', ...patchUser({ op: 'Add', path: 'title', value: 'x' })],
	['namesInAnyCase', ...patchUser({ OP: 'add', path: 'title', value: 'x' })],
	['elementFromFilter', ...patchUser({ op: 'add', path: 'emails[type eq "work"].value', value: 'eve@contoso.com' })],
	['listOfSingle', ...patchUser({ op: 'remove', path: `${urn.enterprise}:manager[value eq "2819c223"]` })],
	[
		'namesValuesToRemove',
		'PATCH',
		'/Groups/{group}',
		patchOf({ op: 'remove', path: 'members', value: [{ value: 'x' }] }),
	],
	['unquotedValue', 'GET', '/Users?filter=externalId+eq+jyoung'],
]

const named = deviations.map((deviation) => [deviation[0], deviation] as const)

const bodyOf = ([quirk, , , body]: Deviation): unknown =>
	quirk === 'emptySchemas' ? { ...(body as object), schemas: [] } : body

describe('a strict tenant', () => {
	test.each(named)('refuses %s, and says what the standard wants', async (_, deviation) => {
		const [quirk, method, path] = deviation
		const tenant = await strict()
		const user = await tenant.create('/Users', aUser('joy', { externalId: 'jyoung' }))
		const group = await tenant.create('/Groups', aGroup('Ops', { members: [{ value: user.id }] }))
		const filled = path.replace('{user}', user.id).replace('{group}', group.id)
		const body = bodyOf(deviation)
		const { status, body: refusal } = await tenant.request(method, filled, body === undefined ? {} : { body })
		const [scimType, detail] = strictRefusals[quirk]
		expect({ status, scimType: refusal.scimType }).toEqual({ status: 400, scimType })
		const place = refusal.detail.startsWith('Operations[0]: ') ? 'Operations[0]: ' : ''
		expect(refusal.detail).toBe(`${place}${detail}; this tenant is strict and takes nothing else`)
		const { body: list } = await tenant.request('GET', '/Users')
		expect(list.Resources).toEqual([user])
	})

	test.each(named)('is the only one that refuses %s', async (_, deviation) => {
		const [, method, path] = deviation
		const tenant = await host()
		const user = await tenant.create('/Users', aUser('joy', { externalId: 'jyoung' }))
		const group = await tenant.create('/Groups', aGroup('Ops', { members: [{ value: user.id }] }))
		const filled = path.replace('{user}', user.id).replace('{group}', group.id)
		const body = bodyOf(deviation)
		const { status } = await tenant.request(method, filled, body === undefined ? {} : { body })
		expect(status).toBeLessThan(300)
	})

	test('refuses a bare list of operations in a bulk request, and does the others', async () => {
		const tenant = await strict()
		const { id } = await tenant.create('/Users', aUser('joy'))
		const change = { op: 'add', path: 'title', value: 'x' }
		const Operations = [
			{ method: 'PATCH', path: `/Users/${id}`, data: [change] },
			{ method: 'PATCH', path: `/Users/${id}`, data: patchOf(change) },
		]
		const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
		const { body } = await tenant.request('POST', '/Bulk', { body: { schemas, Operations } })
		expect(body.Operations.map(({ status }: { status: string }) => status)).toEqual(['400', '200'])
		expect(body.Operations[0].response.detail).toContain(strictRefusals.operationsAlone[1])
	})

	test('refuses what no schema declares, and still takes a password', async () => {
		const tenant = await strict()
		const refused = await tenant.request('POST', '/Users', { body: aUser('eve', { badge: '7' }) })
		expect({ status: refused.status, detail: refused.body.detail }).toEqual({
			status: 400,
			detail: expect.stringContaining('no schema of this tenant declares badge'),
		})
		const { status, body } = await tenant.request('POST', '/Users', { body: aUser('eve', { password: 'secret' }) })
		expect({ status, password: body.password }).toEqual({ status: 201, password: undefined })
	})

	test('takes what the standard has', async () => {
		const tenant = await strict()
		const { id } = await tenant.create('/Users', aUser('joy', { active: true, name: { givenName: 'Joy' } }))
		const change = patchOf(
			{ op: 'replace', path: 'name.givenName', value: 'J.' },
			{ op: 'replace', value: { active: false } },
		)
		const { status, body } = await tenant.request('PATCH', `/Users/${id}`, { body: change })
		expect({ status, name: body.name, active: body.active }).toEqual({
			status: 200,
			name: { givenName: 'J.' },
			active: false,
		})
		const found = await tenant.request('GET', '/Users?filter=USERNAME+EQ+"joy"')
		expect(found.body.totalResults).toBe(1)
	})
})

test('docs/dialects.md names every deviation', () => {
	const page = readFileSync('docs/dialects.md', 'utf8')
	const quirks: readonly Quirk[] = [...(Object.keys(strictRefusals) as Quirk[]), 'unknownLeftOut', 'unknownKept']
	expect(quirks.filter((quirk) => !page.includes(`| \`${quirk}\` |`))).toEqual([])
})
