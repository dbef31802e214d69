import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readConfig } from '../../agent/config.ts'
import { commands } from '../../cli/commands.ts'
import { respondWith } from '../../functions/respond.ts'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { keepUrl } from '../../local/last-url.ts'
import { startServer } from '../../local/server.ts'
import { jsonOf, rollcall, useBuiltRollcall } from '../support/rollcall.ts'

const built = useBuiltRollcall()
let folder = ''
let data = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
	data = join(folder, 'data')
})
afterEach(() => rm(folder, { recursive: true }))

const run = (line: string) => rollcall([...line.split(' '), '--data', data])
const json = async (line: string) => jsonOf(await run(`${line} --json`))

/** Serves the data folder, as npm start does, during the work. */
async function served<T>(work: (url: string) => Promise<T>): Promise<T> {
	const azurite = await startAzurite({ folder: data })
	const tokens = { file: join(data, 'tokens.json') }
	const services = await createServices({ tables: { connectionString: azurite.connectionString }, tokens })
	const server = await startServer({ port: 0, respond: respondWith(services), log: () => {} })
	try {
		return await work(server.url)
	} finally {
		await server.close()
		await services.lastUses.flush()
		await azurite.close()
	}
}

const statusOf = async (url: string, token: string): Promise<number> =>
	(await fetch(url, { headers: { Authorization: `Bearer ${token}` } })).status

describe('rollcall tenant', () => {
	test('add creates the folder and a tenant, which is served with the printed token', async () => {
		const { code, out, err } = await run('tenant add acme')
		expect({ code, err }).toEqual({ code: 0, err: '' })
		const [, token = ''] =
			/^Tenant URL {4}http:\/\/127\.0\.0\.1:7071\/scim\/acme\nSecret Token {2}([\w-]{43})\n\nThe ledger keeps .*\nTo change that: .*\n\n7071 is the default port of npm start\. .*\n$/.exec(
				out,
			) ?? []
		expect(token).not.toBe('')
		await served(async (url) => {
			expect(await statusOf(`${url}/scim/acme/Users`, token)).toBe(200)
			expect(await statusOf(`${url}/scim/acme/Users`, `${token}x`)).toBe(401)
		})
		expect(existsSync(join(data, 'lock'))).toBe(false)
		const [{ created, lastUsed }] = await json('token list acme')
		expect(Date.parse(lastUsed) - Date.parse(created)).toBeGreaterThan(0)
	})

	test('add refuses a second tenant of the same name', async () => {
		await run('tenant add acme')
		expect(await run('tenant add acme')).toEqual({
			code: 1,
			out: '',
			err: `error: the tenant acme already exists\nhint: to add another token: rollcall token add acme --data ${data}\n`,
		})
	})

	test('list has the tenants by name, and may be empty', async () => {
		await mkdir(data)
		expect(await run('tenant list')).toEqual({ code: 0, out: 'There are no tenants.\n', err: '' })
		expect(await run('token list acme')).toMatchObject({
			code: 1,
			err: expect.stringContaining('there is no tenant acme'),
		})
		await run('tenant add globex')
		await run('tenant add acme --mode relay')
		expect((await run('tenant list')).out).toMatch(
			/^NAME {4}MODE {3}FORMAT {2}CREATED\nacme {4}relay {2}2 {7}20.*Z\nglobex {2}store {2}2 {7}20.*Z\n$/,
		)
		const made = { format: 2, formatStage: 'complete', created: expect.any(String) }
		expect(await json('tenant list')).toEqual([
			{ name: 'acme', mode: 'relay', ...made, url: 'http://127.0.0.1:7071/scim/acme' },
			{ name: 'globex', mode: 'store', ...made, url: 'http://127.0.0.1:7071/scim/globex' },
		])
	})

	test('show counts the users, groups and tokens of a tenant', async () => {
		const { token } = await json('tenant add acme')
		await served((url) =>
			fetch(`${url}/scim/acme/Users`, {
				method: 'POST',
				headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
				body: JSON.stringify({ userName: 'joy@example.com' }),
			}),
		)
		const shown = await run('tenant show acme')
		expect(shown.out).toMatch(
			/^Tenant URL +http:\S+\/acme\nMode +store\n(?:.+\n)*unknownAttributes +keep\n(?:.+\n)*userGroups +request \(default\)\n(?:.+\n)*Created +20\S+\nUsers +1\nGroups +0\nTokens +1 accepted, 1 in total\n\n7071 is the default port of npm start\. .*\n$/,
		)
		const { cursorKey, ...tenant } = await json('tenant show acme')
		expect(cursorKey).toBeUndefined()
		expect(tenant).toMatchObject({ name: 'acme', users: 1, groups: 0, tokens: { accepted: 1, all: 1 } })
	})

	test('set changes one setting of a relay and keeps the others; an empty value removes a setting', async () => {
		const agent = '11111111-2222-3333-4444-555555555555'
		const other = '66666666-7777-8888-9999-000000000000'
		await run(`tenant add acme --mode relay --hybrid-connection floor-2 --agent ${agent} --agent ${other}`)
		expect(await json('tenant set acme --authorization passThrough')).toEqual({
			name: 'acme',
			mode: 'relay',
			settings: { hybridConnection: 'floor-2', agents: [agent, other], authorization: 'passThrough', history: 'full' },
		})
		const settings = { authorization: 'passThrough', patchAsPost: true, history: 'full' }
		expect((await json('tenant set acme --agent= --hybrid-connection= --patch-as-post true')).settings).toEqual(
			settings,
		)
		expect(await json('tenant show acme')).toMatchObject({ settings, defaults: {} })
		expect((await run('tenant set acme --authorization=')).out).toBe('history      full\npatchAsPost  true\n')
		expect((await run('tenant show acme')).out).toMatch(
			/\nMode +relay\nhistory +full\npatchAsPost +true\nauthorization +onPremises \(default\)\naccessTokenSeconds +7200 \(default\)\nCreated /,
		)
		expect((await run('tenant set acme --authorization= --patch-as-post= --history=')).out).toBe(
			'The tenant acme has no settings of its own.\n',
		)
	})

	test('add and show print the port that npm start used last', async () => {
		await mkdir(data)
		await keepUrl(data, 'https://127.0.0.1:8443')
		for (const line of ['tenant add acme', 'tenant show acme']) {
			const { code, out } = await run(line)
			expect(code).toBe(0)
			expect(out).toMatch(/^Tenant URL +https:\/\/127\.0\.0\.1:8443\/scim\/acme\n/)
			expect(out).toMatch(/\n\nnpm start used https:\/\/127\.0\.0\.1:8443 last\. .*\n$/)
		}
	})

	test('add says that a laptop has no relay, and prints the settings of the agent, which reads them', async () => {
		const agent = '11111111-2222-3333-4444-555555555555'
		const { code, out, err } = await run(`tenant add acme --mode relay --hybrid-connection floor-2 --agent ${agent}`)
		expect({ code, err }).toEqual({ code: 0, err: '' })
		expect(out).toContain('\n\nMissing: npm start has no relay, so it answers requests to this tenant with 503.\n')
		const [settings = ''] = /^\{\n(?:.*\n)*?\}$/m.exec(out) ?? []
		await writeFile(join(folder, 'relay.json'), settings)
		expect(readConfig(join(folder, 'relay.json'))).toMatchObject({
			relay: { namespace: 'NAMESPACE.servicebus.windows.net', hybridConnection: 'floor-2' },
			origin: { authorization: { type: 'bearer' } },
			agentId: agent,
		})
		expect((await run('tenant show acme')).out).toContain('\n\nMissing: npm start has no relay')
		expect(await json('tenant show acme')).toMatchObject({ missing: expect.stringContaining('no relay') })
		const passing = await json('tenant add globex --mode relay --authorization passThrough')
		expect(passing.agentSettings).toMatchObject({
			relay: { hybridConnection: 'globex' },
			origin: { authorization: { type: 'passThrough' } },
		})
	})

	test.each([
		['tenant add Acme', 'Acme is not a valid name of a tenant'],
		['tenant add acme --mode rely', '--mode rely is not a valid mode'],
		['tenant add acme --agent x', '--agent x is not a GUID'],
		['tenant set acme --authorization on', '--authorization on is not onPremises or passThrough'],
		['tenant set acme --patch-as-post yes', '--patch-as-post yes is not true or false'],
		['tenant add acme --hybrid-connection x', '--hybrid-connection is only for tenants of mode relay'],
		['tenant set acme', 'nothing to set'],
	])('refuses %s, and creates nothing', async (line, message) => {
		const { code, out, err } = await run(line)
		expect({ code, out }).toEqual({ code: 2, out: '' })
		expect(err).toMatch(new RegExp(`^error: ${message}\nhint: .+\n$`))
		expect(existsSync(data)).toBe(false)
	})
})

describe('rollcall on a data folder', () => {
	test('says that the folder does not exist, and does not create it', async () => {
		expect(await run('tenant list')).toEqual({
			code: 1,
			out: '',
			err: `error: there is no folder ${data}\nhint: give the data folder of npm start with --data, or a deployment with --resource-group\n`,
		})
		expect(existsSync(data)).toBe(false)
	})

	test('prints JSON for every command with --json', async () => {
		const { version } = await json('tenant add acme')
		await run('tenant add globex --mode relay')
		const { clientId, secret } = await json('client add acme')
		const { agent } = await json('agent add globex')
		const guid = '11111111-2222-3333-4444-555555555555'
		const file = join(folder, 'file')
		const userId = '01a214972b2e700182471521e32e49d3'
		const schema = join(folder, 'schema.json')
		await writeFile(schema, JSON.stringify({ id: 'urn:example:hr:User', attributes: [{ name: 'badge' }] }))
		const joy = { id: '019b76daa80070008000000000000000', attributes: { userName: 'joy', color: 'red' } }
		const user = { type: 'User', ...joy, created: '', lastModified: '' }
		const end = { type: 'End', users: 1, groups: 0, memberships: 0 }
		await writeFile(`${file}-3`, [user, end].map((record) => JSON.stringify(record)).join('\n'))
		const lines = [
			'tenant add initech',
			'tenant list',
			'tenant show acme',
			'tenant set globex --patch-as-post true',
			'index add acme employeeNumber',
			'index list acme',
			'index remove acme employeeNumber',
			'token add acme',
			'token list acme',
			`token disable acme ${version}`,
			'token rotate acme',
			`schema check acme ${schema}`,
			`schema add acme ${schema}`,
			'schema list acme',
			'schema show acme urn:example:hr:User',
			'schema remove acme urn:example:hr:User',
			`history acme ${userId}`,
			'failures acme',
			'status acme',
			'guard status acme',
			'guard allow acme --for 2h',
			`erase acme ${userId}`,
			'schema observed acme',
			'client add acme',
			'client list acme',
			`client rotate acme ${clientId}`,
			`client disable acme ${clientId} --secret ${secret}`,
			`federation add acme --issuer ${guid} --subject ${guid} --audience ${guid}`,
			`reader add acme --entra ${guid}/${guid} --audience ${guid}`,
			'key rotate acme',
			'agent add globex',
			'agent list globex',
			`agent rotate globex ${agent}`,
			`agent remove globex ${agent}`,
			`import acme ${file}-3`,
			'schema adopt acme color',
			'schema forget acme shade',
			'history acme --admin',
			'undo acme --since 7d --only deletions --dry-run',
			`export acme --out ${file}`,
			`import initech ${file}`,
			`tenant remove acme --yes --out ${file}-2`,
		]
		for (const line of lines) expect(await json(line)).toEqual(expect.any(Object))
		// Those of Entra need a deployment, and others need a service or no folder. The console serves until it is stopped. All
		// of them are tested in files of their own.
		const missing = commands.map(({ words }) => words).filter((words) => !lines.some((line) => line.startsWith(words)))
		const ofEntra = ['connect entra', 'disconnect entra', 'entra status', 'entra provision']
		expect(missing.toSorted()).toEqual([...ofEntra, 'check', 'console', 'version'].toSorted())
	})

	test('says that the tenant does not exist', async () => {
		await run('tenant add acme')
		expect(await run('tenant show acne')).toEqual({
			code: 1,
			out: '',
			err: `error: there is no tenant acne\nhint: rollcall tenant list --data ${data}\n`,
		})
	})

	test('works as the built program, with its exit codes', async () => {
		const added = await built(['tenant', 'add', 'acme', '--data', data])
		expect(added).toEqual({
			code: 0,
			out: expect.stringMatching(
				/^Tenant URL .*\nSecret Token .*\n\nThe ledger keeps .*\nTo change that: .*\n\n7071 is .*\n$/,
			),
			err: '',
		})
		expect(await built(['tenant', 'add', 'acme', '--data', data])).toMatchObject({ code: 1, out: '' })
		expect(await built(['tenat', 'add', 'acme'])).toEqual({
			code: 2,
			out: '',
			err: expect.stringMatching(
				/^error: unknown command tenat\nhint: did you mean: node \S+main\.js tenant add acme\n$/,
			),
		})
	})

	test('refuses a folder that is being served', async () => {
		await run('tenant add acme')
		await served(async () => {
			const { code, out, err } = await built(['tenant', 'list', '--data', data])
			expect({ code, out }).toEqual({ code: 2, out: '' })
			expect(err).toBe(
				`error: process ${process.pid} already serves the folder ${data}\nhint: stop it, choose another folder with --data, or delete ${join(data, 'lock')} if it is another program\n`,
			)
		})
	})
})
