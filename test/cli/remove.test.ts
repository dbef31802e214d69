import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DeploymentTarget, openTarget } from '../../cli/target.ts'
import { startAzurite } from '../../local/azurite.ts'
import { userType } from '../../shared/scim/resource-type.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'
import { jsonOf, type RunOptions, rollcall } from '../support/rollcall.ts'

let folder = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
})
afterEach(() => rm(folder, { recursive: true }))

const run = (line: string, options: RunOptions = {}) =>
	rollcall([...line.split(' '), '--data', join(folder, 'data')], options)
const json = async (line: string) => jsonOf(await run(`${line} --json`))
const file = (name: string) => join(folder, name)

async function atTarget<T>(work: (target: DeploymentTarget) => Promise<T>): Promise<T> {
	const target = await openTarget(
		{ folder: join(folder, 'data') },
		{ isFirst: false, say: () => {}, program: 'rollcall' },
	)
	try {
		return await work(target)
	} finally {
		await target.close()
	}
}

const tenantIn = async (target: DeploymentTarget) => {
	const tenant = await target.tenants.getTenant('acme')
	if (tenant === undefined) throw new Error('it is there')
	return tenant
}

const createUser = () =>
	atTarget(async (target) => target.open(await tenantIn(target)).create(userType, { attributes: { userName: 'joy' } }))

const question =
	'The tenant acme has 1 user, 0 groups. The removal cannot be undone.\nType the name of the tenant to continue:\n'

describe('rollcall tenant remove', () => {
	test('exports the tenant and removes its row, its table and its tokens when the user types its name', async () => {
		await run('tenant add acme')
		await run('tenant add globex')
		const acme = await atTarget((target) => target.tenants.getTenant('acme'))
		if (acme === undefined) throw new Error('the tenant was not added')
		const { id } = await createUser()
		expect(await run(`tenant remove acme --out ${file('acme.ndjson')}`, { input: 'acme\n' })).toEqual({
			code: 0,
			err: question,
			out: `Exported 1 user, 0 groups, 0 memberships to ${file('acme.ndjson')}\nThe tenant acme was removed.\n`,
		})
		expect(await readFile(file('acme.ndjson'), 'utf8')).toContain(id)
		expect((await json('tenant list')).map(({ name }: { name: string }) => name)).toEqual(['globex'])
		const left = await atTarget((target) => target.open(acme).get(userType, id).catch(String))
		expect(left).toMatch(/not available/)
		expect(Object.keys(JSON.parse(await readFile(file('data/tokens.json'), 'utf8')).tokens)).toEqual(['globex'])
	})

	test('lets a new tenant of the same name have another table, and the export can be imported there', async () => {
		await run('tenant add acme')
		const { table } = await json('tenant show acme')
		const { id } = await createUser()
		await run(`tenant remove acme --yes --out ${file('acme.ndjson')}`)
		await run('tenant add acme')
		expect(await json('tenant show acme')).toMatchObject({ users: 0, tokens: { all: 1 } })
		expect((await json('tenant show acme')).table).not.toBe(table)
		await run(`import acme ${file('acme.ndjson')}`)
		await atTarget(async (target) => {
			expect(await target.open(await tenantIn(target)).get(userType, id)).toMatchObject({
				attributes: { userName: 'joy' },
			})
		})
	})

	test.each(['acne\n', '\n', ''])('removes nothing if the user types %j', async (input) => {
		await run('tenant add acme')
		await createUser()
		expect(await run(`tenant remove acme --out ${file('acme.ndjson')}`, { input })).toEqual({
			code: 1,
			out: '',
			err: `${question}error: nothing was removed: ${JSON.stringify(input.trim())} is not the name of the tenant\nhint: type acme, or give --yes\n`,
		})
		expect(existsSync(file('acme.ndjson'))).toBe(false)
		expect(await json('tenant show acme')).toMatchObject({ users: 1, tokens: { accepted: 1 } })
	})

	test('removes nothing if the export cannot be written', async () => {
		await run('tenant add acme')
		expect(await run(`tenant remove acme --yes --out ${file('no/folder')}`)).toMatchObject({ code: 1 })
		expect(await json('tenant show acme')).toMatchObject({ tokens: { accepted: 1 } })
	})

	test('completes an earlier removal, and removes a relay, without an export', async () => {
		await run('tenant add acme')
		await run('tenant add globex --mode relay')
		const { table } = await json('tenant show acme')
		const { connectionString, close } = await startAzurite({ folder: file('data') })
		await connectTables({ connectionString }).deleteTable(table)
		await close()
		for (const name of ['acme', 'globex']) {
			expect(await run(`tenant remove ${name} --yes --out ${file('none')}`)).toEqual({
				code: 0,
				err: '',
				out: `The tenant ${name} was removed.\n`,
			})
		}
		expect(await readdir(folder)).toEqual(['data'])
		expect(await json('tenant list')).toEqual([])
	})
})
