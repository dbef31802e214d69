import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { builtInTypes } from '../../shared/scim/resource-type.ts'
import { useHost } from '../support/host.ts'

const host = useHost({ now: () => now })
/** The time of the hosts, in milliseconds since 1970. */
let now = Date.UTC(2026, 0, 1)
const keeping = () => host({ settings: { unknownAttributes: 'keep' } })

const core = 'urn:ietf:params:scim:schemas:core:2.0:User'
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const acme = 'urn:example:params:scim:schemas:acme:2.0:User'
const patch = (...Operations: unknown[]) => ({ body: { Operations } })

/** Any JSON value that assigns something. No name is `password`, which is never kept, or `__proto__`, which is refused. */
const jsonValue = fc
	.jsonValue({ maxDepth: 4 })
	.filter((value) => value !== null && value !== '' && !(Array.isArray(value) && value.length === 0))
	.filter((value) => !(typeof value === 'object' && Object.keys(value ?? {}).length === 0))
	.filter((value) => !/"(__proto__|password)"|\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value)))

const place = fc.constantFrom(
	(value: unknown) => ({ color: value }),
	(value: unknown) => ({ [acme]: { color: value } }),
	(value: unknown) => ({ [enterprise]: { department: 'Ops', color: value } }),
	(value: unknown) => ({ name: { givenName: 'Joy', color: value } }),
)

describe('what no schema declares, if the tenant keeps it', () => {
	it('comes back as it was sent, by POST, GET and PUT', async () => {
		const tenant = await keeping()
		let count = 0
		await fc.assert(
			fc.asyncProperty(place, jsonValue, async (put, value) => {
				const sent = { userName: `joy-${++count}`, active: true, ...put(value) }
				const { schemas, id, meta, ...created } = await tenant.create('/Users', sent)
				expect(created).toEqual(JSON.parse(JSON.stringify(sent)))
				const got = (await tenant.request('GET', `/Users/${id}`)).body
				expect(got).toEqual({ schemas, id, meta, ...created })
				const again = await tenant.request('PUT', `/Users/${id}`, { body: got })
				expect(again.body).toEqual(got)
			}),
			{ numRuns: 60 },
		)
	})

	it('is in `schemas` by its URN, and is selected by name and by URN', async () => {
		const tenant = await keeping()
		const { id, schemas } = await tenant.create('/Users', {
			userName: 'joy',
			color: 'red',
			[acme]: { badge: '7', level: 1 },
		})
		expect(schemas).toEqual([core, acme])
		const select = async (query: string) => (await tenant.request('GET', `/Users/${id}?${query}`)).body
		expect(await select(`attributes=COLOR,${acme}:badge`)).toEqual({
			schemas,
			id,
			color: 'red',
			[acme]: { badge: '7' },
		})
		expect(await select(`attributes=${acme}`)).toEqual({ schemas, id, [acme]: { badge: '7', level: 1 } })
		expect(await select('attributes=userName')).toEqual({ schemas, id, userName: 'joy' })
		expect(await select(`excludedAttributes=color,meta,active,${acme}:level`)).toEqual({
			schemas,
			id,
			userName: 'joy',
			[acme]: { badge: '7' },
		})
		expect(await select(`excludedAttributes=color,meta,active,${acme}`)).toEqual({
			schemas: [core],
			id,
			userName: 'joy',
		})
	})

	it.each(['color eq "red"', `${acme}:badge pr`, 'not (color eq "red")', 'userName eq "joy" and color eq "red"'])(
		'is never filtered by: %s',
		async (filter) => {
			const tenant = await keeping()
			await tenant.create('/Users', { userName: 'joy', color: 'red', [acme]: { badge: '7' } })
			const { status, body } = await tenant.request('GET', `/Users?filter=${encodeURIComponent(filter)}`)
			expect([status, body.scimType]).toEqual([400, 'invalidFilter'])
			expect(body.detail).toMatch(/^filter: User has no attribute \S+.*declare it with: rollcall schema \w+$/)
		},
	)

	it('is not in /Schemas and not in /ResourceTypes', async () => {
		const tenant = await keeping()
		await tenant.create('/Users', { userName: 'joy', color: 'red', [acme]: { badge: '7' } })
		const texts = await Promise.all(['/Schemas', '/ResourceTypes'].map((path) => tenant.request('GET', path)))
		expect(JSON.stringify(texts.map(({ body }) => body))).not.toMatch(/color|badge/)
	})

	it('exceeds 200 names only by what is left out, and the rest of the request is done', async () => {
		const tenant = await keeping()
		const names = (from: number, to: number) =>
			Object.fromEntries(Array.from({ length: to - from }, (_, index) => [`n${from + index}`, index]))
		const user = await tenant.create('/Users', { userName: 'joy', [acme]: names(0, 200), last: 1 })
		expect([Object.keys(user[acme]).length, user.last]).toEqual([199, 1])
		const more = patch({ op: 'add', value: { other: 1, [`${acme}:n0`]: 'new', active: false } })
		const { status, body } = await tenant.request('PATCH', `/Users/${user.id}`, more)
		expect([status, body.active, body.other, body[acme].n0]).toEqual([200, false, undefined, 'new'])
		expect(tenant.events.at(-1)?.quirks).toEqual(['unknownKept', 'unknownLeftOut'])
	})

	it('exceeds 16 KiB only by what is left out, and what was there stays', async () => {
		const tenant = await keeping()
		const { id } = await tenant.create('/Users', { userName: 'joy', first: 'é'.repeat(4000) })
		const more = patch({ op: 'add', value: { a: 'x'.repeat(9000), b: 'y'.repeat(7000), title: 'Lead' } })
		const { body } = await tenant.request('PATCH', `/Users/${id}`, more)
		expect([body.title, body.first.length, body.a, body.b.length]).toEqual(['Lead', 4000, undefined, 7000])
	})

	it('is named in the feed of changes', async () => {
		const tenant = await keeping()
		const { id } = await tenant.create('/Users', { userName: 'joy' })
		await tenant.request('PATCH', `/Users/${id}`, patch({ op: 'add', value: { color: 'red', [`${acme}:badge`]: '7' } }))
		now += 120_000
		const { body } = await tenant.request('GET', '/Changes')
		expect(body.changes.at(-1).attributes.sort()).toEqual(['color', acme].sort())
	})

	it('is kept of groups too, beside their members', async () => {
		const tenant = await keeping()
		const joy = await tenant.create('/Users', { userName: 'joy' })
		const members = [{ value: joy.id, color: 'red' }]
		const group = await tenant.create('/Groups', { displayName: 'Ops', costCenter: 'C-1', members })
		expect(group.members).toEqual([{ value: joy.id, $ref: joy.meta.location, type: 'User' }])
		await tenant.request('PATCH', `/Groups/${group.id}`, patch({ op: 'replace', path: 'costCenter', value: 'C-2' }))
		expect((await tenant.request('GET', `/Groups/${group.id}`)).body).toMatchObject({
			costCenter: 'C-2',
			members: [{}],
		})
	})

	it('is an attribute like any other as soon as a schema declares it, and is as before when it no longer does', async () => {
		const tenant = await keeping()
		const sent = { userName: 'joy', active: true, [acme]: { badge: '7', level: 1 }, [enterprise]: { shift: 'late' } }
		const user = await tenant.create('/Users', sent)
		await tenant.declare([
			{ id: acme, attributes: [{ name: 'badge' }] },
			{ id: enterprise, attributes: [{ name: 'shift' }] },
		])
		expect((await tenant.request('GET', `/Users/${user.id}`)).body).toEqual(user)
		const found = await tenant.request(
			'GET',
			`/Users?filter=${encodeURIComponent(`${acme}:badge eq "7" and shift eq "late"`)}`,
		)
		expect(found.body.Resources).toEqual([user])
		await tenant.declare(undefined)
		expect((await tenant.request('GET', `/Users/${user.id}`)).body).toEqual(user)
	})
})

it('what a client cannot see survives a PUT', async () => {
	const tenant = await host({
		schemas: [
			{ id: acme, attributes: [{ name: 'badge' }, { name: 'level', type: 'integer' }] },
			{ id: core, attributes: [{ name: 'color' }] },
		],
	})
	const sent = { userName: 'joy', active: true, color: 'red', [acme]: { badge: '7', level: 1 } }
	const user = await tenant.create('/Users', sent)
	await tenant.declare({ id: acme, attributes: [{ name: 'level', type: 'integer' }] })
	const seen = (await tenant.request('GET', `/Users/${user.id}`)).body
	expect(seen).toMatchObject({ [acme]: { level: 1 } })
	await tenant.request('PUT', `/Users/${user.id}`, { body: { userName: 'joy', title: 'Lead' } })
	const store = await tenant.directory()
	const stored = await store.get(builtInTypes.User, user.id)
	expect(stored?.attributes).toEqual({
		userName: 'joy',
		active: true,
		title: 'Lead',
		color: 'red',
		[acme]: { badge: '7' },
	})
})
