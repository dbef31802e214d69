import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openTarget } from '../../cli/target.ts'
import { builtInTypes } from '../../shared/scim/resource-type.ts'
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
		[
			'one URN twice',
			[
				{ id, attributes: [] },
				{ id: id.toUpperCase(), attributes: [] },
			],
			' twice',
		],
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
		const joy = await stored({ userName: 'joy', [id]: { level: 'high', Badge: '7' } })
		await stored({ userName: 'jim', [id]: { level: 'low' } })
		const file = await fileWith({ id, attributes: [{ name: 'level', type: 'integer' }, { name: 'badge' }] })
		expect(await run('schema', 'check', 'acme', file)).toEqual({
			code: 1,
			err: '',
			out: [
				'2 resources were compared with the schemas of the tenant acme.',
				`${id}:level: 2 Users, such as ${joy}: the value must be an integer, not the string "high"`,
				`${id}:badge: 1 User, such as ${joy}: is stored as Badge: declare it in this spelling\n`,
			].join('\n'),
		})
		expect((await run('schema', 'check', 'acme')).out).toBe(
			'2 resources were compared with the schemas of the tenant acme.\nAll values fit.\n',
		)
	})
})
