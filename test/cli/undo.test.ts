import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type DeploymentTarget, openTarget } from '../../cli/target.ts'
import type { StoredResource } from '../../shared/scim/resource.ts'
import { userType } from '../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { jsonOf, rollcall } from '../support/rollcall.ts'

const minute = 60_000
const people = 23
const since = '2026-06-01T08:30:00Z'
let data = ''
let users: readonly StoredResource[] = []

const run = (line: string, input = '') => rollcall([...line.split(' '), '--data', data], { input })
const json = async (line: string) => jsonOf(await run(`${line} --json`))

async function inDirectory<T>(work: (store: ResourceStore, target: DeploymentTarget) => Promise<T>): Promise<T> {
	const target = await openTarget({ folder: data }, { isFirst: false, say: () => {}, program: 'rollcall' })
	try {
		const tenant = await target.tenants.getTenant('acme')
		if (tenant === undefined) throw new Error('the tenant was added')
		return await work(target.open(tenant), target)
	} finally {
		await target.close()
	}
}

const set = (values: Readonly<Record<string, unknown>>) => ({
	revise: ({ attributes }: StoredResource) => ({ attributes: { ...attributes, ...values } }),
})

const later = (minutes: number) => vi.setSystemTime(Date.now() + minutes * minute)

beforeAll(async () => {
	vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-06-01T08:00:00Z') })
	data = join(await mkdtemp(join(tmpdir(), 'rollcall-undo-')), 'data')
	await run('tenant add acme')
	await run('tenant add behind --mode relay')
	await inDirectory(async (store) => {
		const made: StoredResource[] = []
		for (let index = 0; index < people; index++) {
			made.push(await store.create(userType, { attributes: { userName: `user${index}`, active: true } }))
		}
		users = made
		later(60)
		for (const { id } of users.slice(1)) await store.update(userType, id, set({ active: false }))
		await store.delete(userType, users[0]?.id ?? '')
	})
	later(60)
})
afterAll(async () => {
	vi.useRealTimers()
	await rm(join(data, '..'), { recursive: true })
})

const kinds = '--only deletions --only deactivations'

test.each([
	['undo acme', 'undo needs --since'],
	['undo acme --since 2h', 'undo needs --only or --resource'],
	['undo acme --since soon --only deletions', '--since soon is not a time'],
	['undo acme --since 2h --until 3h --only deletions', '--until is before --since'],
	['undo acme --since 2h --only creations', '--only creations is not a kind of change'],
	['undo acme --since 2h --resource joy', '--resource joy is not the id of a user or a group'],
	['undo acme --since 2h --only deletions --yes', '--yes and --expect N belong together'],
	['undo acme --since 2h --only deletions --yes --expect few', '--expect few is not a number of people'],
	['undo acme --since 2h --only deletions --expect 4', '--yes and --expect N belong together'],
])('refuses %s', async (line, message) => {
	expect(await run(line)).toEqual({ code: 2, out: '', err: expect.stringContaining(`error: ${message}\n`) })
})

test('refuses a tenant without a directory, and a wrong number of people', async () => {
	expect((await run(`undo behind --since ${since} ${kinds}`)).err).toMatch(/^error: the tenant behind has no directory/)
	expect((await run(`undo acme --since ${since} ${kinds} --yes --expect 22`)).err).toBe(
		'error: nothing was undone: 22 people were expected to become active again, and it would be 23\nhint: look at the names with --dry-run, and give their number as --expect\n',
	)
	expect(await run(`undo acme --since ${since} ${kinds}`, '22\n')).toMatchObject({
		code: 1,
		err: expect.stringMatching(/\nerror: nothing was undone: "22" is not the number of people\n/),
	})
})

test('says what it would do, with 20 names of each kind, and writes nothing', async () => {
	const { code, out } = await run(`undo acme --since ${since} ${kinds} --dry-run`)
	expect(code).toBe(0)
	expect(out).toMatch(
		/^People to bring back: 1\n {2}user0\nPeople to make active again: 22\n {2}(user\d+, ){20}and 2 more\nPeople who become active again: 23\n$/,
	)
	expect(await json(`undo acme --since ${since} ${kinds} --dry-run`)).toMatchObject({ activated: 23, left: [] })
})

test('brings people back, marks its changes in the history, and does nothing when it is run again', async () => {
	const { code, out, err } = await run(`undo acme --since ${since} ${kinds}`, '23\n')
	expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(/\nType the number of people/) })
	expect(out).toMatch(/^1 people and groups were brought back, 22 were set back, and 0 memberships were set back\.\n/)
	const active = await inDirectory((store) =>
		Promise.all(users.map(async ({ id }) => (await store.get(userType, id))?.attributes.active)),
	)
	expect(active).toEqual(users.map(() => true))
	expect((await run(`history acme ${users[1]?.id}`)).out).toMatch(
		/active: false → true {2}rollcall, request undo-2026-06-01T10:00:\S+Z\n$/,
	)
	later(5)
	expect((await run(`undo acme --since ${since} ${kinds}`)).out).toBe(
		'Nothing is to be undone.\nPeople who become active again: 0\n',
	)
})
