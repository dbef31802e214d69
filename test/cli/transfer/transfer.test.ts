import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { define } from '../../../cli/index-commands.ts'
import { openTarget } from '../../../cli/target.ts'
import { parseAttributePath } from '../../../shared/scim/path.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import { urn } from '../../../shared/scim/urn.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { indexSubject } from '../../../shared/storage/rows/indexable.ts'
import { inParallel } from '../../../shared/storage/table/parallel.ts'
import { typesOf } from '../../../shared/tenants/resource-types.ts'
import { jsonOf, type RunOptions, rollcall } from '../../support/rollcall.ts'

let folder = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
	for (const name of ['acme', 'globex']) await run(`tenant add ${name}`)
})
afterEach(() => rm(folder, { recursive: true }))

const run = (line: string, options: RunOptions = {}) =>
	rollcall([...line.split(' '), '--data', join(folder, 'data')], options)
const json = async (line: string) => jsonOf(await run(`${line} --json`))
const file = (name: string) => join(folder, name)

/** Runs work on the directory of a tenant. */
async function within<T>(tenant: string, work: (store: ResourceStore) => Promise<T>): Promise<T> {
	const target = await openTarget(
		{ folder: join(folder, 'data') },
		{ isFirst: false, say: () => {}, program: 'rollcall' },
	)
	try {
		const found = await target.tenants.getTenant(tenant)
		if (found === undefined) throw new Error(`there is no ${tenant}`)
		return await work(target.open(found))
	} finally {
		await target.close()
	}
}

const joy = {
	userName: 'joy@example.com',
	active: false,
	name: { familyName: 'Ünal', givenName: 'Joy\u2028"' },
	emails: [{ value: 'joy@example.com', type: 'work', primary: true }],
	[urn.enterpriseUser]: { department: 'R&D', manager: { value: 'nobody' } },
}

/** Two users and two groups. One group has both users, the other has none. */
const populate = (tenant: string) =>
	within(tenant, async (store) => {
		const { id: joyId } = await store.create(userType, { attributes: joy })
		const { id: kimId } = await store.create(userType, { attributes: { userName: 'kim@example.com' } })
		const members = [{ value: joyId, display: 'Joy' }, { value: kimId }]
		const { id: staffId } = await store.create(groupType, { attributes: { displayName: 'Staff' }, members })
		const { id: emptyId } = await store.create(groupType, { attributes: { displayName: 'Empty' } })
		return { joyId, kimId, staffId, emptyId }
	})

/** The lines of an export without the values that differ between exports. */
async function linesOf(name: string) {
	const lines = (await readFile(file(name), 'utf8')).trimEnd().split('\n')
	return lines.map((line) => {
		const { exported, tenant, table, created, lastModified, ...rest } = JSON.parse(line)
		return rest
	})
}

const tally = (created: number, present: number) => ({ created, present })

describe('rollcall export', () => {
	test('writes users, groups and memberships, one per line, to a file that only its owner can read', async () => {
		const { joyId, kimId, staffId, emptyId } = await populate('acme')
		const { code, out, err } = await run(`export acme --out ${file('acme.ndjson')}`)
		expect({ code, out, err }).toEqual({
			code: 0,
			err: '',
			out: `Exported 2 users, 2 groups, 2 memberships to ${file('acme.ndjson')}\n`,
		})
		expect(await linesOf('acme.ndjson')).toEqual([
			{ type: 'Export', format: 1, settings: { history: 'full', unknownAttributes: 'keep' } },
			{ type: 'User', id: joyId, attributes: joy },
			{ type: 'User', id: kimId, attributes: { userName: 'kim@example.com' } },
			{ type: 'Group', id: staffId, attributes: { displayName: 'Staff' } },
			{ type: 'Group', id: emptyId, attributes: { displayName: 'Empty' } },
			{ type: 'Membership', group: staffId, member: joyId, display: 'Joy' },
			{ type: 'Membership', group: staffId, member: kimId },
			{ type: 'End', users: 2, groups: 2, memberships: 2 },
		])
		expect((await stat(file('acme.ndjson'))).mode & 0o777).toBe(0o600)
	})

	test('writes to standard output if no file is given, with progress on a terminal', async () => {
		await populate('acme')
		await run(`export acme --out ${file('acme.ndjson')}`)
		const { code, out, err } = await run('export acme', { isWatched: true })
		expect(code).toBe(0)
		await writeFile(file('out.ndjson'), out)
		expect(await linesOf('out.ndjson')).toEqual(await linesOf('acme.ndjson'))
		expect(err.split('\r\u001b[K').slice(0, 2)).toEqual([
			'',
			'[                    ]   0 %  0 users, 0 groups, 0 memberships',
		])
		expect(err.endsWith('\r\u001b[K')).toBe(true)
	})

	test('overwrites no file, and leaves none if it fails', async () => {
		await writeFile(file('mine'), 'mine')
		expect(await run(`export acme --out ${file('mine')}`)).toEqual({
			code: 1,
			out: '',
			err: `error: ${file('mine')} already exists\nhint: give another file with --out\n`,
		})
		expect(await readFile(file('mine'), 'utf8')).toBe('mine')
		expect(await run(`export acme --out ${file('no/such/folder')}`)).toMatchObject({
			code: 1,
			out: '',
			err: expect.stringMatching(/^error: \S+ cannot be written: there is no such folder\nhint: /),
		})
	})

	test.each(['export initech', 'import initech x'])(
		'%s says that the directory of a relay is elsewhere',
		async (line) => {
			await run('tenant add initech --mode relay')
			expect(await run(line)).toEqual({
				code: 1,
				out: '',
				err: 'error: the tenant initech has no directory in Rollcall\nhint: its mode is relay: its users and groups are in the SCIM server behind the relay\n',
			})
		},
	)
})

describe('rollcall import', () => {
	test('creates the exported resources in another tenant, with the same ids, and nothing the second time', async () => {
		await populate('acme')
		await run(`export acme --out ${file('acme.ndjson')}`)
		expect((await run(`import globex ${file('acme.ndjson')}`)).out).toBe(
			'Users        2 created  0 already present\nGroups       2 created  0 already present\nMemberships  2 created  0 already present\n',
		)
		await run(`export globex --out ${file('globex.ndjson')}`)
		expect(await linesOf('globex.ndjson')).toEqual(await linesOf('acme.ndjson'))
		expect(await json(`import globex ${file('acme.ndjson')}`)).toEqual({
			name: 'globex',
			users: tally(0, 2),
			groups: tally(0, 2),
			memberships: tally(0, 2),
			conflicts: [],
			isWhole: true,
		})
	})

	test('continues after an interruption, and says that half a file is incomplete', async () => {
		await populate('acme')
		await run(`export acme --out ${file('acme.ndjson')}`)
		const lines = (await readFile(file('acme.ndjson'), 'utf8')).split('\n')
		await writeFile(file('half.ndjson'), lines.slice(0, 6).join('\n'))
		const half = await run(`import globex ${file('half.ndjson')}`)
		expect(half).toEqual({
			code: 1,
			err: '',
			out: `Users        2 created  0 already present\nGroups       2 created  0 already present\nMemberships  1 created  0 already present\n${file('half.ndjson')} is incomplete: its last line is missing.\n`,
		})
		expect(await json(`import globex ${file('acme.ndjson')}`)).toMatchObject({
			users: tally(0, 2),
			groups: tally(0, 2),
			memberships: tally(1, 1),
		})
	})

	test('lists conflicts without changing anything, and imports the rest', async () => {
		const { joyId, kimId, staffId, emptyId } = await populate('acme')
		await run(`export acme --out ${file('acme.ndjson')}`)
		const { kim, empty } = await within('globex', async (store) => {
			await store.create(userType, { id: joyId, attributes: { ...joy, active: true, title: 'Dr' } })
			const empty = await store.create(groupType, { attributes: { displayName: 'empty' } })
			return { empty, kim: await store.create(userType, { attributes: { userName: 'KIM@example.com' } }) }
		})
		const membership = JSON.stringify({ type: 'Membership', group: emptyId, member: joyId })
		const text = (await readFile(file('acme.ndjson'), 'utf8')).replace('{"type":"End"', `${membership}\n{"type":"End"`)
		await writeFile(file('acme.ndjson'), text)
		const { code, out } = await run(`import globex ${file('acme.ndjson')}`)
		expect(code).toBe(1)
		expect(out.split('\n').slice(3)).toEqual([
			`conflict in line 2, User ${joyId}: it already exists with a different active, title`,
			`conflict in line 3, User ${kimId}: userName "kim@example.com" is already taken by the User with the id "${kim.id}"`,
			`conflict in line 5, Group ${emptyId}: displayName "Empty" is already taken by the Group with the id "${empty.id}"`,
			`conflict in line 7, Membership of ${kimId} in ${staffId}: there is no such user`,
			`conflict in line 8, Membership of ${joyId} in ${emptyId}: there is no such group`,
			'',
		])
		await within('globex', async (store) => {
			expect((await store.get(userType, joyId))?.attributes).toMatchObject({ active: true, title: 'Dr' })
			expect((await store.get(userType, kim.id))?.attributes).toEqual({ userName: 'KIM@example.com' })
			expect((await store.get(groupType, staffId, { members: true }))?.members).toEqual([
				{ value: joyId, display: 'Joy' },
			])
		})
	})

	test('imports more than one page of users and one batch of members', async () => {
		const count = 501
		await within('acme', async (store) => {
			const users = await inParallel(
				Array.from({ length: count }, (_, index) => index),
				(index) => store.create(userType, { attributes: { userName: `user-${index}@example.com` } }),
			)
			const members = users.map(({ id }) => ({ value: id }))
			await store.create(groupType, { attributes: { displayName: 'All' }, members })
		})
		await run(`export acme --out ${file('acme.ndjson')}`)
		expect(await json(`import globex ${file('acme.ndjson')}`)).toMatchObject({
			users: tally(count, 0),
			groups: tally(1, 0),
			memberships: tally(count, 0),
			conflicts: [],
		})
		await run(`export globex --out ${file('globex.ndjson')}`)
		expect(await linesOf('globex.ndjson')).toEqual(await linesOf('acme.ndjson'))
	})

	test('counts the second of two equal lines as already present', async () => {
		await populate('acme')
		await run(`export acme --out ${file('acme.ndjson')}`)
		const twice = (await readFile(file('acme.ndjson'), 'utf8')).replaceAll(
			/^[^\n]*"type":"(User|Group|Membership)"[^\n]*\n/gm,
			'$&$&',
		)
		await writeFile(file('twice.ndjson'), twice)
		expect(await json(`import globex ${file('twice.ndjson')}`)).toMatchObject({
			users: tally(2, 2),
			groups: tally(2, 2),
			memberships: tally(2, 2),
			conflicts: [],
		})
	})

	const header = '{"type":"Export","format":1,"tenant":"acme","exported":"2026-01-01T00:00:00Z"}'
	const id = '01a214aa48e97000812345678901234a' as ResourceId // sound: it has the form of an id
	test.each([
		[`${header}\nnot JSON`, /:2 is not a line of an export: it is not JSON$/],
		[
			'{"type":"Export","format":2,"tenant":"a","exported":""}',
			/:1 is not a line of an export: format must be 1, not the number 2$/,
		],
		['{"name":"joy"}', /:1 .*: type must be "Export", "User", "Group", "Membership" or "End"$/],
		[`${header}\n{"type":"Membership","group":"${id}","member":"${id}"}`, /:2 .*: group is not the id of a Group$/],
		[`${header}\n\n{"type":"User","id":"${id}"}`, /:3 .*: attributes is missing: it must be an object$/],
		[Buffer.from(`${header}\n{"type":"End","users":"\xfc"}`, 'latin1'), /:2 .*: it is not UTF-8$/],
		[undefined, / cannot be read: there is no such file$/],
	])('refuses %j', async (text, message) => {
		if (text !== undefined) await writeFile(file('bad'), text)
		const { code, out, err } = await run(`import acme ${file('bad')}`)
		expect({ code, out }).toEqual({ code: 1, out: '' })
		const [error = '', hint] = err.split('\n')
		expect(error).toMatch(/^error: \S+bad/)
		expect(error).toMatch(message)
		expect(hint).toMatch(/:[2-9]/.test(error) ? /^hint: the lines before it are imported; / : /^hint: give a file /)
	})

	test('imports no value that the schema refuses', async () => {
		const user = { type: 'User', id, attributes: { userName: 7 }, created: '', lastModified: '' }
		await writeFile(
			file('bad'),
			`${header}\n${JSON.stringify(user)}\n{"type":"End","users":1,"groups":0,"memberships":0}`,
		)
		expect((await run(`import acme ${file('bad')}`)).out).toMatch(/\nconflict in line 2, User \w+: userName/)
	})
})

describe('the settings and schemas of a tenant', () => {
	const id = 'urn:example:params:scim:schemas:hr:2.0:User'
	const schema = { id, attributes: [{ name: 'level', type: 'integer' }] }

	/** Adds an index that is not filled yet. */
	async function announced(name: string, path: string): Promise<void> {
		const target = await openTarget(
			{ folder: join(folder, 'data') },
			{ isFirst: false, say: () => {}, program: 'rollcall' },
		)
		try {
			const tenant = await target.tenants.getTenant(name)
			const subject = tenant && indexSubject(typesOf(tenant).User, parseAttributePath(path), false)
			if (typeof subject !== 'object' || tenant === undefined) throw new Error('there can be such an index')
			await define(target, tenant, { ...subject, isUnique: false })
		} finally {
			await target.close()
		}
	}

	test('go with its export, so that the import makes the same tenant', async () => {
		await writeFile(file('schema.json'), JSON.stringify(schema))
		await run(`schema add acme ${file('schema.json')}`)
		await run('tenant set acme --unknown-attributes reject')
		// The command would wait until the index is filled. It is announced as soon as the row has it.
		await announced('acme', `${id}:level`)
		// The level is of a time before the declaration, and the color was never declared.
		const attributes = { ...joy, color: { hue: [1, null, 'x'] }, [id]: { level: 'high', floor: 3 } }
		await within('acme', (store) => store.create(userType, { attributes }))
		await run(`export acme --out ${file('acme.ndjson')}`)
		const imported = await run(`import globex ${file('acme.ndjson')}`)
		expect(imported.out).toContain(
			`The settings are now those of the export.\nDeclared ${id}.\nAdded the index of ${id}:level: the app fills it.\n`,
		)
		expect(imported.code).toBe(0)
		await run(`export globex --out ${file('globex.ndjson')}`)
		expect(await linesOf('globex.ndjson')).toEqual(await linesOf('acme.ndjson'))
		expect((await linesOf('globex.ndjson'))[0]).toMatchObject({
			settings: { unknownAttributes: 'reject' },
			schemas: [schema],
			indexes: [{ path: `${id}:level`, unique: false }],
		})
		expect((await run(`import globex ${file('acme.ndjson')}`)).out).not.toMatch(/settings|Declared|Added/)
	})

	test('stay as they are if the tenant declares another schema under the URN', async () => {
		await writeFile(file('schema.json'), JSON.stringify(schema))
		await run(`schema add acme ${file('schema.json')}`)
		await run(`export acme --out ${file('acme.ndjson')}`)
		await writeFile(file('schema.json'), JSON.stringify({ id, attributes: [{ name: 'level' }] }))
		await run(`schema add globex ${file('schema.json')}`)
		const { code, out } = await run(`import globex ${file('acme.ndjson')}`)
		expect([code, out]).toEqual([
			1,
			expect.stringContaining(`conflict in line 1, Schema ${id}: the tenant declares it in another way`),
		])
	})

	test('are refused if this version does not know a setting', async () => {
		const line = { type: 'Export', format: 1, tenant: 'acme', exported: '', settings: { color: 'red' } }
		await writeFile(file('acme.ndjson'), JSON.stringify(line))
		const { code, err } = await run(`import globex ${file('acme.ndjson')}`)
		expect([code, err]).toEqual([1, expect.stringContaining('error: This tenant has the setting color')])
	})
})
