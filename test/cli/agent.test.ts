import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { respondWith } from '../../functions/respond.ts'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { startServer } from '../../local/server.ts'
import { keyFingerprint, readCode, readOfflineCode } from '../../shared/relay/enrolment.ts'
import { useAzure } from '../support/azure/azure.ts'
import { newAgent } from '../support/enrolment.ts'
import { jsonOf, rollcall, useBuiltRollcall } from '../support/rollcall.ts'

let folder = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
})
afterEach(() => rm(folder, { recursive: true }))

const run = (line: string) => rollcall([...line.split(' '), '--data', folder])
const json = async (line: string) => jsonOf(await run(`${line} --json`))

/** Serves the data folder during the work, with a key of a relay. */
async function served<T>(work: (post: (path: string, body: unknown) => Promise<Response>) => Promise<T>): Promise<T> {
	const azurite = await startAzurite({ folder })
	const relay = { namespace: 'contoso.servicebus.windows.net', listen: { key: 'a-key' } }
	const tokens = { file: join(folder, 'tokens.json') }
	const services = await createServices({ tables: { connectionString: azurite.connectionString }, tokens, relay })
	const server = await startServer({ port: 0, respond: respondWith(services), log: () => {} })
	try {
		return await work((path, body) =>
			fetch(`${server.url}/scim/acme/${path}`, {
				method: 'POST',
				headers: { 'Content-Type': 'application/json' },
				body: JSON.stringify(body),
			}),
		)
	} finally {
		await server.close()
		await services.lastUses.flush()
		await azurite.close()
	}
}

describe('rollcall agent', () => {
	beforeEach(() => run('tenant add acme --mode relay'))

	test('add prints a code with which an agent enrols, and list shows the agent', async () => {
		const { code: exit, out, err } = await run('agent add acme --label floor-2')
		expect({ exit, err }).toEqual({ exit: 0, err: '' })
		const [, id = '', text = '', expires = ''] =
			/^Agent +(\S+)\nCode +(rc1\.\S+)\nExpires +(\S+Z)\n\nThe code works once\. .*\n\nMissing: npm start has no relay.*\n$/.exec(
				out,
			) ?? []
		expect(Date.parse(expires) - Date.now()).toBeGreaterThan(29 * 60_000)
		const code = readCode(text)
		expect(code).toEqual({ url: 'http://127.0.0.1:7071/scim/acme', agent: id, secret: expect.any(String) })
		if (code === undefined) return
		expect(await json('agent list acme')).toEqual([
			{ id, state: 'pending', label: 'floor-2', created: expect.any(String), codeExpires: expect.any(String) },
		])
		const agent = newAgent('acme', Date.now)
		await served(async (post) => {
			expect((await post('agent/enrol', agent.enrol(code))).status).toBe(200)
			expect((await post('agent/token', agent.listen(id))).status).toBe(200)
		})
		const time = expect.stringMatching(/^20\S+Z$/)
		expect(await json('agent list acme')).toEqual([
			{
				...{ id, state: 'enrolled', label: 'floor-2', host: 'dc01', version: '0.2.0' },
				...{ fingerprint: keyFingerprint(agent.publicKey), created: time, enrolled: time, lastToken: time },
			},
		])
		expect((await run('agent list acme')).out).toMatch(
			new RegExp(
				`^AGENT .* LAST TOKEN\n${id} +enrolled +floor-2 +dc01 +0\\.2\\.0 +SHA256:\\S{43} +20\\S+Z +20\\S+Z\n$`,
			),
		)
		for (const name of await readdir(folder, { recursive: true })) {
			const text = await readFile(join(folder, name), 'utf8').catch(() => '')
			expect(text.includes(code.secret), name).toBe(false)
		}
	})

	test('remove and rotate say what happens, and leave rows of administrators', async () => {
		const { agent: id, code: first } = await json('agent add acme')
		const agent = newAgent('acme', Date.now)
		const [code, none] = [readCode(first), readCode('')]
		expect(none).toBeUndefined()
		if (code === undefined) return
		await served((post) => post('agent/enrol', agent.enrol(code)))
		const again = readCode((await json(`agent rotate acme ${id}`)).code)
		if (again === undefined) return
		const next = newAgent('acme', Date.now)
		await served(async (post) => {
			expect((await post('agent/enrol', next.enrol(again))).status).toBe(200)
			expect((await post('agent/token', agent.listen(id))).status).toBe(401)
		})
		const removed = await run(`agent remove acme ${id}`)
		expect(removed.out).toMatch(
			new RegExp(
				`^The agent ${id} was removed\\. It gets no more tokens\\. Its last one ends at 20\\S+Z at the latest\\.\n.*: rollcall agent rotate acme --now --data ${folder}\n$`,
			),
		)
		await served(async (post) => {
			expect(await (await post('agent/token', next.listen(id))).json()).toMatchObject({ error: 'agent_removed' })
		})
		expect((await json('agent list acme'))[0]).toMatchObject({ state: 'removed', removed: expect.any(String) })
		expect((await json('history acme --admin')).map(({ command }: { command: string }) => command)).toEqual([
			'agent remove',
			'agent rotate',
			'agent add',
			'tenant add',
		])
		expect(await run(`agent remove acme ${id}`)).toEqual({
			code: 1,
			out: '',
			err: `error: the tenant acme has no agent ${id}\nhint: rollcall agent list acme --data ${folder}\n`,
		})
	})

	test('add refuses the eleventh code', async () => {
		expect((await run('agent list acme')).out).toBe('No agent of the tenant acme has a code.\n')
		for (let count = 0; count < 10; count++) await json('agent add acme')
		expect(await run('agent add acme')).toEqual({
			code: 1,
			out: '',
			err: `error: the tenant acme has 10 agents and codes, and a hybrid connection takes no more\nhint: remove one of them: rollcall agent list acme --data ${folder}\n`,
		})
	})

	test.each(['agent add store', 'agent list store', 'agent remove store x', 'agent rotate store'])(
		'refuses %s, a tenant of mode store',
		async (line) => {
			await run('tenant add store')
			expect(await run(line)).toEqual({
				code: 1,
				out: '',
				err: 'error: the tenant store has no agents\nhint: its mode is store: its users and groups are in Rollcall, and not in a SCIM server behind the relay\n',
			})
		},
	)

	test('rotate needs a deployment that is found by its resource group', async () => {
		expect(await run('agent rotate acme')).toEqual({
			code: 1,
			out: '',
			err: 'error: keys of Azure Relay can be changed only in a deployment that is found by its resource group\nhint: rollcall agent rotate acme --resource-group GROUP\n',
		})
		expect((await run('agent add acme --offline')).err).toContain(
			'hint: rollcall agent add acme --offline --resource-group GROUP',
		)
		expect(await json('agent list acme')).toEqual([])
	})
})

describe('rollcall agent on a deployment in Azure', () => {
	const azure = useAzure()
	const built = useBuiltRollcall()

	test('add --offline prints a code with a key of its own, which remove deletes', async () => {
		const log = join(folder, 'az.log')
		const outputs = {
			...JSON.parse(azure().env.AZ_OUTPUTS ?? ''),
			relayHostName: { value: 'contoso.servicebus.windows.net' },
		}
		const env = { ...azure().env, AZ_OUTPUTS: JSON.stringify(outputs), AZ_LOG: log }
		const on = (line: string, more = {}) =>
			built([...line.split(' '), '--resource-group', 'rollcall'], { env: { ...env, ...more } })
		await on('tenant add remote --mode relay')
		const { agent, code } = jsonOf(await on('agent add remote --offline --label cellar --json'))
		const rule = `offline-${agent.slice(0, 8)}`
		expect(readOfflineCode(code)).toEqual({
			...{ agent, namespace: 'contoso.servicebus.windows.net', hybridConnection: 'remote' },
			...{ keyName: rule, key: 'a-key-of-azure-relay' },
		})
		const where = `--resource-group rollcall --namespace-name contoso --hybrid-connection-name remote --name ${rule}`
		const made = [
			`relay hyco authorization-rule create ${where} --rights Listen --query name --output tsv\n`,
			`relay hyco authorization-rule keys list ${where} --query primaryKey --output tsv\n`,
		].join('')
		expect(await readFile(log, 'utf8')).toBe(made)
		expect(jsonOf(await on('agent list remote --json'))).toEqual([
			{ id: agent, state: 'offline', label: 'cellar', created: expect.any(String) },
		])
		expect((await on(`agent rotate remote ${agent}`)).err).toMatch(
			/^error: the agent \S+ is offline: its key is one of Azure Relay\n/,
		)
		expect(await on('tenant remove remote --yes')).toEqual({
			code: 1,
			out: '',
			err: expect.stringMatching(
				new RegExp(
					`^error: the agent ${agent} of the tenant remote has a key of Azure Relay\nhint: node \\S+main\\.js agent remove remote ${agent} --resource-group rollcall\n$`,
				),
			),
		})
		const removed = await on(`agent remove remote ${agent}`)
		expect(removed.out).toBe(
			`The agent ${agent} was removed, and its key of Azure Relay deleted. Tokens that it has made end within an hour.\n`,
		)
		expect(await readFile(log, 'utf8')).toBe(
			`${made}resource delete --resource-group rollcall --namespace Microsoft.Relay --parent namespaces/contoso/hybridConnections/remote --resource-type authorizationRules --name ${rule} --api-version 2024-01-01\n`,
		)
		const failed = await on('agent add remote --offline', { AZ_LOG: '' })
		expect(failed.err).toMatch(/^error: the hybrid connection remote got no key for the agent: /)
		expect(jsonOf(await on('agent list remote --json')).map(({ state }: { state: string }) => state)).toEqual([
			'removed',
			'removed',
		])
		expect(await on('tenant remove remote --yes')).toMatchObject({ code: 0, err: '' })
	})

	test.each(['', ' --now'])('of two rotate%s at once, one renews and the other says so', async (option) => {
		const log = join(folder, 'az.log')
		const hold = join(folder, 'az.hold')
		const outputs = {
			...JSON.parse(azure().env.AZ_OUTPUTS ?? ''),
			relayHostName: { value: 'contoso.servicebus.windows.net' },
		}
		const env = { ...azure().env, AZ_OUTPUTS: JSON.stringify(outputs), AZ_LOG: log, AZ_HOLD: hold }
		const name = `twice${option.length}`
		const on = (line: string) => built([...line.split(' '), '--resource-group', 'rollcall'], { env })
		const renewals = async () => (await readFile(log, 'utf8').catch(() => '')).split('\n').length - 1
		await on(`tenant add ${name} --mode relay`)
		await writeFile(hold, '')
		const first = on(`agent rotate ${name}`)
		await vi.waitFor(async () => expect(await renewals()).toBe(1), { timeout: 100_000 })
		expect(await on(`agent rotate ${name}${option}`)).toEqual({
			code: 1,
			out: '',
			err: expect.stringMatching(
				/^error: another rollcall agent rotate has been renewing the key since 20\S+Z\nhint: wait until it has ended; if it was interrupted, repeat the command after 20\S+Z\n$/,
			),
		})
		await rm(hold)
		expect((await first).code).toBe(0)
		expect(await renewals()).toBe(1)
		expect((await on(`agent rotate ${name} --now`)).code).toBe(0)
		expect(await renewals()).toBe(3)
	})

	test('rotate renews the key that is not in use and signs with it, and --now renews both', async () => {
		const log = join(folder, 'az.log')
		const outputs = {
			...JSON.parse(azure().env.AZ_OUTPUTS ?? ''),
			relayHostName: { value: 'contoso.servicebus.windows.net' },
		}
		const env = { ...azure().env, AZ_OUTPUTS: JSON.stringify(outputs), AZ_LOG: log }
		const on = (line: string) => built([...line.split(' '), '--resource-group', 'rollcall'], { env })
		await on('tenant add acme --mode relay --hybrid-connection floor-2')
		const renewal = (key: string) =>
			`relay hyco authorization-rule keys renew --resource-group rollcall --namespace-name contoso --hybrid-connection-name floor-2 --name rollcall-agents --key ${key} --query keyName --output tsv\n`
		expect(await on('agent rotate acme')).toEqual({
			code: 0,
			out: 'From now on the secondary key of Azure Relay signs. Tokens that agents have still work until they end, and agents get new ones by themselves.\n',
			err: '',
		})
		expect(await readFile(log, 'utf8')).toBe(renewal('SecondaryKey'))
		expect(await on('agent rotate acme')).toEqual({
			code: 1,
			out: '',
			err: expect.stringMatching(
				/^error: the key was renewed at 20\S+Z, and tokens of the other key may be in use\nhint: wait until 20\S+Z, or end those tokens now with --now\n$/,
			),
		})
		expect(jsonOf(await on('agent rotate acme --now --json'))).toMatchObject({ signer: 'primary', isImmediate: true })
		expect(await readFile(log, 'utf8')).toBe(renewal('SecondaryKey') + renewal('PrimaryKey') + renewal('SecondaryKey'))
		const failed = await built(['agent', 'rotate', 'acme', '--now', '--resource-group', 'rollcall'], {
			env: { ...env, AZ_LOG: '' },
		})
		expect(failed).toMatchObject({
			code: 1,
			err: expect.stringMatching(
				/^error: the key rollcall-agents of the hybrid connection floor-2 was not renewed: .*\nhint: this takes the role Contributor /,
			),
		})
	})
})
