import { describe, expect, test } from 'vitest'
import type { IndexDefinition } from '../../shared/tenants/index-definition.ts'
import { patchOf, urn } from '../clients/scim.ts'
import { type Host, useHost } from '../support/host.ts'

// Declarations that are allowed and odd.

const host = useHost()

const hr = 'urn:example:hr:2.0:User'

const find = async (tenant: Host, filter: string) => {
	const { status, body } = await tenant.request('GET', `/Users?filter=${encodeURIComponent(filter)}`)
	return status === 200 ? body.Resources.map(({ id }: { readonly id: string }) => id) : [status, body.detail]
}

describe('names that mean something elsewhere', () => {
	const names = ['and', 'or', 'not', 'pr', 'eq', 'true', 'null', 'a-b', 'a_b', 'tostring', 'toJSON', 'then', 'value']
	const more = ['userName', 'externalId', 'emails', 'manager', 'active', 'displayName', 'type', 'primary']

	test('are attributes of a schema like all others', async () => {
		const all = [...names, ...more]
		const tenant = await host({ schemas: [{ id: hr, attributes: all.map((name) => ({ name })) }] })
		const values = Object.fromEntries(all.map((name) => [name, `of ${name}`]))
		const ann = await tenant.create('/Users', { userName: 'ann', [hr]: values })
		expect([ann.userName, ann[hr]]).toEqual(['ann', values])
		for (const name of all) {
			const path = `${hr}:${name}`
			expect([name, await find(tenant, `${path} eq "of ${name}"`)]).toEqual([name, [ann.id]])
			const { body } = await tenant.request('PATCH', `/Users/${ann.id}`, {
				body: patchOf({ op: 'replace', path, value: 'x' }),
			})
			expect(body[hr]).toEqual({ ...values, [name]: 'x' })
			const undo = patchOf({ op: 'replace', value: { [path]: `of ${name}` } })
			expect((await tenant.request('PATCH', `/Users/${ann.id}`, { body: undo })).body[hr]).toEqual(values)
		}
		expect(await find(tenant, 'userName eq "ann"')).toEqual([ann.id])
	})
})

test.each(['urn:a:b:', 'urn:a::b', 'urn:a:b%zz', 'urn:a:b/c', 'urn:a:../c', 'urn:a:b.c.d', 'urn:a:password'])(
	'the URN %s is understood in filters, in paths and in bodies',
	async (id) => {
		const tenant = await host({ schemas: [{ id, attributes: [{ name: 'badge' }] }] })
		const ann = await tenant.create('/Users', { userName: 'ann', [id]: { badge: '7' } })
		expect(ann[id]).toEqual({ badge: '7' })
		expect(await find(tenant, `${id}:badge eq "7"`)).toEqual([ann.id])
		const body = patchOf({ op: 'replace', path: `${id}:badge`, value: '8' })
		expect((await tenant.request('PATCH', `/Users/${ann.id}`, { body })).body[id]).toEqual({ badge: '8' })
		const encoded = await tenant.request('GET', `/Schemas/${encodeURIComponent(id)}`)
		expect([encoded.status, encoded.body.id]).toEqual([200, id])
	},
)

describe('a list inside a complex value', () => {
	const attributes = [
		{ name: 'desk', type: 'complex', subAttributes: [{ name: 'keys', multiValued: true }, { name: 'room' }] },
		{
			...{ name: 'cars', type: 'complex', multiValued: true },
			subAttributes: [{ name: 'value' }, { name: 'drivers', multiValued: true }],
		},
	]
	const filled = { desk: { keys: ['a', 'b'], room: '1' }, cars: [{ value: 'blue', drivers: ['x', 'y'] }] }
	const withAnn = async () => {
		const tenant = await host({ schemas: [{ id: hr, attributes }] })
		return { tenant, ann: await tenant.create('/Users', { userName: 'ann', [hr]: filled }) }
	}

	test.each([
		`${hr}:desk.keys eq "b"`,
		`${hr}:cars.drivers eq "y"`,
		`${hr}:cars[drivers eq "y"]`,
		`${hr}:desk.keys pr`,
		`not (${hr}:desk.keys eq "c")`,
	])('is found by %s', async (filter) => {
		const { tenant, ann } = await withAnn()
		expect(await find(tenant, filter)).toEqual([ann.id])
	})

	test('takes more values by add, and others by replace', async () => {
		const { tenant, ann } = await withAnn()
		const add = patchOf(
			{ op: 'add', path: `${hr}:desk.keys`, value: ['b', 'c'] },
			{ op: 'add', path: `${hr}:cars[value eq "blue"].drivers`, value: 'z' },
		)
		const { body } = await tenant.request('PATCH', `/Users/${ann.id}`, { body: add })
		expect(body[hr]).toEqual({
			desk: { keys: ['a', 'b', 'c'], room: '1' },
			cars: [{ value: 'blue', drivers: ['x', 'y', 'z'] }],
		})
		const empty = patchOf({ op: 'add', path: `${hr}:desk`, value: { keys: [] } })
		expect((await tenant.request('PATCH', `/Users/${ann.id}`, { body: empty })).body[hr].desk).toEqual(body[hr].desk)
		const replace = patchOf({ op: 'replace', path: `${hr}:desk.keys`, value: ['d'] })
		const replaced = await tenant.request('PATCH', `/Users/${ann.id}`, { body: replace })
		expect(replaced.body[hr].desk).toEqual({ keys: ['d'], room: '1' })
	})
})

test('an index of an attribute that is a list by now is not used, and /Schemas does not call it unique', async () => {
	const index: IndexDefinition = {
		...{ name: 'oa', slot: 0, path: { uri: hr, name: 'badge' }, type: 'string', caseExact: false, isUnique: true },
		...{ stage: 'complete', since: 0, position: '', users: 0, worker: '', worked: 0 },
	}
	const schemas = { id: hr, attributes: [{ name: 'badge', multiValued: true }] }
	const tenant = await host({ schemas, indexes: [index] })
	const ann = await tenant.create('/Users', { userName: 'ann', [hr]: { badge: ['7', '8'] } })
	expect(await find(tenant, `${hr}:badge eq "8"`)).toEqual([ann.id])
	expect((await tenant.request('GET', `/Schemas/${hr}`)).body.attributes[0].uniqueness).toBe('none')
})

test('what is never returned is in no answer, and no filter or order tells it', async () => {
	const secret = { name: 'pin', mutability: 'writeOnly', returned: 'never' }
	const box = { name: 'box', type: 'complex', subAttributes: [{ name: 'value', returned: 'never' }, { name: 'hint' }] }
	const tenant = await host({ schemas: [{ id: hr, attributes: [secret, box] }] })
	const ann = await tenant.create('/Users', { userName: 'ann', [hr]: { pin: '1234', box: { value: 's', hint: 'h' } } })
	expect(ann[hr]).toEqual({ box: { hint: 'h' } })
	for (const name of ['pin', 'box.value', 'box'])
		expect(await find(tenant, `${hr}:${name} sw "1"`)).toEqual([
			...[400, `filter: ${hr}:${name} is never returned, so that no filter may use it`],
		])
	for (const sortBy of ['pin', 'box.value']) {
		const { status, body } = await tenant.request('GET', `/Users?sortBy=${hr}:${sortBy}`)
		expect([status, body.detail]).toEqual([400, `sortBy: ${hr}:${sortBy} is never returned`])
	}
	expect(await find(tenant, `${hr}:box.hint eq "h"`)).toEqual([ann.id])
	const selected = await tenant.request('GET', `/Users/${ann.id}?attributes=${hr}:pin`)
	expect(JSON.stringify(selected.body)).not.toContain('1234')
})

test('what is returned on request or always is so', async () => {
	const attributes = [
		{ name: 'shy', returned: 'request' },
		{ name: 'loud', returned: 'always' },
	]
	const tenant = await host({ schemas: [{ id: hr, attributes }] })
	const { id } = await tenant.create('/Users', { userName: 'ann', [hr]: { shy: 's', loud: 'l' } })
	const shown = async (query: string) => (await tenant.request('GET', `/Users/${id}${query}`)).body[hr]
	expect(await shown('')).toEqual({ loud: 'l' })
	expect(await shown(`?attributes=${hr}:shy`)).toEqual({ shy: 's', loud: 'l' })
	expect(await shown('?attributes=userName')).toEqual({ loud: 'l' })
	expect(await shown(`?excludedAttributes=${hr}:loud`)).toEqual({ loud: 'l' })
})

test('a URN that begins with the URN of another schema keeps its own values', async () => {
	const longer = `${hr}:more`
	const schemas = [
		{ id: hr, attributes: [{ name: 'badge' }] },
		{ id: longer, attributes: [{ name: 'badge' }] },
		{ id: `${urn.enterprise}:more`, attributes: [{ name: 'department' }] },
	]
	const tenant = await host({ schemas })
	const sent = {
		[hr]: { badge: '1' },
		[longer]: { badge: '2' },
		[urn.enterprise]: { department: 'A' },
		[`${urn.enterprise}:more`]: { department: 'B' },
	}
	const ann = await tenant.create('/Users', { userName: 'ann', ...sent })
	expect(ann).toMatchObject(sent)
	expect(await find(tenant, `${longer}:badge eq "2"`)).toEqual([ann.id])
	expect(await find(tenant, `${hr}:badge eq "2"`)).toEqual([])
	const body = patchOf({ op: 'remove', path: `${longer}:badge` }, { op: 'replace', path: 'department', value: 'C' })
	const { body: left } = await tenant.request('PATCH', `/Users/${ann.id}`, { body })
	expect([left[hr], left[longer]]).toEqual([{ badge: '1' }, undefined])
	expect(left[urn.enterprise]).toEqual({ department: 'C' })
})
