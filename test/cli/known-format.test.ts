import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openTarget } from '../../cli/target.ts'
import { startAzurite } from '../../local/azurite.ts'
import { userType } from '../../shared/scim/resource-type.ts'
import { connectTables, type Tables } from '../../shared/storage/table/tables.ts'
import { jsonOf, rollcall } from '../support/rollcall.ts'
import { changeTenantRow, tenantRow } from '../support/tenant-row.ts'

let folder = ''
let data = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
	data = join(folder, 'data')
})
afterEach(() => rm(folder, { recursive: true }))
afterEach(() => void vi.useRealTimers())

const run = (line: string) => rollcall([...line.split(' '), '--data', data])

async function withTables<T>(work: (tables: Tables) => Promise<T>): Promise<T> {
	const { connectionString, close } = await startAzurite({ folder: data })
	try {
		return await work(connectTables({ connectionString }))
	} finally {
		await close()
	}
}

const problem =
	"This tenant's data has format 99; this version of Rollcall reads formats up to 2. Deploy a version of Rollcall that reads format 99."

describe('rollcall, where a tenant has a format that is newer', () => {
	beforeEach(async () => {
		await run('tenant add acme')
		await run('tenant add globex --mode relay')
		await run('tenant add initech')
		await withTables(async (tables) => {
			await changeTenantRow(tables, 'acme', { format: 99, settings: 'other' })
			await changeTenantRow(tables, 'globex', { format: 99 })
			await changeTenantRow(tables, 'initech', { format: 1, formatStage: 'other' })
		})
	})

	test('lists it with the others', async () => {
		expect((await run('tenant list')).out).toMatch(
			/^NAME {5}MODE {3}FORMAT {5}CREATED\nacme {5}store {2}99.*\nglobex {3}relay {2}99.*\ninitech {2}store {2}1 unknown {2}.*\n$/,
		)
		expect(jsonOf(await run('tenant list --json'))).toMatchObject([{ format: 99 }, { format: 99 }, { format: 1 }])
	})

	test('does nothing else with it, and says why', async () => {
		const file = join(folder, 'acme.ndjson')
		await writeFile(join(folder, 'in.ndjson'), '')
		const rows = () =>
			withTables((tables) => Promise.all(['acme', 'globex'].map((tenant) => tenantRow(tables, tenant))))
		const before = await rows()
		const lines = [
			...['tenant show acme', 'tenant show globex', 'tenant set globex --patch-as-post true'],
			...[`tenant remove acme --yes --out ${file}`, 'tenant remove globex --yes'],
			...['token add acme', 'token list acme', 'token disable acme x', 'token rotate acme'],
			...['export acme', `export acme --out ${file}`, `import acme ${join(folder, 'in.ndjson')}`],
		]
		for (const line of lines) {
			expect({ line, ...(await run(line)) }).toEqual({
				...{ line, code: 1, out: '' },
				err: `error: ${problem}\nhint: type the command in a clone of the version that is deployed; docs/operations.md has the formats of each version\n`,
			})
		}
		expect((await run('tenant show initech')).err).toMatch(
			/^error: The format number of this tenant's data is damaged\. /,
		)
		expect(await rows()).toEqual(before)
		expect((await readdir(folder)).sort()).toEqual(['data', 'in.ndjson'])
	})
})

describe('rollcall, where a tenant has a setting that is newer', () => {
	beforeEach(async () => {
		await run('tenant add acme')
		await withTables((tables) => changeTenantRow(tables, 'acme', { settings: '{"tomorrow":"on"}' }))
	})

	test('lists the tenant with the others', async () => {
		expect((await run('tenant list')).out).toMatch(/\nacme {2}store {2}2 /)
	})

	test.each([
		'tenant show acme',
		'tenant set acme --agent=',
		'token add acme',
		'export acme',
		'tenant remove acme --yes',
	])('%s does nothing, and says why', async (line) => {
		expect(await run(line)).toEqual({
			...{ code: 1, out: '' },
			err:
				'error: This tenant has the setting tomorrow, which this version of Rollcall does not know. Deploy a version of Rollcall that knows tomorrow, or remove the setting with the rollcall of that version.\n' +
				'hint: type the command in a clone of the version that is deployed; docs/operations.md has the formats of each version\n',
		})
		expect(await withTables((tables) => tenantRow(tables, 'acme'))).toMatchObject({ settings: '{"tomorrow":"on"}' })
	})
})

test('a command that is at work stops when the format becomes too new for it', async () => {
	vi.useFakeTimers({ toFake: ['Date'] })
	await run('tenant add acme')
	const target = await openTarget({ folder: data }, { isFirst: false, say: () => {}, program: 'rollcall' })
	try {
		const tenant = await target.tenants.getTenant('acme')
		if (tenant === undefined) throw new Error('it is there')
		const store = target.open(tenant)
		await store.create(userType, { attributes: { userName: 'joy' } })
		await target.tenants.updateFormat('acme', (format) => ({ ...format, number: 99 }))
		vi.setSystemTime(Date.now() + 60_000)
		await expect(store.create(userType, { attributes: { userName: 'ann' } })).rejects.toMatchObject({
			...{ name: 'Failure', message: problem },
		})
		await expect(store.query(userType, { page: { startIndex: 1, count: 1 } })).rejects.toThrow(problem)
	} finally {
		await target.close()
	}
})

test('tenant show names the users whose names others have too, for which the change to format 2 waits', async () => {
	await run('tenant add acme')
	expect(jsonOf(await run('tenant show acme --json'))).not.toHaveProperty('sharedNames')
	await withTables((tables) =>
		changeTenantRow(tables, 'acme', { format: 2, formatStage: 'written', formatPosition: '~ u|one=two g|three=four' }),
	)
	expect((await run('tenant show acme')).out).toMatch(/^Shared name +one and two\nShared name +three and four$/m)
	expect(jsonOf(await run('tenant show acme --json'))).toMatchObject({
		sharedNames: [
			['one', 'two'],
			['three', 'four'],
		],
	})
	// The position of another change of format says nothing of names.
	await withTables((tables) => changeTenantRow(tables, 'acme', { formatStage: 'announced' }))
	expect((await run('tenant show acme')).out).not.toContain('Shared name')
})
