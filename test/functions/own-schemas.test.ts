import { describe, expect, it } from 'vitest'
import { type Host, useHost } from '../support/host.ts'

const host = useHost()

const core = 'urn:ietf:params:scim:schemas:core:2.0:User'
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const acme = 'urn:ietf:params:scim:schemas:extension:acme.corp:2.0:User'
const team = 'urn:example:team:Group'

const schemas = [
	{
		id: acme,
		name: 'Acme',
		description: 'What Acme knows',
		attributes: [
			{ name: 'badge' },
			{ name: 'isContractor', type: 'boolean' },
			{ name: 'level', type: 'integer' },
			{ name: 'share', type: 'decimal' },
			{ name: 'hired', type: 'dateTime' },
			{ name: 'home', type: 'reference', referenceTypes: ['external'] },
			{ name: 'seal', type: 'binary', caseExact: true },
			{ name: 'tags', multiValued: true },
			{ name: 'size', canonicalValues: ['S', 'M'], enforced: true },
			{
				name: 'desk',
				type: 'complex',
				subAttributes: [{ name: 'floor', type: 'integer' }, { name: 'room' }],
			},
			{
				name: 'cars',
				type: 'complex',
				multiValued: true,
				subAttributes: [{ name: 'value' }, { name: 'type' }, { name: 'primary', type: 'boolean' }],
			},
		],
	},
	{ id: enterprise, attributes: [{ name: 'shift' }] },
	{ id: core, attributes: [{ name: 'shoeSize', type: 'integer' }] },
	{ id: team, attributes: [{ name: 'budget', type: 'decimal' }] },
]

const own = {
	badge: '7',
	isContractor: true,
	level: 42,
	share: 0.5,
	hired: '2022-11-01T12:00:00.0000000+02:00',
	home: 'https://acme.example/joy',
	seal: 'AAEC',
	tags: ['a', 'b'],
	size: 'M',
	desk: { floor: 3, room: '3.14' },
	cars: [
		{ value: 'blue', type: 'work' },
		{ value: 'red', type: 'home', primary: true },
	],
}

const joy = { userName: 'joy', shoeSize: 42, [enterprise]: { shift: 'late' }, [acme]: own }

async function withJoy(): Promise<readonly [tenant: Host, user: Record<string, unknown> & { id: string }]> {
	const tenant = await host({ schemas })
	return [tenant, await tenant.create('/Users', joy)]
}

const idsFor = async (tenant: Host, filter: string): Promise<readonly string[]> => {
	const { status, body } = await tenant.request('GET', `/Users?filter=${encodeURIComponent(filter)}`)
	if (status !== 200) throw new Error(`${filter}: ${status} ${body.detail}`)
	return body.Resources.map(({ id }: { id: string }) => id)
}

describe('attributes of a schema of the tenant', () => {
	it('are in /Schemas and /ResourceTypes, without nulls, for this tenant alone', async () => {
		const tenant = await host({ schemas })
		const listed = (await tenant.request('GET', '/Schemas')).body
		expect(listed.Resources.map(({ id }: { id: string }) => id)).toEqual([
			core,
			enterprise,
			acme,
			'urn:ietf:params:scim:schemas:core:2.0:Group',
			team,
		])
		expect(JSON.stringify(listed)).not.toContain('null')
		const document = listed.Resources[2]
		expect(document).toMatchObject({ name: 'Acme', description: 'What Acme knows', attributes: { length: 11 } })
		expect(document.attributes[0]).toEqual({
			name: 'badge',
			type: 'string',
			multiValued: false,
			description: 'badge',
			required: false,
			caseExact: false,
			mutability: 'readWrite',
			returned: 'default',
			uniqueness: 'none',
		})
		expect(await tenant.request('GET', `/Schemas/${acme}`)).toMatchObject({ status: 200, body: document })
		const types = (await tenant.request('GET', '/ResourceTypes')).body.Resources
		expect(types.map(({ schemaExtensions }: { schemaExtensions: unknown }) => schemaExtensions)).toEqual([
			[
				{ schema: enterprise, required: false },
				{ schema: acme, required: false },
			],
			[{ schema: team, required: false }],
		])
		const other = await host()
		expect((await other.request('GET', '/Schemas')).body.totalResults).toBe(3)
	})

	it('are stored, returned and changed like those of the RFCs', async () => {
		const [tenant, user] = await withJoy()
		expect(user).toMatchObject({ ...joy, schemas: [core, enterprise, acme] })
		expect((await tenant.request('GET', `/Users/${user.id}`)).body).toEqual(user)
		const put = await tenant.request('PUT', `/Users/${user.id}`, { body: { ...user, shoeSize: 43 } })
		expect(put.body).toEqual({ ...user, shoeSize: 43, meta: put.body.meta })
		const group = await tenant.create('/Groups', { displayName: 'Ops', [team]: { budget: '10.50' } })
		expect(group[team]).toEqual({ budget: 10.5 })
	})

	it.each<[string, object, object]>([
		['words for booleans', { isContractor: 'False' }, { isContractor: false }],
		['an integer in a string', { level: ' 42 ' }, { level: 42 }],
		['a decimal in a string', { share: '1e-1' }, { share: 0.1 }],
		['a number for a string', { badge: 7 }, { badge: '7' }],
		['a boolean for a string', { badge: true }, { badge: 'true' }],
		['numbers in a list of strings', { tags: [1, 'x'] }, { tags: ['1', 'x'] }],
		['one value for a list', { tags: 'x' }, { tags: ['x'] }],
		['a list of one', { badge: ['7'] }, { badge: '7' }],
		['names in another letter case', { BADGE: '7', DESK: { FLOOR: '3' } }, { badge: '7', desk: { floor: 3 } }],
		['a time as it was written', { hired: '2022-11-01T12:00:00Z' }, { hired: '2022-11-01T12:00:00Z' }],
		['a canonical value in another letter case', { size: 'm' }, { size: 'm' }],
	])('take %s', async (_, sent, stored) => {
		const tenant = await host({ schemas })
		const user = await tenant.create('/Users', { userName: 'joy', [acme]: sent })
		expect((await tenant.request('GET', `/Users/${user.id}`)).body[acme]).toEqual(stored)
	})

	it.each<[string, object, string]>([
		['text for an integer', { level: 'many' }, `${acme}:level must be an integer, not the string "many"`],
		['a fraction for an integer', { level: 1.5 }, `${acme}:level must be an integer, not the number 1.5`],
		[
			'digits that JSON cannot hold',
			{ level: '12345678901234567890' },
			`${acme}:level must be an integer, not a string`,
		],
		[
			'text for a boolean',
			{ isContractor: 'perhaps' },
			`${acme}:isContractor must be a boolean, not the string "perhaps"`,
		],
		['text for a time', { hired: 'soon' }, `${acme}:hired must be a dateTime, not the string "soon"`],
		['an object for a string', { badge: {} }, `${acme}:badge must be a string, not an object`],
		['another value than those enforced', { size: 'XL' }, `${acme}:size must be one of S, M, not the string "XL"`],
		['text for a part', { desk: { floor: 'top' } }, `${acme}:desk.floor must be an integer, not the string "top"`],
		[
			'two primary values',
			{
				cars: [
					{ value: 'a', primary: true },
					{ value: 'b', primary: true },
				],
			},
			'cars: more than one value has primary true',
		],
	])('refuse %s by name', async (_, sent, detail) => {
		const tenant = await host({ schemas })
		const answer = await tenant.request('POST', '/Users', { body: { userName: 'joy', [acme]: sent } })
		expect([answer.status, answer.body.scimType, answer.body.detail]).toEqual([400, 'invalidValue', detail])
	})

	it.each<[string, object, object]>([
		['a path', { op: 'Replace', path: `${acme}:badge`, value: '8' }, { badge: '8' }],
		[
			'a path in another letter case',
			{ op: 'replace', path: `${acme.toUpperCase()}:BADGE`, value: '8' },
			{ badge: '8' },
		],
		['a path of a part', { op: 'add', path: `${acme}:desk.floor`, value: '4' }, { desk: { floor: 4, room: '3.14' } }],
		[
			'a filter',
			{ op: 'replace', path: `${acme}:cars[type eq "work"].value`, value: 'grey' },
			{ cars: [{ value: 'grey', type: 'work' }, own.cars[1]] },
		],
		['a removal', { op: 'remove', path: `${acme}:badge` }, { badge: undefined }],
		['an empty string', { op: 'replace', path: `${acme}:level`, value: '' }, { level: undefined }],
		['null', { op: 'replace', path: `${acme}:level`, value: null }, { level: undefined }],
		['more of a list', { op: 'add', path: `${acme}:tags`, value: ['b', 'c'] }, { tags: ['a', 'b', 'c'] }],
		['less of a list', { op: 'remove', path: `${acme}:tags`, value: ['a'] }, { tags: ['b'] }],
		['no path and one name', { op: 'replace', value: { [`${acme}:level`]: '43' } }, { level: 43 }],
		['no path and an object', { op: 'add', value: { [acme]: { level: 43 } } }, { level: 43 }],
		['the URN as the path', { op: 'replace', path: acme, value: { badge: '9' } }, { badge: '9' }],
		['the name alone', { op: 'replace', path: 'badge', value: '9' }, { badge: '9' }],
	])('change by a PATCH with %s', async (_, operation, changed) => {
		const [tenant, user] = await withJoy()
		const answer = await tenant.request('PATCH', `/Users/${user.id}`, { body: { Operations: [operation] } })
		expect(answer.status).toBe(200)
		expect(answer.body[acme]).toEqual(JSON.parse(JSON.stringify({ ...own, ...changed })))
		expect((await tenant.request('GET', `/Users/${user.id}`)).body).toEqual(answer.body)
	})

	it.each([
		`${acme}:badge eq "7"`,
		'badge eq "7"',
		`${acme}:isContractor eq "True"`,
		`${acme}:level gt 41`,
		`${acme}:level eq "42"`,
		`${acme}:share lt 1`,
		`${acme}:hired gt "2022-11-01T09:00:00Z"`,
		`${acme}:tags eq "B"`,
		`${acme}:seal eq "AAEC"`,
		`${acme}:desk.floor eq 3 and ${enterprise}:shift sw "la"`,
		`${acme}:cars[type eq "home" and primary eq true]`,
		`${acme}:cars.value co "blu"`,
		'shoeSize ge 42',
		`${acme}:badge pr and not (${acme}:badge eq "8")`,
	])('are found by %s', async (filter) => {
		const [tenant, user] = await withJoy()
		await tenant.create('/Users', { userName: 'jim' })
		expect(await idsFor(tenant, filter)).toEqual([user.id])
	})

	it('are selected, sorted and searched for', async () => {
		const [tenant, user] = await withJoy()
		const jim = await tenant.create('/Users', { userName: 'jim', [acme]: { level: 7, badge: 'a' } })
		const only = await tenant.request('GET', `/Users/${user.id}?attributes=${acme}:badge,shoeSize`)
		expect(only.body).toEqual({ schemas: user.schemas, id: user.id, shoeSize: 42, [acme]: { badge: '7' } })
		const except = await tenant.request('GET', `/Users/${jim.id}?excludedAttributes=${acme}`)
		expect(except.body).toEqual({ schemas: [core], id: jim.id, userName: 'jim', active: true, meta: jim.meta })
		const body = { sortBy: `${acme}:badge`, sortOrder: 'descending', attributes: [`${acme}:level`] }
		const found = await tenant.request('POST', '/Users/.search', { body })
		expect(found.body.Resources.map((each: typeof joy) => each[acme])).toEqual([{ level: 7 }, { level: 42 }])
	})

	it('are written by a bulk request, and named in the feed of changes', async () => {
		const tenant = await host({ schemas })
		const operation = { method: 'POST', path: '/Users', bulkId: 'joy', data: joy }
		const { body } = await tenant.request('POST', '/Bulk', { body: { Operations: [operation] } })
		expect(body.Operations[0].status).toBe('201')
		expect(await idsFor(tenant, `${acme}:badge eq "7"`)).toHaveLength(1)
	})

	it('are required only if the schema says so, and never to disable a leaver', async () => {
		const tenant = await host()
		const { id } = await tenant.create('/Users', { userName: 'joy' })
		await tenant.declare({ id: acme, attributes: [{ name: 'badge', required: true }, { name: 'level' }] })
		const refused = await tenant.request('POST', '/Users', { body: { userName: 'jim' } })
		expect([refused.status, refused.body.detail]).toEqual([400, `${acme}:badge is required`])
		const leave = { Operations: [{ op: 'replace', path: 'active', value: false }] }
		expect((await tenant.request('PATCH', `/Users/${id}`, { body: leave })).body.active).toBe(false)
		const named = { Operations: [{ op: 'add', path: 'badge', value: '7' }] }
		expect((await tenant.request('PATCH', `/Users/${id}`, { body: named })).status).toBe(200)
		const removed = await tenant.request('PATCH', `/Users/${id}`, {
			body: { Operations: [{ op: 'remove', path: 'badge' }] },
		})
		expect([removed.status, removed.body.scimType]).toEqual([400, 'mutability'])
	})

	it('are not returned while the schema is not declared, and are back when it is declared again', async () => {
		const [tenant, user] = await withJoy()
		await tenant.declare(undefined)
		const hidden = (await tenant.request('GET', `/Users/${user.id}`)).body
		expect(hidden).toEqual({ schemas: [core], id: user.id, userName: 'joy', active: true, meta: user.meta })
		const body = { Operations: [{ op: 'replace', path: 'title', value: 'x' }] }
		await tenant.request('PATCH', `/Users/${user.id}`, { body })
		await tenant.declare(schemas)
		const { meta, title, ...back } = (await tenant.request('GET', `/Users/${user.id}`)).body
		expect(back).toEqual({ ...user, meta: undefined })
	})

	it('cost no request to storage', async () => {
		const plain = await host()
		const tenant = await host({ schemas })
		const costOf = async (on: Host, attributes: object): Promise<number> => {
			await on.request('GET', '/Schemas')
			// The first change of a tenant in a process also reads which epoch is open.
			await on.create('/Users', { userName: 'first' })
			const { requests } = await on.meter.measure(async () => {
				const { id } = await on.create('/Users', { userName: 'cost', ...attributes })
				await on.request('GET', `/Users/${id}`)
				const body = { Operations: [{ op: 'replace', path: 'title', value: 'x' }] }
				await on.request('PATCH', `/Users/${id}`, { body })
			})
			return requests
		}
		expect([await costOf(plain, {}), await costOf(tenant, joy)]).toEqual([4, 4])
	})

	it("are all found by the flattening of /Schemas that Microsoft's validator does", async () => {
		const types = ['string', 'boolean', 'decimal', 'integer', 'dateTime', 'binary'] as const
		const attributes = Array.from({ length: 18 }, (_, index) => ({
			name: `own${index}`,
			type: types[index % types.length],
		}))
		const more = { id: enterprise, attributes: [{ name: 'shift' }, { name: 'costCode', type: 'integer' }] }
		const tenant = await host({ schemas: [{ id: acme, attributes }, more] })
		const { Resources } = (await tenant.request('GET', '/Schemas')).body
		const isCore = (id: string) => /:core:2\.0:(User|Group)$/.test(id)
		// Schema_Discoverability_Test: of a schema that is not core User or Group, each attribute is `<id>:<name>`.
		const found = Resources.filter(({ id }: { id: string }) => !isCore(id)).flatMap(
			(schema: { id: string; attributes: { name: string }[] }) =>
				schema.attributes.map(({ name }) => `${schema.id}:${name}`.toLowerCase()),
		)
		const wanted = [
			...attributes.map(({ name }) => `${acme}:${name}`),
			...more.attributes.map(({ name }) => `${enterprise}:${name}`),
		]
		expect(wanted.length).toBe(20)
		for (const name of wanted) expect(found).toContain(name.toLowerCase())
	})
})
