import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openTarget } from '../../cli/target.ts'
import { urn } from '../../shared/scim/urn.ts'
import { typesOf } from '../../shared/tenants/resource-types.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { jsonOf, rollcall } from '../support/rollcall.ts'

let folder = ''
let users = 0
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-index-'))
	await run('tenant add acme')
})
afterEach(() => rm(folder, { recursive: true }))

const run = (line: string) => rollcall([...line.split(' '), '--data', folder])
const json = async (line: string) => jsonOf(await run(`${line} --json`))

const path = `${urn.enterpriseUser}:employeeNumber`

/** Works on the data folder as a command does. */
async function onTarget<T>(
	work: (target: Awaited<ReturnType<typeof openTarget>>, tenant: Tenant) => Promise<T>,
): Promise<T> {
	const target = await openTarget({ folder }, { isFirst: false, say: () => {}, program: 'rollcall' })
	try {
		const tenant = await target.tenants.getTenant('acme')
		if (tenant === undefined) throw new Error('it is there')
		return await work(target, tenant)
	} finally {
		await target.close()
	}
}

const createUsers = (...numbers: readonly string[]) =>
	onTarget(async (target, tenant) => {
		const ids: string[] = []
		for (const employeeNumber of numbers) {
			const attributes = { userName: `user-${++users}`, [urn.enterpriseUser]: { employeeNumber } }
			ids.push((await target.open(tenant).create(typesOf(tenant).User, { attributes })).id)
		}
		return ids
	})

describe('rollcall index', () => {
	test('add fills an index and returns when it is complete; list shows it; remove removes it', async () => {
		await createUsers('E-1', 'E-2')
		expect(await run('index list acme')).toMatchObject({ code: 0, out: 'The tenant acme has no indexes of its own.\n' })
		expect(await run('index add acme employeenumber')).toEqual({
			...{ code: 0, err: '', out: `The index of ${path} is complete.\n` },
		})
		await createUsers('E-3')
		const [index] = await json('index list acme')
		expect(index).toEqual({ path, unique: false, stage: 'complete', since: expect.stringMatching(/^20.*Z$/) })
		expect((await run('index list acme')).out).toMatch(/^PATH +UNIQUE +STATE\nurn:\S+:employeeNumber +no +complete\n$/)
		expect(await json(`index remove acme ${path}`)).toEqual({ path })
		expect(await json('index list acme')).toEqual([])
	})

	test('add --unique lists values that several users have, until none is left', async () => {
		const [ann, bob, eve] = await createUsers('17', '17', '18')
		const { out } = await run('index add acme employeeNumber --unique')
		expect(out).toBe(
			`The index of ${path} is complete.\nIt is not yet unique: 1 of its values belong to several users. No other user gets them.\n  ${path} "17": ${ann}, ${bob}\n`,
		)
		await expect(createUsers('17')).rejects.toThrow('"17" is already taken')
		await expect(createUsers('18')).rejects.toThrow(`"18" is already taken by the User with the id "${eve}"`)
		expect((await json('index list acme'))[0].shared).toEqual({
			count: 1,
			values: [{ value: '17', users: [ann, bob] }],
		})
		await onTarget((target, tenant) => target.open(tenant).delete(typesOf(tenant).User, ann ?? ''))
		expect((await json('index list acme'))[0]).toMatchObject({ unique: true, shared: { count: 0, values: [] } })
		expect((await run('index list acme')).out).toMatch(/ yes +complete\n$/)
	})

	test('add continues an index whose fill was interrupted', async () => {
		await createUsers('1')
		await onTarget((target) =>
			target.tenants.updateIndexes('acme', () => [
				{
					...{ name: 'oa', slot: 0, path: { uri: urn.enterpriseUser, name: 'employeeNumber' }, type: 'string' },
					...{ caseExact: false, isUnique: false, stage: 'filling', since: Date.now(), position: '', users: 0 },
					...{ worker: '', worked: 0 },
				},
			]),
		)
		expect((await run('index list acme')).out).toMatch(/ no +filling: 0 of 1 users\n$/)
		expect(await run('index add acme employeeNumber')).toMatchObject({
			code: 0,
			out: `The index of ${path} is complete.\n`,
		})
	})

	test('commands that were at work before keep the rows of a new index', async () => {
		const id = await onTarget(async (target, tenant) => {
			const store = target.open(tenant)
			await target.tenants.updateIndexes('acme', () => [
				{
					...{ name: 'oa', slot: 0, path: { uri: urn.enterpriseUser, name: 'employeeNumber' }, type: 'string' },
					...{ caseExact: false, isUnique: true, stage: 'complete', since: 0, position: '', users: 0 },
					...{ worker: '', worked: 0 },
				},
			])
			const attributes = { userName: 'ann', [urn.enterpriseUser]: { employeeNumber: '1' } }
			return (await store.create(typesOf(tenant).User, { attributes })).id
		})
		await expect(createUsers('1')).rejects.toThrow(`is already taken by the User with the id "${id}"`)
	})

	test.each([
		['emails', 'emails may have several values; an index can be added to an attribute that has one'],
		['emails.value', 'emails.value may have several values; an index can be added to an attribute that has one'],
		['name', 'name is complex; an index can be added to one of its sub-attributes, such as name.formatted'],
		['active', 'active is of the type boolean; an index can be added to an attribute of the type string or integer'],
		['id', 'id needs no index: Rollcall finds users by it already'],
		['userName', 'userName has an index already, and it is unique'],
		['externalId', 'externalId has an index already'],
		['manager.value', `${urn.enterpriseUser}:manager.value has an index already`],
	])('add refuses %s', async (text, message) => {
		expect(await run(`index add acme ${text}`)).toEqual({
			...{ code: 1, out: '', err: `error: ${message}\nhint: see "Indexes" in docs/cli.md\n` },
		})
		expect(await json('index list acme')).toEqual([])
	})

	test.each([
		['nothing', ''],
		['password', ''],
		['employeNumber', '; did you mean employeeNumber?'],
	])('add refuses %s, which has no declaration', async (text, question) => {
		expect(await run(`index add acme ${text}`)).toEqual({
			...{ code: 1, out: '' },
			err: `error: User has no attribute ${text}${question}\nhint: an attribute needs a declaration first: see docs/schema.md\n`,
		})
	})

	test('list says that an index is not used if its attribute is declared otherwise', async () => {
		await json('index add acme title')
		await onTarget((target) =>
			target.tenants.updateIndexes('acme', (indexes) => indexes.map((index) => ({ ...index, caseExact: true }))),
		)
		expect((await run('index list acme')).out).toContain('not used: the attribute is declared otherwise now')
	})

	test('add makes externalId unique', async () => {
		expect(await json('index add acme externalId --unique')).toMatchObject({ path: 'externalId', unique: true })
	})

	test('add takes five indexes, each attribute once', async () => {
		const paths = ['name.familyName', 'name.givenName', 'title', 'userType', 'nickName']
		for (const each of paths) await json(`index add acme ${each}`)
		expect(await run('index add acme nickname')).toMatchObject({
			...{ code: 1, err: `error: nickName has an index already\nhint: rollcall index list acme --data ${folder}\n` },
		})
		expect((await run('index add acme locale')).err).toMatch(
			/^error: the tenant acme has 5 indexes, which is the limit\n/,
		)
		await json('index remove acme title')
		expect(await json('index add acme locale')).toMatchObject({ stage: 'complete' })
		expect((await run('index remove acme title')).err).toMatch(/^error: title has no index that was added\n/)
	})

	test('takes only a path', async () => {
		for (const line of ['index add acme a[b', 'index remove acme a[b']) {
			expect(await run(line)).toMatchObject({
				code: 2,
				err: expect.stringMatching(/^error: a\[b is not the path of an attribute: /),
			})
		}
	})
})
