import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DeploymentTarget, openTarget } from '../../cli/target.ts'
import { respondWith } from '../../functions/respond.ts'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { startServer } from '../../local/server.ts'
import { parseFilter } from '../../shared/scim/filter/parse.ts'
import { builtInTypes } from '../../shared/scim/resource-type.ts'
import { urn } from '../../shared/scim/urn.ts'
import { positionOf } from '../../shared/storage/query/order.ts'
import { typesOf } from '../../shared/tenants/resource-types.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { jsonOf, rollcall } from '../support/rollcall.ts'

let folder = ''
let data = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-schema-'))
	data = join(folder, 'data')
	await run('tenant', 'add', 'acme')
})
afterEach(() => rm(folder, { recursive: true }))

const run = (...words: readonly string[]) => rollcall([...words, '--data', data])
const json = async (...words: readonly string[]) => jsonOf(await run(...words, '--json'))

const id = 'urn:example:params:scim:schemas:hr:2.0:User'

async function fileWith(content: unknown): Promise<string> {
	const file = join(folder, 'schema.json')
	await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
	return file
}

/** Stores a user as an earlier declaration, or none, has allowed it. */
async function stored(attributes: Readonly<Record<string, unknown>>): Promise<string> {
	const target = await openTarget({ folder: data }, { isFirst: false, say: () => {}, program: 'rollcall' })
	try {
		const tenant = await target.tenants.getTenant('acme')
		if (tenant === undefined) throw new Error('there is a tenant')
		return (await target.open(tenant).create(builtInTypes.User, { attributes })).id
	} finally {
		await target.close()
	}
}

describe('rollcall schema', () => {
	test('add declares, list and show tell, remove takes back', async () => {
		expect((await run('schema', 'list', 'acme')).out).toBe('The tenant acme has no schema of its own.\n')
		const file = await fileWith({ id, attributes: [{ name: 'badge' }, { name: 'level', type: 'integer' }] })
		expect(await run('schema', 'add', 'acme', file)).toEqual({
			code: 0,
			err: '',
			out: `Declared ${id}: 2 attributes of users.\nAll apps follow within a minute.\n`,
		})
		expect(await json('schema', 'list', 'acme')).toEqual([{ id, resourceType: 'User', attributes: ['badge', 'level'] }])
		expect(await json('schema', 'show', 'acme', id.toUpperCase())).toEqual({
			schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
			id,
			attributes: [{ name: 'badge' }, { name: 'level', type: 'integer' }],
		})
		expect((await run('schema', 'remove', 'acme', id)).out).toBe(
			`Removed ${id}: 2 attributes of users.\nWhat is stored stays as it is, and is back when the schema is declared again.\n`,
		)
		expect(await json('schema', 'list', 'acme')).toEqual([])
	})

	test('add takes the place of the same schema, and says what it no longer allows', async () => {
		const desk = { name: 'desk', type: 'complex', subAttributes: [{ name: 'floor' }, { name: 'room' }] }
		await run('schema', 'add', 'acme', await fileWith({ id, attributes: [{ name: 'badge' }, { name: 'level' }, desk] }))
		const now = [
			{ name: 'level', type: 'integer' },
			{ ...desk, subAttributes: [{ name: 'room' }] },
		]
		expect((await run('schema', 'add', 'acme', await fileWith([{ id, attributes: now }]))).out).toBe(
			[
				`Declared ${id}: 2 attributes of users.`,
				'All apps follow within a minute.',
				`${id}:badge is not declared any more.`,
				`${id}:level was string and is integer.`,
				`${id}:desk has no floor any more.`,
				'What is stored stays as it is.',
				`To compare it with the schemas: rollcall schema check acme --data ${data}\n`,
			].join('\n'),
		)
	})

	test('add keeps the place of a schema, so that a name without a URN means the same attribute', async () => {
		const other = 'urn:example:other:User'
		const both = [id, other].map((each) => ({ id: each, attributes: [{ name: 'badge' }] }))
		await run('schema', 'add', 'acme', await fileWith(both))
		await run('schema', 'add', 'acme', await fileWith({ id: id.toUpperCase(), attributes: [{ name: 'badge' }] }))
		const listed: readonly { readonly id: string }[] = await json('schema', 'list', 'acme')
		expect(listed.map((each) => each.id)).toEqual([id.toUpperCase(), other])
	})

	test('add --enforce accepts the canonical values only', async () => {
		const attributes = [{ name: 'size', canonicalValues: ['S'] }, { name: 'badge' }]
		await run('schema', 'add', 'acme', await fileWith({ id, attributes }), '--enforce')
		expect((await json('schema', 'show', 'acme', id)).attributes).toEqual([
			{ ...attributes[0], enforced: true },
			attributes[1],
		])
	})

	test.each<[string, unknown, string]>([
		['no JSON', '{', 'is not JSON: '],
		[
			'a wrong declaration',
			{ id, attributes: [{ name: 'badge', type: 'text' }] },
			': attributes[0].type must be string, ',
		],
		['no schema', [], ' has no schema'],
		[
			'parts of parts',
			{
				id,
				attributes: [
					{
						name: 'a',
						type: 'complex',
						subAttributes: [{ name: 'b', type: 'complex', subAttributes: [{ name: 'c' }] }],
					},
				],
			},
			': attributes[0].subAttributes[0].subAttributes[0] must not be there: a part has no parts of its own (RFC 7643 section 2.3.8)',
		],
		[
			'a core name that clients write for the enterprise extension',
			{ id: urn.user, attributes: [{ name: 'Manager' }] },
			`: Manager without a URN is an attribute of ${urn.enterpriseUser}: declare another name`,
		],
		[
			'the path of an attribute as its URN',
			{ id: `${urn.enterpriseUser}:Department`, attributes: [{ name: 'a' }] },
			` is the path of an attribute of ${urn.enterpriseUser}`,
		],
		[
			'an attribute whose path is a URN',
			{ id: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0', attributes: [{ name: 'user' }] },
			` has the path ${urn.enterpriseUser}, a schema`,
		],
		[
			'the URN of SCIM 1',
			{ id: 'urn:scim:schemas:core:1.0', attributes: [{ name: 'a' }] },
			': id urn:scim:schemas:core:1.0 is the URN of something else',
		],
		[
			'one URN twice',
			[
				{ id, attributes: [] },
				{ id: id.toUpperCase(), attributes: [] },
			],
			' twice',
		],
		['no schema', '[]', ' has no schema\n'],
	])('add refuses a file with %s and says where', async (_, content, problem) => {
		const { code, err } = await run('schema', 'add', 'acme', await fileWith(content))
		expect(code).toBe(1)
		expect(err).toContain(problem)
		expect(err).toContain('hint: docs/schema.md has an example to start from\n')
	})

	test('names what is missing', async () => {
		const missing = await run('schema', 'remove', 'acme', 'urn:x:y')
		expect(missing).toEqual({
			code: 1,
			out: '',
			err: `error: the tenant acme declares no schema urn:x:y\nhint: rollcall schema list acme --data ${data}\n`,
		})
		expect((await run('schema', 'add', 'acme')).err).toContain('error: FILE is missing')
		expect((await run('schema', 'check', 'acme', 'one', 'two')).err).toContain('error: unexpected argument two')
	})

	test('check compares what is stored, also with a file before it is declared', async () => {
		const joy = await stored({ userName: 'joy', [id]: { level: 'high', Badge: 'seven' } })
		await stored({ userName: 'jim', [id]: { level: 'low' } })
		const file = await fileWith({
			id,
			attributes: [
				{ name: 'level', type: 'integer' },
				{ name: 'badge', type: 'integer' },
			],
		})
		expect(await run('schema', 'check', 'acme', file)).toEqual({
			code: 1,
			err: '',
			out: [
				'Resources compared with the schemas of the tenant acme: 2.',
				`${id}:level: 2 Users, such as ${joy}: the value must be an integer, not the string "high"`,
				`${id}:badge: 1 User, such as ${joy}: the value must be an integer, not the string "seven"\n`,
			].join('\n'),
		})
		expect((await run('schema', 'check', 'acme')).out).toBe(
			'Resources compared with the schemas of the tenant acme: 2.\nAll values fit.\n',
		)
	})
})

describe('a schema with an attribute that is unique', () => {
	const attributes = [{ name: 'badge', uniqueness: 'server' }, { name: 'nick' }]
	const shown = async () => (await json('schema', 'show', 'acme', id)).attributes

	test('gets a unique index with the declaration; without the index, it is not unique', async () => {
		await run('schema', 'add', 'acme', await fileWith({ id, attributes: [{ name: 'badge' }] }))
		const [ann, bob] = [
			await stored({ userName: 'ann', [id]: { badge: '7' } }),
			await stored({ userName: 'bob', [id]: { badge: '7' } }),
		]
		const file = await fileWith({ id, attributes })
		expect(await run('schema', 'add', 'acme', file)).toEqual({
			...{ code: 0, err: '' },
			out: [
				`Declared ${id}: 2 attributes of users.`,
				'All apps follow within a minute.',
				`The index of ${id}:badge is complete.`,
				'It is not yet unique: 1 of its values belong to several users. No other user gets them.',
				`  ${id}:badge "7": ${ann}, ${bob}\n`,
			].join('\n'),
		})
		expect(await shown()).toEqual(attributes)
		// The same document again, as a command does that follows an interrupted one.
		const { indexes } = await json('schema', 'add', 'acme', file)
		expect(indexes).toMatchObject([{ path: `${id}:badge`, unique: true, stage: 'complete' }])
		expect(await json('index', 'list', 'acme')).toHaveLength(1)
		await run('index', 'remove', 'acme', `${id}:badge`)
		expect(await shown()).toEqual([{ name: 'badge' }, { name: 'nick' }])
	})

	test('is not declared if there can be no index', async () => {
		const cases: readonly [unknown, string][] = [
			[
				{ name: 'a', multiValued: true },
				`${id}:a may have several values; an index can be added to an attribute that has one`,
			],
			[
				{ name: 'a', type: 'boolean' },
				`${id}:a is of the type boolean; an index can be added to an attribute of the type string or integer`,
			],
		]
		for (const [attribute, problem] of cases) {
			const file = await fileWith({ id, attributes: [{ ...(attribute as object), uniqueness: 'server' }] })
			expect((await run('schema', 'add', 'acme', file)).err).toBe(
				`error: uniqueness cannot be server: ${problem}\nhint: see "Indexes" in docs/cli.md\n`,
			)
		}
		const six = Array.from({ length: 6 }, (_, index) => ({ name: `a${index}`, uniqueness: 'server' }))
		expect((await run('schema', 'add', 'acme', await fileWith({ id, attributes: six }))).err).toContain(
			'error: the tenant acme has 5 indexes, which is the limit',
		)
		expect(await json('schema', 'list', 'acme')).toEqual([])
		expect(await json('index', 'list', 'acme')).toEqual([])
	})

	test('is not declared beside an index that is not unique', async () => {
		await run('schema', 'add', 'acme', await fileWith({ id, attributes: [{ name: 'badge' }] }))
		await run('index', 'add', 'acme', `${id}:badge`)
		expect((await run('schema', 'add', 'acme', await fileWith({ id, attributes }))).err).toBe(
			`error: uniqueness cannot be server: ${id}:badge has an index of another kind\nhint: remove it first: rollcall index remove acme ${id}:badge --data ${data}\n`,
		)
		expect(await shown()).toEqual([{ name: 'badge' }])
	})
})

test('an index has values that are stored under names in another letter case', async () => {
	const joy = await stored({ userName: 'joy', [id.toUpperCase()]: { BADGE: 'B-7' } })
	await run('schema', 'add', 'acme', await fileWith({ id, attributes: [{ name: 'badge' }] }))
	expect((await run('index', 'add', 'acme', `${id}:badge`, '--unique')).out).toBe(
		`The index of ${id}:badge is complete.\n`,
	)
	const target = await openTarget({ folder: data }, { isFirst: false, say: () => {}, program: 'rollcall' })
	try {
		const tenant = await target.tenants.getTenant('acme')
		if (tenant === undefined) throw new Error('there is a tenant')
		const { User } = typesOf(tenant)
		const store = target.open(tenant)
		const page = { startIndex: 1, count: 10 }
		const find = () => store.query(User, { page, filter: parseFilter(`${id}:badge eq "b-7"`) })
		expect((await find()).resources.map((each) => each.id)).toEqual([joy])
		const jim = { userName: 'jim', [id]: { badge: 'b-7' } }
		await expect(store.create(User, { attributes: jim })).rejects.toThrow('"b-7" is already taken')
		// Another change of the user leaves the entry in place, and one of the value moves it.
		await store.update(User, joy, { revise: (now) => ({ attributes: { ...now.attributes, title: 'x' } }) })
		expect((await find()).totalResults).toBe(1)
		await store.update(User, joy, { revise: (now) => ({ attributes: { ...now.attributes, [id]: { badge: 'B-8' } } }) })
		expect((await find()).totalResults).toBe(0)
		expect((await store.create(User, { attributes: jim })).attributes).toEqual(jim)
	} finally {
		await target.close()
	}
})

/** Serves the data folder, sends the bodies as new users, and stores what was observed. */
async function sent(token: string, ...bodies: readonly object[]): Promise<void> {
	const azurite = await startAzurite({ folder: data })
	const tokens = { file: join(data, 'tokens.json') }
	const services = await createServices({ tables: { connectionString: azurite.connectionString }, tokens })
	const server = await startServer({ port: 0, respond: respondWith(services), log: () => {} })
	try {
		for (const body of bodies) {
			const { status } = await fetch(`${server.url}/scim/acme/Users`, {
				method: 'POST',
				headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
				body: JSON.stringify(body),
			})
			expect(status).toBe(201)
		}
		await services.observations.flush()
	} finally {
		await server.close()
		await azurite.close()
	}
}

describe('what clients send and no schema declares', () => {
	const joy = { userName: 'joy', dispalyName: 'Joy', [id]: { level: 1, seen: '2026-01-01T00:00:00Z', tags: ['a', 1] } }
	const jim = {
		userName: 'jim',
		password: 'x',
		[id]: { level: 2, share: 0.5, desk: { floor: 3, room: 'A' }, isNew: true },
	}

	test('is observed, with a name that was probably meant, and without values', async () => {
		const { token } = await json('token', 'add', 'acme')
		expect((await run('schema', 'observed', 'acme')).out).toBe(
			'No client has sent the tenant acme an attribute that no schema declares.\n',
		)
		await sent(token, joy, jim)
		const observed = await json('schema', 'observed', 'acme')
		const times = { first: expect.stringMatching(/^20.*Z$/), last: expect.stringMatching(/^20.*Z$/) }
		expect(observed).toContainEqual({
			...{ resourceType: 'User', path: 'dispalyName', didYouMean: 'displayName', types: ['string'], count: 1 },
			...times,
		})
		expect(observed).toContainEqual({
			resourceType: 'User',
			path: `${id}:level`,
			types: ['number'],
			count: 2,
			...times,
		})
		expect(JSON.stringify(observed)).not.toMatch(/password|Joy"/)
		await sent(token, { userName: 'kim', displayNam: 'Kim' })
		expect((await run('schema', 'observed', 'acme')).out).toMatch(
			/^PATH .*RESOURCES {2}JSON .*REQUESTS {2}FIRST .*LAST\n(.*\n)*displayNam +users +string +1 +20\S+Z {2}20\S+Z {2}is it displayName\?\n/,
		)
	})

	test('is adopted with each part once, whatever the letter case of its name', async () => {
		await stored({ userName: 'joy', [id]: { desk: { Room: 'a', floor: 1 } } })
		await stored({ userName: 'jim', [id]: { desk: { room: 'b', FLOOR: 2 } } })
		expect((await run('schema', 'adopt', 'acme', `${id}:desk`)).code).toBe(0)
		expect((await json('schema', 'show', 'acme', id)).attributes).toEqual([
			...[{ name: 'desk', type: 'complex' }].map((attribute) => ({
				...attribute,
				subAttributes: [
					{ name: 'Room', type: 'string' },
					{ name: 'floor', type: 'integer' },
				],
			})),
		])
	})

	test('gets no index if it is a list inside a complex value', async () => {
		const keys = { name: 'keys', multiValued: true }
		const desk = { name: 'desk', type: 'complex', subAttributes: [keys] }
		await run('schema', 'add', 'acme', await fileWith({ id, attributes: [desk] }))
		expect((await run('index', 'add', 'acme', `${id}:desk.keys`)).err).toContain(
			`error: ${id}:desk.keys may have several values; an index can be added to an attribute that has one\n`,
		)
	})

	test.each(['__proto__', 'password', 'urn:', 'constructor', 'name.nick', 'meta.x'])(
		'is neither adopted nor in the way of schema forget at the odd path %s',
		async (path) => {
			await stored({ userName: 'joy', nick: 'x' })
			expect((await run('schema', 'adopt', 'acme', path)).code).toBe(1)
			expect((await run('schema', 'forget', 'acme', path)).out).toBe(`Removed ${path} from 0 of 1 resources.\n`)
			expect(await json('schema', 'list', 'acme')).toEqual([])
		},
	)

	test('is adopted with the types of what is stored', async () => {
		const { token } = await json('token', 'add', 'acme')
		await sent(token, joy, jim)
		expect((await run('schema', 'adopt', 'acme', id)).out).toBe(
			[
				`Declared ${id}:level as integer.`,
				`Declared ${id}:seen as dateTime.`,
				`Declared ${id}:tags as a list of string.`,
				`Declared ${id}:share as decimal.`,
				`Declared ${id}:desk as complex.`,
				`Declared ${id}:isNew as boolean.`,
				'All apps follow within a minute.',
				'Resources compared with the schemas of the tenant acme: 2.',
				'All values fit.\n',
			].join('\n'),
		)
		expect((await json('schema', 'observed', 'acme')).map(({ path }: { path: string }) => path)).toEqual([
			'dispalyName',
		])
		await run('schema', 'adopt', 'acme', 'dispalyname')
		expect((await json('schema', 'list', 'acme')).map(({ id }: { id: string }) => id)).toEqual([
			id,
			'urn:ietf:params:scim:schemas:core:2.0:User',
		])
		await run('tenant', 'set', 'acme', '--unknown-attributes', 'ignore')
		await sent(token, { userName: 'kim', [id]: { badge: 7 } })
		expect((await run('schema', 'adopt', 'acme', `${id}:badge`)).out).toContain(`Declared ${id}:badge as decimal.\n`)
		const { attributes } = await json('schema', 'show', 'acme', id)
		expect(attributes.map(({ name }: { name: string }) => name).sort()).toEqual(
			['badge', 'desk', 'isNew', 'level', 'seen', 'share', 'tags'].sort(),
		)
	})

	test('is not adopted if nothing is there, or no declaration fits', async () => {
		await stored({ userName: 'joy', mixed: { a: 1 }, name: { nick: 'J' }, 'urn:example:hr:Group': { a: 1 } })
		await stored({ userName: 'jim', mixed: 'text' })
		const refusal = async (path: string) => (await run('schema', 'adopt', 'acme', path)).err
		expect(await refusal('color')).toBe(
			`error: the tenant acme has nothing undeclared at color\nhint: rollcall schema observed acme --data ${data}\n`,
		)
		expect(await refusal('mixed')).toContain('error: no declaration fits the values of urn:ietf:')
		expect(await refusal('name.nick')).toContain('error: name.nick is a part of an attribute of RFC 7643')
		expect(await refusal('urn:example:hr:Group')).toContain('error: urn:example:hr:Group was sent for users')
	})
})

describe('rollcall schema forget', () => {
	const acme = 'urn:example:params:scim:schemas:acme:2.0:User'

	/** Runs work on the tenant. */
	async function within<T>(work: (target: DeploymentTarget, tenant: Tenant) => Promise<T>): Promise<T> {
		const target = await openTarget({ folder: data }, { isFirst: false, say: () => {}, program: 'rollcall' })
		try {
			const tenant = await target.tenants.getTenant('acme')
			if (tenant === undefined) throw new Error('there is a tenant')
			return await work(target, tenant)
		} finally {
			await target.close()
		}
	}

	const attributesOf = (user: string) =>
		within(async (target, tenant) => (await target.open(tenant).get(builtInTypes.User, user))?.attributes)

	test('removes what no schema declares from all resources, and nothing else', async () => {
		const joy = await stored({ userName: 'joy', color: 'red', [acme]: { badge: '7', level: 1 } })
		const jim = await stored({ userName: 'jim', Color: { hue: 3 }, name: { givenName: 'Jim', nick: 'J' } })
		await stored({ userName: 'kim', title: 'Lead' })
		expect((await run('schema', 'forget', 'acme', 'color')).out).toBe('Removed color from 2 of 3 resources.\n')
		await run('schema', 'forget', 'acme', 'name.nick')
		expect(await attributesOf(jim)).toEqual({ userName: 'jim', name: { givenName: 'Jim' } })
		await run('schema', 'forget', 'acme', `${acme}:level`)
		expect(await attributesOf(joy)).toEqual({ userName: 'joy', [acme]: { badge: '7' } })
		expect(await json('schema', 'forget', 'acme', acme)).toEqual({ name: 'acme', path: acme, resources: 3, changed: 1 })
		expect(await attributesOf(joy)).toEqual({ userName: 'joy' })
		expect(await within(async (_, { forgetting }) => forgetting)).toEqual([])
	})

	test.each(['title', 'name.givenName', 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'])(
		'refuses %s, which a schema declares',
		async (path) => {
			expect((await run('schema', 'forget', 'acme', path)).err).toBe(
				`error: a schema of the tenant acme declares ${path}\nhint: remove the schema first: rollcall schema list acme --data ${data}\n`,
			)
		},
	)

	test('is continued by the sweep, from its last position', async () => {
		const users: string[] = []
		for (let index = 0; index < 3; index++) users.push(await stored({ userName: `joy-${index}`, color: 'red' }))
		await within((target) =>
			target.tenants.updateForgetting('acme', () => [
				{ path: 'color', position: `User ${positionOf({ key: '', id: users[0] ?? '' })}` },
			]),
		)
		const sweepOnce = async (until: number) => {
			const azurite = await startAzurite({ folder: data })
			const tokens = { file: join(data, 'tokens.json') }
			const services = await createServices({ tables: { connectionString: azurite.connectionString }, tokens })
			for (const tenant of await services.tenants.listTenants()) await services.sweep(tenant, until)
			await azurite.close()
		}
		await sweepOnce(0)
		expect(await within(async (_, { forgetting }) => forgetting.length)).toBe(1)
		await sweepOnce(Number.POSITIVE_INFINITY)
		expect(await Promise.all([await attributesOf(users[0] ?? ''), await attributesOf(users[2] ?? '')])).toEqual([
			{ userName: 'joy-0', color: 'red' },
			{ userName: 'joy-2' },
		])
		expect(await within(async (_, { forgetting }) => forgetting)).toEqual([])
	})
})
