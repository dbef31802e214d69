import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { removeTenant } from '../../../cli/remove.ts'
import { type DeploymentTarget, openTarget } from '../../../cli/target.ts'
import { exportTenant } from '../../../cli/transfer/export.ts'
import { unavailable } from '../../../shared/scim/error.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { inParallel } from '../../../shared/storage/table/parallel.ts'
import type { Tenant } from '../../../shared/tenants/tenants.ts'

let data = ''
let target: DeploymentTarget
beforeAll(async () => {
	data = await mkdtemp(join(tmpdir(), 'rollcall-cli-data-'))
	target = await openTarget({ folder: data }, { isFirst: true, say: () => {}, program: 'rollcall' })
})
afterAll(async () => {
	await target.close()
	await rm(data, { recursive: true })
})

let folder = ''
let file = ''
let part = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
	file = join(folder, 'file')
	part = `${file}.part`
})
afterEach(() => rm(folder, { recursive: true }))

let count = 0

async function newTenant(name = `acme-${++count}`): Promise<Tenant> {
	const tenant = await target.tenants.createTenant({ name, mode: 'store', settings: {} })
	if (tenant === 'exists') throw new Error(`${name} is there`)
	return tenant
}

type Named = readonly (readonly [name: string, members: readonly number[]])[]

/** Creates users, and groups with the users of the given numbers. */
async function populate(store: ResourceStore, userNames: readonly string[], groups: Named) {
	const users: ResourceId[] = []
	for (const userName of userNames) users.push((await store.create(userType, { attributes: { userName } })).id)
	const ids: ResourceId[] = []
	for (const [displayName, numbers] of groups) {
		const members = numbers.flatMap((number) => users[number] ?? []).map((value) => ({ value }))
		ids.push((await store.create(groupType, { attributes: { displayName }, members })).id)
	}
	return { users, groups: ids }
}

/** Runs an export to the file, or another command, and returns its messages. */
async function work(name: string, command = exportTenant, at = target): Promise<string> {
	let said = ''
	const environment = {
		out: async () => {},
		err: (text: string) => {
			said += text
		},
		input: Readable.from([]),
		readText: (path: string) => readFile(path, 'utf8'),
		isWatched: false,
		env: {},
		program: 'rollcall',
	}
	await command({ args: [name], values: { out: file, yes: true }, environment })(at).catch((error: unknown) => {
		if (!(error instanceof Error)) throw error
		said += `${error.name}: ${error.message}\n${'hint' in error ? error.hint : ''}`
	})
	return said
}

const textOf = (name = file): Promise<string> => readFile(name, 'utf8')
const withoutTime = (text: string): string => text.replace(/"exported":"[^"]*"/, '')

/** The lines of the file except the first one, each as its type and its ids. */
async function linesOf(): Promise<readonly string[]> {
	const [, ...lines] = (await textOf()).trimEnd().split('\n')
	return lines.map((line) => {
		const { type, id, group, member, attributes, ...rest } = JSON.parse(line)
		if (type === 'End') return `End ${Object.values(rest).join(' ')}`
		return type === 'Membership' ? `${member} in ${group}` : `${id} ${attributes.userName ?? attributes.displayName}`
	})
}

/** Leaves the file of an export that was killed before a line of this type. */
async function killBefore(type: string): Promise<void> {
	const text = await textOf()
	await writeFile(part, text.slice(0, text.indexOf(`{"type":"${type}"`)))
	await rm(file)
}

describe('an export that was killed', () => {
	test('equals an uninterrupted export, whichever byte was the last', async () => {
		const tenant = await newTenant()
		await populate(
			target.open(tenant),
			['joy', 'Ünal'],
			[
				['Empty', []],
				['Staff', [0, 1]],
				['Nobody', []],
				['Board', [1]],
			],
		)
		await work(tenant.name)
		const whole = await readFile(file)
		// The first and last bytes of every line, and some in between.
		const isTried = (size: number) => size % 29 === 0 || whole.subarray(Math.max(0, size - 2), size + 2).includes('\n')
		for (const size of [...Array(whole.length + 1).keys()].filter(isTried)) {
			await rm(file)
			await writeFile(part, whole.subarray(0, size))
			const said = await work(tenant.name)
			expect([size, withoutTime(await textOf()), await readdir(folder)]).toEqual([
				size,
				withoutTime(whole.toString()),
				['file'],
			])
			const isBegun = size > whole.indexOf('\n')
			expect(said).toMatch(isBegun ? /^Continuing \S+\.part, begun at 20\S+Z\. .*\.\n$/ : /^$/)
		}
	}, 120_000)

	test('with more users than one page has every user once', async () => {
		const tenant = await newTenant()
		const store = target.open(tenant)
		const numbers = [...Array(503).keys()]
		await inParallel(numbers, (number) => store.create(userType, { attributes: { userName: `user-${number}` } }))
		await work(tenant.name)
		const whole = await textOf()
		for (const kept of [2, 250, 500, 501, 502, 504, 505]) {
			await rm(file)
			await writeFile(part, whole.split('\n').slice(0, kept).concat('').join('\n'))
			await work(tenant.name)
			expect(withoutTime(await textOf())).toBe(withoutTime(whole))
		}
	})

	test('says when it began and what it keeps', async () => {
		const tenant = await newTenant()
		await populate(target.open(tenant), ['joy', 'kim'], [['Staff', [0]]])
		await work(tenant.name)
		const [header = ''] = (await textOf()).split('\n')
		await killBefore('Membership')
		expect(await work(tenant.name)).toBe(
			`Continuing ${part}, begun at ${JSON.parse(header).exported}. It keeps what was already read: 2 users, 1 group, 0 memberships.\n`,
		)
		expect((await textOf()).startsWith(`${header}\n`)).toBe(true)
		expect((await stat(file)).mode & 0o777).toBe(0o600)
	})
})

describe('an export of a tenant that changes meanwhile', () => {
	test('users that were written stay unchanged, and later ones are current', async () => {
		const tenant = await newTenant()
		const store = target.open(tenant)
		const { users } = await populate(store, ['ann', 'bob', 'cid'], [])
		const [ann = '', bob = '', cid = ''] = users
		await work(tenant.name)
		const text = await textOf()
		await writeFile(part, text.slice(0, text.indexOf(`{"type":"User","id":"${cid}"`)))
		await rm(file)
		await store.delete(userType, ann)
		for (const [id, userName] of [
			[bob, 'robert'],
			[cid, 'cyd'],
		] as const)
			await store.update(userType, id, { revise: () => ({ attributes: { userName } }) })
		const made = await populate(store, ['dan'], [['Staff', [0]]])
		await work(tenant.name)
		expect(await linesOf()).toEqual([
			`${ann} ann`,
			`${bob} bob`,
			`${cid} cyd`,
			`${made.users[0]} dan`,
			`${made.groups[0]} Staff`,
			`${made.users[0]} in ${made.groups[0]}`,
			'End 4 1 1',
		])
	})

	test('leaves out resources created after their kind was written, and has the current memberships', async () => {
		const tenant = await newTenant()
		const store = target.open(tenant)
		const { users, groups } = await populate(
			store,
			['ann', 'bob'],
			[
				['Staff', [0, 1]],
				['Board', [0]],
				['Gone', [0]],
			],
		)
		const [ann, bob] = users
		const [staff = '', board = '', gone = ''] = groups
		await work(tenant.name)
		const text = await textOf()
		// Among the members of Staff, whose memberships are read again.
		await writeFile(part, text.slice(0, text.indexOf(`"member":"${bob}"`)))
		await rm(file)
		if (ann === undefined) throw new Error('she is there')
		await store.changeMembers(staff, { add: [], remove: [ann] })
		await store.delete(groupType, gone)
		const made = await populate(store, ['cid'], [['Late', [0]]])
		const [cid] = made.users
		if (cid === undefined) throw new Error('he is there')
		await store.changeMembers(board, { add: [{ value: cid }], remove: [] })
		await work(tenant.name)
		expect(await linesOf()).toEqual([
			`${ann} ann`,
			`${bob} bob`,
			`${staff} Staff`,
			`${board} Board`,
			`${gone} Gone`,
			`${bob} in ${staff}`,
			`${ann} in ${board}`,
			`${cid} in ${board}`,
			'End 2 3 3',
		])
	})
})

describe('an export is not continued', () => {
	test('if it is one of another tenant, or of an earlier tenant of the same name', async () => {
		const { name } = await newTenant()
		const other = await newTenant()
		await work(name)
		await killBefore('End')
		const before = await textOf(part)
		expect(await work(other.name)).toBe(
			`Failure: ${part} is the beginning of an export of the tenant ${name}\ndelete ${part}, or give another file with --out`,
		)
		await target.tenants.deleteTenant(name)
		await newTenant(name)
		expect(await work(name)).toMatch(`Failure: ${part} is the beginning of an export of an earlier tenant ${name}\n`)
		expect(await readdir(folder)).toEqual(['file.part'])
		expect(await textOf(part)).toBe(before)
	})

	test.each([
		['something else\n', /^Failure: \S+\.part:1 is not a line of an export: .*\ndelete \S+ and export again$/],
		[
			'{"type":"End","users":0,"groups":0,"memberships":0}\n',
			/^Failure: \S+\.part is not the beginning of an export\n/,
		],
	])('if the file has %j', async (content, said) => {
		const { name } = await newTenant()
		await writeFile(part, content)
		expect(await work(name)).toMatch(said)
		expect(await readdir(folder)).toEqual(['file.part'])
		expect(await textOf(part)).toBe(content)
	})

	test('if its memberships belong to other groups', async () => {
		const tenant = await newTenant()
		await populate(target.open(tenant), ['ann'], [['Staff', [0]]])
		await work(tenant.name)
		await killBefore('End')
		await writeFile(part, (await textOf(part)).replace(/^\{"type":"Group".*\n/m, ''))
		expect(await work(tenant.name)).toMatch(/^Failure: \S+ has no line for the group \w{32}\ndelete /)
	})

	test('if another process writes it; the lock of a dead process does not count', async () => {
		const { name } = await newTenant()
		await writeFile(`${part}.lock`, String(process.ppid))
		expect(await work(name)).toBe(
			`Failure: process ${process.ppid} already writes ${part}\nwait for that process, or delete ${part}.lock if it is another program`,
		)
		expect(await readdir(folder)).toEqual(['file.part.lock'])
		await writeFile(`${part}.lock`, String(spawnSync('true').pid))
		expect(await work(name)).toBe('')
		expect(await readdir(folder)).toEqual(['file'])
	})

	test('before a tenant is removed, because its users may have changed', async () => {
		const tenant = await newTenant()
		await populate(target.open(tenant), ['ann'], [])
		await work(tenant.name)
		await killBefore('End')
		expect(await work(tenant.name, removeTenant)).toBe(
			`Failure: ${part} is left from an interrupted export\nit may be out of date: delete it, or give another file with --out`,
		)
		expect(await target.open(tenant).query(userType, { page: { after: '', count: 1 } })).toMatchObject({
			totalResults: 1,
		})
		await rm(part)
		expect(await work(tenant.name, removeTenant)).toBe('')
		expect(await linesOf()).toEqual([expect.stringMatching(/ ann$/), 'End 1 0 0'])
	})
})

describe('an export that fails', () => {
	/** The same target, but the members of its groups cannot be read. */
	const broken = (): DeploymentTarget => ({
		...target,
		open: (tenant) => ({
			...target.open(tenant),
			getGroup: () => Promise.reject(unavailable('the directory is not available just now', 5)),
		}),
	})

	test('keeps its part and says so, and continues the next time', async () => {
		const tenant = await newTenant()
		await populate(target.open(tenant), ['ann'], [['Staff', [0]]])
		expect(await work(tenant.name, exportTenant, broken())).toBe(
			`The part exported so far is in ${part}. Run the same command again to continue.\nScimError: the directory is not available just now\n`,
		)
		expect(await readdir(folder)).toEqual(['file.part'])
		expect(await work(tenant.name)).toMatch(/: 1 user, 1 group, 0 memberships\.\n$/)
		expect(await linesOf()).toHaveLength(4)
	})

	test('before a tenant is removed leaves no file and keeps the tenant', async () => {
		const tenant = await newTenant()
		await populate(target.open(tenant), ['ann'], [['Staff', [0]]])
		expect(await work(tenant.name, removeTenant, broken())).toMatch(/^ScimError: /)
		expect(await readdir(folder)).toEqual([])
		expect(await target.tenants.getTenant(tenant.name)).toBeDefined()
	})
})
