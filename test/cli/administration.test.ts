import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { recorded } from '../../cli/administration.ts'
import { administratorOf } from '../../cli/administrator.ts'
import { type DeploymentTarget, openTarget } from '../../cli/target.ts'
import { startAzurite } from '../../local/azurite.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'
import { jsonOf, rollcall } from '../support/rollcall.ts'

let folder = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
})
afterEach(() => rm(folder, { recursive: true }))

const run = (line: string) => rollcall([...line.split(' '), '--data', folder])
const json = async (line: string) => jsonOf(await run(`${line} --json`))
const recordOf = async (name: string): Promise<readonly string[]> =>
	(await json(`history ${name} --admin`)).map(
		({ command, outcome }: { command: string; outcome: string }) => `${command}: ${outcome}`,
	)

/** Works on the folder as a command does. */
async function withTarget<T>(work: (target: DeploymentTarget) => Promise<T>): Promise<T> {
	const target = await openTarget({ folder }, { isFirst: false, say: () => {}, program: 'rollcall' })
	try {
		return await work(target)
	} finally {
		await target.close()
	}
}

describe('what administrators do', () => {
	test('is recorded with the user, the time and the outcome, newest first, and reading is not', async () => {
		const { version } = await json('tenant add acme')
		await run('tenant list')
		await run('token list acme')
		await run('tenant show acme')
		await run(`token disable acme ${version}`)
		await run('token disable acme no-such-version')
		const { clientId } = await json('client add acme')
		await run(`client disable acme ${clientId}`)
		const file = join(folder, 'file')
		await run(`export acme --out ${file}`)
		await run(`import acme ${file}`)
		await writeFile(file, 'not an export\n')
		await run(`import acme ${file}`)
		expect(await recordOf('acme')).toEqual([
			'import: failed',
			'import: done',
			'client disable: done',
			'client add: done',
			'token disable: failed',
			'token disable: done',
			'tenant add: done',
		])
		const [entry] = await json('history acme --admin')
		expect(entry).toEqual({
			time: expect.stringMatching(/^20\S+Z$/),
			command: 'import',
			administrator: '',
			name: userInfo().username,
			outcome: 'failed',
		})
		expect((await run('history acme --admin')).out).toMatch(
			/^TIME +COMMAND +BY +OBJECT ID +OUTCOME\n20\S+Z +import +\S+ +failed\n/,
		)
	})

	test('is recorded before it begins, so that an interrupted command is there too', async () => {
		await run('tenant add acme')
		const seen = await withTarget(async (target) => {
			let during: readonly string[] = []
			await recorded(target, {
				command: 'token add',
				name: 'acme',
				async work() {
					const tenant = await target.tenants.getTenant('acme')
					if (tenant !== undefined) during = (await target.administration.list(tenant)).map(({ outcome }) => outcome)
					return undefined
				},
			})
			return during
		})
		expect(seen).toEqual(['done', 'begun'])
	})

	test('loses no result if the end of a command cannot be recorded', async () => {
		await run('tenant add acme')
		const result = await withTarget((target) => {
			const administration = { ...target.administration, end: () => Promise.reject(new Error('the store is away')) }
			const work = async () => ({ text: 'a new token', json: {} })
			return recorded({ ...target, administration }, { command: 'token add', name: 'acme', work })
		})
		expect(result?.text).toBe('a new token')
		expect((await run('history acme --admin')).out).toMatch(/ token add +\S+ +interrupted\n/)
	})

	test('is not done if its beginning cannot be recorded', async () => {
		await run('tenant add acme')
		let isDone = false
		const recording = withTarget((target) => {
			const administration = { ...target.administration, begin: () => Promise.reject(new Error('the store is away')) }
			const work = async () => {
				isDone = true
				return undefined
			}
			return recorded({ ...target, administration }, { command: 'token add', name: 'acme', work })
		})
		await expect(recording).rejects.toThrow('the store is away')
		expect(isDone).toBe(false)
	})

	test('has no argument of a command', async () => {
		await run('tenant add acme')
		await run('token add acme --label Qlabel')
		const [{ version }] = await json('token list acme')
		await run(`token disable acme ${version}`)
		const out = (await run('history acme --admin --json')).out
		expect(out).not.toContain('Qlabel')
		expect(out).not.toContain(version)
		expect(await readFile(join(folder, 'tokens.json'), 'utf8')).toContain('Qlabel')
	})

	test('of a removal outlives the tenant, and its name', async () => {
		await run('tenant add acme')
		await run('tenant add globex')
		const remove = () => run(`tenant remove acme --yes --out ${join(folder, `${Math.random()}`)}`)
		expect((await rollcall(['tenant', 'remove', 'acme', '--data', folder], { input: 'no\n' })).code).toBe(1)
		expect(await recordOf('acme')).toEqual(['tenant remove: failed', 'tenant add: done'])
		expect((await remove()).code).toBe(0)
		const [removed, ...others] = await json('history acme --admin')
		expect(removed).toEqual({
			time: expect.stringMatching(/^20\S+Z$/),
			command: 'tenant remove',
			administrator: '',
			name: userInfo().username,
			outcome: 'done',
		})
		expect(others.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['failed'])
		expect((await run('history acme --admin')).out).toMatch(
			/ done\n.* failed\n\nThe tenant acme was removed, and the list of other commands with it\.\n$/,
		)
		await run('tenant add acme')
		expect(await recordOf('acme')).toEqual(['tenant add: done', 'tenant remove: done', 'tenant remove: failed'])
		expect(await recordOf('globex')).toEqual(['tenant add: done'])
		expect((await run('history acne --admin')).err).toMatch(/^error: there is no tenant acne\n/)
	})

	test('of a removal is there if the table went before, or if the removal was interrupted', async () => {
		await run('tenant add acme')
		const { table } = await json('tenant show acme')
		const { connectionString, close } = await startAzurite({ folder })
		await connectTables({ connectionString }).deleteTable(table)
		await close()
		const isInterrupted = withTarget((target) => {
			const administration = { ...target.administration, endRemoval: () => Promise.reject(new Error('killed')) }
			const work = () => target.tenants.deleteTenant('acme')
			return recorded({ ...target, administration }, { command: 'tenant remove', name: 'acme', work })
		})
		expect(await isInterrupted).toBe('deleted')
		expect((await run('history acme --admin')).out).toMatch(/ tenant remove +\S+ +interrupted\n/)
	})

	test('is asked for with --admin', async () => {
		await run('tenant add acme')
		expect(await run('history acme')).toMatchObject({
			code: 2,
			err: 'error: history needs a user or a group\nhint: rollcall history acme WHO, or --admin for what administrators did\n',
		})
		expect(await run('history acme joy --admin')).toMatchObject({
			code: 2,
			err: 'error: --admin is of the whole tenant, not of joy\nhint: rollcall history acme --admin\n',
		})
	})
})

test.each([
	[
		{ oid: 'an-id', upn: 'ada@contoso.example', name: 'Ada' },
		{ id: 'an-id', name: 'ada@contoso.example' },
	],
	[
		{ oid: 'an-id', unique_name: 'ada' },
		{ id: 'an-id', name: 'ada' },
	],
	[
		{ oid: 'an-id', appid: 'an-app' },
		{ id: 'an-id', name: 'an-app' },
	],
	[{ name: 'Ada' }, { id: 'unknown', name: 'unknown' }],
])('the identity of a token with %o is %o', (claims, administrator) => {
	const part = Buffer.from(JSON.stringify(claims)).toString('base64url')
	expect(administratorOf(`x.${part}.x`)).toEqual(administrator)
	expect(administratorOf('no token')).toEqual({ id: 'unknown', name: 'unknown' })
})
