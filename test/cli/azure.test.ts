import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { storedDigestOf } from '../../shared/auth/tokens.ts'
import { administrator, useAzure } from '../support/azure/azure.ts'
import { jsonOf, useBuiltRollcall } from '../support/rollcall.ts'

const azure = useAzure()
const rollcall = useBuiltRollcall()

const run = (line: string, env = azure().env) => rollcall(line.split(' '), { env })

describe('rollcall on a deployment in Azure', () => {
	test('adds a tenant and a token as the user signed in to az, and shows them', async () => {
		const { env, vault } = azure()
		const added = await run('tenant add acme --resource-group rollcall', env)
		const [, token = ''] =
			/^Tenant URL {4}https:\/\/rollcall-app\.azurewebsites\.net\/scim\/acme\nSecret Token {2}([\w-]{43})\n\nThe ledger keeps .*\nTo change that: .*\n$/.exec(
				added.out,
			) ?? []
		expect({ code: added.code, err: added.err }).toEqual({ code: 0, err: '' })
		const [[version, stored] = ['', undefined]] = vault.secrets.get('scim-token-acme') ?? []
		expect(stored).toMatchObject({ value: storedDigestOf(token) })

		const endpoints =
			'--tables-endpoint https://rollcallaccount.table.core.windows.net/ --vault-url https://rollcallvault.vault.azure.net --app-host scim.example.com'
		expect(jsonOf(await run(`tenant show acme --azure ${endpoints} --json`, env))).toMatchObject({
			name: 'acme',
			mode: 'store',
			url: 'https://scim.example.com/scim/acme',
			users: 0,
			groups: 0,
			tokens: { accepted: 1, all: 1 },
		})
		const rotated = jsonOf(await run(`token rotate acme --json ${endpoints}`, env))
		expect(rotated.ending).toEqual([{ version, expires: expect.any(String) }])
		const by = { administrator: administrator.oid, name: administrator.upn, outcome: 'done', time: expect.any(String) }
		expect(jsonOf(await run(`history acme --admin --json ${endpoints}`, env))).toEqual([
			{ ...by, command: 'token rotate' },
			{ ...by, command: 'tenant add' },
		])
		expect(vault.secrets.get('scim-token-acme')?.get(version)?.expires).toBe(
			Date.parse(rotated.ending[0].expires) / 1000,
		)
	})

	test('prints the settings of an agent with the relay of the deployment, or says that it has none', async () => {
		const { env } = azure()
		const without = await run('tenant add remote --mode relay --resource-group rollcall', env)
		expect(without.out).toContain('\n\nMissing: this deployment names no relay, ')
		const relayHostName = { type: 'String', value: 'contoso.servicebus.windows.net' }
		const outputs = JSON.stringify({ ...JSON.parse(env.AZ_OUTPUTS ?? ''), relayHostName })
		const added = await run('tenant add distant --mode relay --resource-group rollcall --json', {
			...env,
			AZ_OUTPUTS: outputs,
		})
		const { missing, agentSettings } = jsonOf(added)
		expect(missing).toBeUndefined()
		expect(agentSettings.relay).toEqual({ namespace: 'contoso.servicebus.windows.net', hybridConnection: 'distant' })
	})

	test('shows the Tenant URL by the domain of the deployment', async () => {
		const { env } = azure()
		const outputs = JSON.parse(env.AZ_OUTPUTS ?? '{}')
		const publicOrigin = { type: 'String', value: 'https://scim.contoso.com' }
		const own = { ...env, AZ_OUTPUTS: JSON.stringify({ ...outputs, publicOrigin }) }
		const { url } = jsonOf(await run('tenant add contoso --json --resource-group rollcall', own))
		expect(url).toBe('https://scim.contoso.com/scim/contoso')
	})

	test('adds a tenant just after the deployment, while roles do not work yet', async () => {
		const { env, vault, tables } = azure()
		tables.refusals = 2
		let refusals = 3
		vault.faultOf = () =>
			refusals-- > 0 ? { status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' } : undefined
		const { code, out, err } = await run('tenant add umbrella --resource-group rollcall', env)
		expect({ code, err }).toEqual({
			code: 0,
			err: [1, 2, 3, 4, 5]
				.map((count) => `A new role takes a few minutes to work; trying again in 30 seconds (${count} of 10).\n`)
				.join(''),
		})
		expect(out).toMatch(/^Tenant URL .*\nSecret Token .*\n\nThe ledger keeps .*\nTo change that: .*\n$/)
		expect(jsonOf(await run('tenant show umbrella --resource-group rollcall --json', env)).tokens).toEqual({
			accepted: 1,
			all: 1,
		})
	})

	test('gives up on a role that never works, and creates nothing', async () => {
		const { env, vault, tables } = azure()
		tables.refusals = 99
		const withoutTables = await run('tenant add hooli --resource-group rollcall', env)
		expect({ refusals: tables.refusals, code: withoutTables.code, out: withoutTables.out }).toEqual({
			refusals: 99 - 11,
			code: 1,
			out: '',
		})
		expect(withoutTables.err.split('\n').slice(9)).toEqual([
			'A new role takes a few minutes to work; trying again in 30 seconds (10 of 10).',
			'error: the table service answered 403 AuthorizationPermissionMismatch, request id unknown',
			expect.stringMatching(/^hint: you need the role Storage Table Data Contributor /),
			'',
		])
		tables.refusals = 0
		vault.faultOf = () => ({ status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' })
		const withoutVault = await run('tenant add hooli --resource-group rollcall', env)
		expect(withoutVault.err).toMatch(
			/10 of 10\)\.\nerror: the vault refused the request: .*\nhint: .*Key Vault Secrets Officer/,
		)
		expect(jsonOf(await run('tenant list --resource-group rollcall --json', env))).not.toContainEqual(
			expect.objectContaining({ name: 'hooli' }),
		)
	})

	test('does not wait for other refusals, or for roles that are not new', async () => {
		const { env, vault, tables } = azure()
		vault.faultOf = () => ({ status: 403, code: 'Forbidden', innerCode: 'ForbiddenByFirewall' })
		const refused = await run('tenant add hooli --resource-group rollcall', env)
		expect(refused).toEqual({ code: 1, out: '', err: expect.stringMatching(/^error: the vault refused the request: /) })
		tables.refusals = 1
		const listed = await run('tenant list --resource-group rollcall', env)
		expect(listed).toEqual({ code: 1, out: '', err: expect.stringMatching(/^error: the table service answered 403 /) })
	})

	test('removes a tenant: its name and secret can be used again, but its old tokens cannot', async () => {
		const { env, vault } = azure()
		const where = '--resource-group rollcall'
		await run(`tenant add initech ${where}`, env)
		const removed = await run(
			`tenant remove initech --yes --out ${join(tmpdir(), `initech-${process.pid}`)} ${where}`,
			env,
		)
		await rm(join(tmpdir(), `initech-${process.pid}`))
		expect(removed).toEqual({ code: 0, err: '', out: expect.stringMatching(/\nThe tenant initech was removed\.\n$/) })
		expect([...vault.secrets.keys(), ...vault.deleted.keys()]).toEqual(['scim-token-initech'])
		const { version } = jsonOf(await run(`tenant add initech ${where} --json`, env))
		expect(jsonOf(await run(`token list initech ${where} --json`, env))).toEqual(
			expect.arrayContaining([
				{ version, state: 'accepted', scope: 'scim', stored: 'digest', created: expect.any(String) },
				{
					version: expect.any(String),
					state: 'disabled',
					scope: 'scim',
					stored: 'digest',
					created: expect.any(String),
				},
			]),
		)
	})

	test('names problems between the administrator and Azure, and how to fix them', async () => {
		const { env, signedOut, vault } = azure()
		expect(await run('tenant list --resource-group rollcall', signedOut)).toEqual({
			code: 1,
			out: '',
			err: 'error: az is not signed in\nhint: az login\n',
		})
		expect(await run('tenant list --resource-group other', env)).toEqual({
			code: 1,
			out: '',
			err: "error: the resource group other has no deployment of Rollcall that you can see: ERROR: (ResourceGroupNotFound) Resource group 'other' could not be found.\nhint: az deployment group list --resource-group other --output table\n",
		})
		expect(await run('tenant list --resource-group rollcall', { ...env, PATH: '' })).toEqual({
			code: 1,
			out: '',
			err: expect.stringMatching(/^error: az, the Azure CLI, is not installed\nhint: install it/),
		})
		// The vault lists secrets but refuses new ones.
		vault.faultOf = (path) => (path.endsWith('/versions') ? undefined : { status: 400, code: 'BadParameter' })
		const refused = await run('tenant add globex --resource-group rollcall', env)
		expect(refused).toEqual({
			code: 1,
			out: '',
			err: expect.stringMatching(
				/^error: the tenant globex was added, but its token was not: the stand-in says BadParameter\nhint: when that is fixed, add a token: node \S+main\.js token add globex --resource-group rollcall\n$/,
			),
		})
		vault.faultOf = () => ({ status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' })
		expect(await run('token list globex --resource-group rollcall', env)).toEqual({
			code: 1,
			out: '',
			err: expect.stringMatching(
				/^error: the vault refused the request: .*\nhint: you need the role Key Vault Secrets Officer /,
			),
		})
	})

	test('says that az cannot get a token, if the addresses are given', async () => {
		const { err, code } = await run(
			'tenant list --tables-endpoint https://rollcallaccount.table.core.windows.net --vault-url https://rollcallvault.vault.azure.net --app-host scim.example.com',
			azure().signedOut,
		)
		expect({ code, err }).toEqual({
			code: 1,
			err: expect.stringMatching(/^error: az cannot get a token: .*\nhint: az login\n$/),
		})
	})
})
