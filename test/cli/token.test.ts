import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startAzurite } from '../../local/azurite.ts'
import { fileSource } from '../../shared/auth/file-source.ts'
import { storedDigestOf, tokenVerifier } from '../../shared/auth/tokens.ts'
import { idGenerator } from '../../shared/scim/id.ts'
import { storeLastUse } from '../../shared/storage/last-use.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'
import { openTenants } from '../../shared/tenants/tenants.ts'
import { jsonOf, rollcall } from '../support/rollcall.ts'
import { changeTenantRow } from '../support/tenant-row.ts'

let folder = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
})
afterEach(() => rm(folder, { recursive: true }))

const run = (line: string) => rollcall([...line.split(' '), '--data', folder])
const json = async (line: string) => jsonOf(await run(`${line} --json`))

/** Verifies a token as a host that starts at this time does. */
const authenticate = (token: string, time = Date.now()) =>
	tokenVerifier({
		source: fileSource(join(folder, 'tokens.json'), {}),
		isTenant: async () => true,
		now: () => time,
	})('acme', token)

const accepts = async (token: string, time = Date.now()) => (await authenticate(token, time)) !== undefined

const hour = 3_600_000

/** Gives the tenant another format, as the sweep of a newer version does. */
async function changeFormat(format: { readonly format: number; readonly formatStage: string }): Promise<void> {
	const { connectionString, close } = await startAzurite({ folder })
	await changeTenantRow(connectTables({ connectionString }), 'acme', format)
	await close()
}

/** Stores a use of tokens, as a host does. */
async function use(versions: readonly string[]): Promise<void> {
	const azurite = await startAzurite({ folder })
	const tables = connectTables({ connectionString: azurite.connectionString })
	const tenant = await openTenants({
		tables,
		ids: idGenerator(Date.now, () => ''),
		now: Date.now,
		randomBytes,
	}).getTenant('acme')
	const table = tables.table(tenant?.table ?? '', 'acme')
	for (const id of versions) await storeLastUse(table, { id, time: Date.UTC(2026, 0, 1) })
	await azurite.close()
}

describe('rollcall token', () => {
	test('add prints a second token, and both are accepted', async () => {
		const first = await json('tenant add acme')
		const { code, out, err } = await run('token add acme')
		expect({ code, err }).toEqual({ code: 0, err: '' })
		const [, token = ''] = /^Tenant URL {4}\S+\/scim\/acme\nSecret Token {2}([\w-]{43})\n$/.exec(out) ?? []
		expect(await Promise.all([accepts(token), accepts(first.token)])).toEqual([true, true])
	})

	test('list has the newest token first, and no values', async () => {
		const first = await json('tenant add acme')
		const second = await json('token add acme')
		await run(`token disable acme ${first.version}`)
		const listed = await run('token list acme')
		expect(listed.out).toMatch(
			new RegExp(
				`^VERSION +STATE +SCOPE +LABEL +STORED +CREATED +NOT BEFORE +EXPIRES +LAST USED\n${second.version} +accepted +scim +digest +20\\S+Z\n${first.version} +disabled +scim +digest +20\\S+Z\n$`,
			),
		)
		expect(await json('token list acme')).toEqual([
			{ version: second.version, state: 'accepted', scope: 'scim', stored: 'digest', created: expect.any(String) },
			{ version: first.version, state: 'disabled', scope: 'scim', stored: 'digest', created: expect.any(String) },
		])
	})

	test('disable disables one token and not the other, and warns if no accepted token remains', async () => {
		const first = await json('tenant add acme')
		const second = await json('token add acme')
		expect((await run(`token disable acme ${first.version}`)).out).toBe(
			`The token ${first.version} was disabled. A running host refuses it within ten minutes.\n`,
		)
		expect(await Promise.all([accepts(first.token), accepts(second.token)])).toEqual([false, true])
		expect((await run(`token disable acme ${second.version}`)).out).toMatch(
			/\nThe tenant acme now has no accepted token\.\n$/,
		)
		expect(await run('token disable acme nothing')).toEqual({
			code: 1,
			out: '',
			err: `error: the tenant acme has no token nothing\nhint: rollcall token list acme --data ${folder}\n`,
		})
	})

	test('rotate makes the older tokens expire when the overlap is over', async () => {
		const first = await json('tenant add acme')
		const started = Date.now()
		const { out } = await run('token rotate acme --overlap 2h')
		const [, token = '', version = '', end = ''] =
			/^Tenant URL .*\nSecret Token {2}(\S+)\nThe token (\S+) expires at (\S+)\.\n$/.exec(out) ?? []
		expect(version).toBe(first.version)
		expect(Date.parse(end) - started).toBeGreaterThanOrEqual(2 * hour)
		expect(Date.parse(end) - started).toBeLessThan(2 * hour + 60_000)
		expect(await accepts(first.token, Date.parse(end) - 1)).toBe(true)
		expect(await accepts(first.token, Date.parse(end))).toBe(false)
		expect(await accepts(token, Date.parse(end) + 1000 * hour)).toBe(true)
	})

	test('rotate says that a host notices a short overlap only within ten minutes', async () => {
		const { version } = await json('tenant add acme')
		const { out } = await run('token rotate acme --overlap 0s')
		expect(out).toMatch(
			new RegExp(
				`\\nThe token ${version} expires at 20\\S+Z\\.\\nA running host notices the expiry within ten minutes\\.\\n$`,
			),
		)
		expect((await run('token rotate acme --overlap 10m')).out).not.toMatch(/notice/)
	})

	test('rotate does not postpone an earlier expiry, and a disabled token stays disabled', async () => {
		const first = await json('tenant add acme')
		const second = await json('token add acme')
		await run(`token disable acme ${second.version}`)
		const { ending } = await json('token rotate acme --overlap 1h')
		expect(ending).toEqual([{ version: first.version, expires: expect.any(String) }])
		const again = await json('token rotate acme')
		expect(again.ending).toHaveLength(1)
		expect((await json('token list acme')).map(({ state }: { state: string }) => state)).toEqual([
			'accepted',
			'accepted',
			'disabled',
			'accepted',
		])
		const { tokens } = JSON.parse(await readFile(join(folder, 'tokens.json'), 'utf8'))
		expect(tokens.acme[0].expires).toBe(ending[0].expires)
		expect(tokens.acme[1].expires).toBeUndefined()
	})

	test('add and rotate store a digest only if every app that may serve the tenant verifies digests', async () => {
		const first = await json('tenant add acme')
		const stored = async () =>
			JSON.parse(await readFile(join(folder, 'tokens.json'), 'utf8')).tokens.acme.map(
				({ value }: { value: string }) => value,
			)
		const formats = [
			[{ format: 1, formatStage: '' }, false],
			[{ format: 2, formatStage: 'announced' }, false],
			[{ format: 2, formatStage: 'written' }, true],
		] as const
		const tokens = [first.token]
		for (const [format, isDigest] of formats) {
			await changeFormat(format)
			await run(`token disable acme ${first.version}`)
			const { token, version } = await json('token add acme')
			tokens.push(token)
			expect((await stored()).at(-1)).toBe(isDigest ? storedDigestOf(token) : token)
			expect((await json('token list acme'))[0]).toMatchObject({ version, stored: isDigest ? 'digest' : 'plain' })
		}
		await changeFormat({ format: 2, formatStage: '' })
		const { token, version } = await json('token rotate acme --overlap 1h')
		expect(await stored()).toEqual([
			storedDigestOf(first.token),
			...tokens.slice(1, 3),
			storedDigestOf(tokens[3]),
			storedDigestOf(token),
		])
		expect(await Promise.all([...tokens, token].map((each) => accepts(each)))).toEqual([false, true, true, true, true])
		expect((await run('token list acme')).out).toMatch(new RegExp(`\\n${version} +accepted +scim +digest +20`))
		await run(`token disable acme ${version}`)
		expect(await accepts(token)).toBe(false)
	})

	test('a fifth token is refused, because the first one would no longer be accepted', async () => {
		await run('tenant add acme')
		for (const _ of [2, 3, 4]) await run('token add acme')
		const tokens: { version: string; created: string }[] = await json('token list acme')
		const oldestFirst = tokens.toReversed().map(({ version, created }) => `${version} of ${created}, unused`)
		const refused = {
			code: 1,
			out: '',
			err: [
				`error: the tenant acme has 4 tokens, and only the newest 4 are accepted; oldest first: ${oldestFirst.join('; ')}`,
				`hint: the token ${tokens.at(-1)?.version} has no recorded use; disable it if you know that nothing uses it: rollcall token disable acme ${tokens.at(-1)?.version} --data ${folder}`,
				'',
			].join('\n'),
		}
		expect(await run('token add acme')).toEqual(refused)
		expect(await run('token rotate acme')).toEqual(refused)
		expect(await json('token list acme')).toHaveLength(4)
	})

	test('a fifth token names the one that is unused', async () => {
		await run('tenant add acme')
		for (const _ of [2, 3, 4]) await run('token add acme --label Okta')
		const versions: string[] = (await json('token list acme')).map(({ version }: { version: string }) => version)
		const [newest = '', unused = '', third = '', oldest = ''] = versions
		await use([newest, third, oldest])
		const { code, err } = await run('token rotate acme')
		expect([code, err.match(/last used 2026/g)?.length, err.match(/unused/g)?.length]).toEqual([1, 3, 1])
		expect(err).toContain(`${oldest} of `)
		expect(err).toContain('(Okta), last used')
		expect(err).toMatch(
			new RegExp(`hint: the token ${unused} has no recorded use; .*: rollcall token disable acme ${unused} `),
		)
		expect(
			(await json('token list acme')).map(({ lastUsed }: { lastUsed?: string }) => lastUsed?.slice(0, 10)),
		).toEqual(['2026-01-01', undefined, '2026-01-01', '2026-01-01'])
	})

	test('a token may have a label and the scope read, and is stored as a digest', async () => {
		await run('tenant add acme')
		const { token, version } = await json('token add acme --scope read --label HR')
		const verified = await authenticate(token)
		expect(verified).toEqual({ id: version, label: 'HR', scope: 'scim.read' })
		expect(await json('token list acme')).toContainEqual({
			version,
			state: 'accepted',
			scope: 'scim.read',
			label: 'HR',
			stored: 'digest',
			created: expect.any(String),
		})
		expect((await run('token list acme')).out).toMatch(new RegExp(`\\n${version} +accepted +scim.read +HR +digest +20`))
	})

	test('rotate ends only tokens of the same scope, and keeps their label', async () => {
		const first = await json('tenant add acme')
		const reader = await json('token add acme --scope read --label HR')
		expect((await json('token rotate acme')).ending).toMatchObject([{ version: first.version }])
		const { token, ending } = await json('token rotate acme --scope read')
		expect(ending).toMatchObject([{ version: reader.version }])
		expect(await authenticate(token)).toMatchObject({ label: 'HR', scope: 'scim.read' })
		const labelled = await json('token rotate acme --scope read --label Payroll')
		expect(await authenticate(labelled.token)).toMatchObject({ label: 'Payroll', scope: 'scim.read' })
	})

	test.each([
		['--scope write', '--scope write is not a scope', 'use full or read'],
		['--label=', '--label "" is not a label', 'use 1 to 100 characters in one line, such as "HR application"'],
	])('add refuses %s', async (option, error, hint) => {
		expect(await run(`token add acme ${option}`)).toEqual({ code: 2, out: '', err: `error: ${error}\nhint: ${hint}\n` })
	})

	test.each(['add', 'list', 'rotate', 'disable'])('%s says that the tenant does not exist', async (verb) => {
		await run('tenant add acme')
		expect(await run(`token ${verb} acne${verb === 'disable' ? ' x' : ''}`)).toMatchObject({
			code: 1,
			err: `error: there is no tenant acne\nhint: rollcall tenant list --data ${folder}\n`,
		})
	})

	test.each(['1', '91d', 'soon'])('rotate refuses the overlap %s', async (overlap) => {
		expect(await run(`token rotate acme --overlap ${overlap}`)).toEqual({
			code: 2,
			out: '',
			err: `error: --overlap ${overlap} is not a valid time\nhint: use a time such as 30m, 24h or 7d, up to 90d; or 0s\n`,
		})
	})
})
