import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { parseSettings } from '../../functions/settings.ts'
import { hasDotnet, restoreBicep } from './bicep-compiler.ts'
import { faultsOf } from './kusto.ts'
import {
	all,
	type Deployment,
	deployment,
	grants,
	inPublicAzure,
	scopeOf,
	settingsOf,
	type Template,
	template,
	templates,
	the,
} from './predicted.ts'

const infra = fileURLToPath(new URL('../../infra', import.meta.url))
const modules = readdirSync(join(infra, 'modules')).map((file) => `modules/${file}`)
const examples = readdirSync(infra).filter((file) => file.endsWith('.bicepparam'))

/** A GUID that belongs to no identity. */
const id = (digit: number): string => `00000000-0000-0000-0000-00000000000${digit}`

test('the Bicep compiler is available', (context) => {
	// CI has the .NET SDK: there, uncompiled files are a failure.
	if (!hasDotnet && process.env.CI === undefined) {
		context.skip('there is no .NET SDK to restore the Bicep compiler with: NO BICEP FILE WAS COMPILED')
	}
	expect(hasDotnet, 'dotnet --version').toBe(true)
})

describe.skipIf(!hasDotnet)('the Bicep files', { timeout: 120_000 }, () => {
	// The uniqueString of the id of the resource group, as the compiler evaluates it.
	const suffix = 'mfk2nabumbtl2'
	const appName = `rollcall-${suffix}`
	const storageName = `rollcall${suffix}`
	const packageName = `${storageName}p`
	let folder = ''
	let compiler = ''

	beforeAll(() => {
		compiler = restoreBicep()
		folder = mkdtempSync(join(tmpdir(), 'rollcall-infra-'))
		cpSync(infra, folder, { recursive: true })
	})
	afterAll(() => rmSync(folder, { recursive: true, force: true }))

	// The compiler ends too soon to gain from code that .NET optimizes while it runs: 2.1 s of CPU instead of 2.6 s.
	const shortRun = { DOTNET_TieredCompilation: '0', DOTNET_TieredPGO: '0' }
	const bicep = (args: readonly string[], env: Readonly<Record<string, string>> = {}): SpawnSyncReturns<string> =>
		spawnSync(compiler, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, ...shortRun, ...env } })

	/** The standard output of a command, which must not print a warning. */
	const clean = (args: readonly string[], env: Readonly<Record<string, string>> = {}): string => {
		const { status, stdout, stderr } = bicep(args, env)
		expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
		return stdout
	}

	/** How the app comes by its code. */
	const deploymentOf = (deployed: Deployment) =>
		z
			.object({
				deployment: z.object({
					storage: z.object({
						value: z.string(),
						authentication: z.object({ userAssignedIdentityResourceId: z.string() }),
					}),
				}),
			})
			.parse(the(deployed, 'Microsoft.Web/sites').properties.functionAppConfig).deployment

	/** One run of the compiler takes a second or two, so each answer is kept. */
	const answers = new Map<string, unknown>()
	const once = <T>(name: string, ask: () => T): T => {
		if (!answers.has(name)) answers.set(name, ask())
		return answers.get(name) as T // sound: each name has one type of result
	}

	const compiled = (): Template =>
		once('compiled', () => template.parse(JSON.parse(clean(['build', 'main.bicep', '--stdout']))))

	const place = ['--tenant-id', id(1), '--subscription-id', id(2), '--resource-group', 'rg', '--location', 'westeurope']

	/** The resources that Azure would create, with all parameters and expressions evaluated that are known in advance. */
	const predict = (example: string, ...parameters: readonly string[]): Deployment => {
		const text = [readFileSync(join(infra, `${example}.bicepparam`), 'utf8'), ...parameters].join('\n')
		return once(text, () => {
			writeFileSync(join(folder, 'predicted.bicepparam'), text)
			clean(['snapshot', 'predicted.bicepparam', '--mode', 'overwrite', ...place])
			return deployment.parse(JSON.parse(readFileSync(join(folder, 'predicted.snapshot.json'), 'utf8')))
		})
	}

	test('compile without a warning', () => {
		clean(['lint', '--pattern', '**/*.bicep'])
		clean(['build-params', '--pattern', '*.bicepparam'])
	})

	test('are formatted', () => {
		const files = ['main.bicep', ...modules, ...examples]
		const formatted = join(folder, 'formatted')
		for (const file of files) cpSync(join(infra, file), join(formatted, file))
		clean(['format', '--pattern', 'formatted/**/*.bicep'])
		clean(['format', '--pattern', 'formatted/*.bicepparam'])
		const read = (base: string) => files.map((file) => [file, readFileSync(join(base, file), 'utf8')])
		expect(read(formatted)).toEqual(read(infra))
	})

	test('are all part of the deployment', () => {
		const included = /modules\/[\w-]+\.bicep/g
		const used = readFileSync(join(infra, 'main.bicep'), 'utf8').match(included)
		expect(new Set(used)).toEqual(new Set(modules))
	})

	test('main.bicep is a list of modules', () => {
		const parts = Object.entries(compiled().resources)
		expect(parts.length).toBeGreaterThan(10)
		const isModule = ({ properties }: (typeof parts)[number][1]) =>
			typeof properties === 'object' && properties.template !== undefined
		expect(parts.filter(([, part]) => !isModule(part)).map(([name]) => name)).toEqual([])
	})

	test.each([
		['storage', 'minimumTlsVersion', 'minimumTlsVersions', /Warning BCP089: .* Did you mean "minimumTlsVersion"\?/],
		['storage', 'TrafficOnly: true', 'TrafficOnly: 1', /Warning BCP036: .* expected a value of type "bool \| null"/],
		['network', 'addressPrefixes', 'addressPrefix', /Warning BCP0\d\d: .*addressPrefix/],
		['key-vault', 'vaults@2025-05-01', 'vaults@2025-05-03', /Warning BCP081: .* does not have types available/],
	])('the compiler refuses what Azure refuses: %s with %s written %s', (module, right, wrong, fault) => {
		const text = readFileSync(join(infra, `modules/${module}.bicep`), 'utf8')
		expect(text).toContain(right)
		writeFileSync(join(folder, 'seeded.bicep'), text.replace(right, wrong))
		expect(bicep(['lint', 'seeded.bicep']).stderr).toMatch(fault)
	})

	test('the linter refuses an output with a key', () => {
		writeFileSync(
			join(folder, 'leaky.bicep'),
			`resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: 'account'
}

@description('A key.')
output key string = account.listKeys().keys[0].value
`,
		)
		const { status, stderr } = bicep(['build', 'leaky.bicep', '--stdout'])
		expect({ status, stderr }).toEqual({
			status: 1,
			stderr: expect.stringContaining('Error outputs-should-not-contain-secrets'),
		})
	})

	test('no secret is a parameter, an output, or read from Azure', () => {
		const parameters = templates(compiled()).flatMap((each) => Object.values(each.parameters))
		expect(parameters.filter(({ type = '' }) => /secure/i.test(type))).toEqual([])
		const outputs = templates(compiled()).flatMap((each) => Object.keys(each.outputs))
		expect(new Set(outputs)).toEqual(
			new Set([
				'principalId',
				'clientId',
				'workspaceId',
				'componentId',
				'actionGroupId',
				'id',
				'packageUrl',
				'appSubnetId',
				'endpointSubnetId',
				'hostName',
				'publicOrigin',
				'appName',
				'storageAccountName',
				'keyVaultName',
				'relayHostName',
			]),
		)
		expect(JSON.stringify(compiled())).not.toMatch(/\blist[A-Z]\w*\(|getSecret/)
	})

	test('every parameter and output is described, with "Required" or "Optional"', () => {
		for (const { parameters, outputs } of templates(compiled())) {
			for (const [name, { defaultValue, metadata }] of Object.entries(parameters)) {
				expect(`${name}: ${metadata?.description}`).toMatch(
					defaultValue === undefined ? /: Required\. .+\.$/ : /: Optional\. .+\.$/,
				)
			}
			for (const { metadata } of Object.values(outputs)) expect(metadata?.description).toMatch(/.\.$/)
		}
	})

	test('az can set the administrator in addition to a parameter file', () => {
		const overrides = JSON.stringify({ administratorId: id(7) })
		const built = clean(['build-params', 'small.bicepparam', '--stdout'], { BICEP_PARAMETERS_OVERRIDES: overrides })
		const { parametersJson } = z.object({ parametersJson: z.string() }).parse(JSON.parse(built))
		expect(JSON.parse(parametersJson).parameters).toEqual({
			instanceMemoryMB: { value: 512 },
			purgeProtection: { value: false },
			dailyLogQuotaGb: { value: 1 },
			administratorId: { value: id(7) },
		})
	})

	describe('the small example', () => {
		test('has exactly these resources', () => {
			expect(predict('small').predictedResources.map(({ type }) => type)).toEqual([
				'Microsoft.ManagedIdentity/userAssignedIdentities',
				'Microsoft.ManagedIdentity/userAssignedIdentities',
				'Microsoft.OperationalInsights/workspaces',
				'Microsoft.Insights/components',
				...Array(7).fill('Microsoft.OperationalInsights/workspaces/savedSearches'),
				'Microsoft.Storage/storageAccounts',
				'Microsoft.Storage/storageAccounts/tableServices',
				'Microsoft.Storage/storageAccounts/tableServices/tables',
				'Microsoft.Storage/storageAccounts',
				'Microsoft.Storage/storageAccounts/blobServices',
				'Microsoft.Storage/storageAccounts/blobServices/containers',
				'Microsoft.KeyVault/vaults',
				'Microsoft.Insights/diagnosticSettings',
				...Array(5).fill('Microsoft.Authorization/roleAssignments'),
				'Microsoft.Web/serverfarms',
				'Microsoft.Web/sites',
				'Microsoft.Web/sites/basicPublishingCredentialsPolicies',
				'Microsoft.Web/sites/basicPublishingCredentialsPolicies',
				'Microsoft.Web/sites/config',
			])
		})

		test('saves every query of infra/queries in the workspace', () => {
			const saved = all(predict('small'), 'Microsoft.OperationalInsights/workspaces/savedSearches')
			const files = readdirSync(join(infra, 'queries'))
			expect(saved.map(({ properties }) => properties.query).sort()).toEqual(
				files.map((file) => readFileSync(join(infra, 'queries', file), 'utf8')).sort(),
			)
		})

		test('accepts no keys, no passwords and no old TLS', () => {
			const deployed = predict('small')
			const accounts = all(deployed, 'Microsoft.Storage/storageAccounts')
			expect(accounts.map(({ name }) => name)).toEqual([storageName, packageName])
			for (const { properties } of accounts) {
				expect(properties).toMatchObject({
					allowBlobPublicAccess: false,
					allowCrossTenantReplication: false,
					allowSharedKeyAccess: false,
					minimumTlsVersion: 'TLS1_2',
					supportsHttpsTrafficOnly: true,
				})
			}
			const { properties: vault } = the(deployed, 'Microsoft.KeyVault/vaults')
			// Azure refuses false.
			expect(vault.enablePurgeProtection ?? 'nothing').toBe('nothing')
			expect(vault).toMatchObject({
				tenantId: id(1),
				enableRbacAuthorization: true,
				enableSoftDelete: true,
				softDeleteRetentionInDays: 90,
			})
			expect(the(deployed, 'Microsoft.Insights/components').properties).toMatchObject({ DisableLocalAuth: true })
			expect(the(deployed, 'Microsoft.OperationalInsights/workspaces').properties).toMatchObject({
				features: { disableLocalAuth: true },
			})
			expect(the(deployed, 'Microsoft.Web/sites').properties).toMatchObject({
				httpsOnly: true,
				siteConfig: { ftpsState: 'Disabled', minTlsVersion: '1.2', scmMinTlsVersion: '1.2' },
			})
			expect(
				all(deployed, 'Microsoft.Web/sites/basicPublishingCredentialsPolicies').map(({ name, properties }) => [
					name.split('/')[1],
					properties,
				]),
			).toEqual([
				['ftp', { allow: false }],
				['scm', { allow: false }],
			])
		})

		test('runs Node 24 as its identity, from a package that another identity writes and reads', () => {
			const { identity, properties } = the(predict('small'), 'Microsoft.Web/sites')
			const identityId = `/subscriptions/${id(2)}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${appName}`
			const publisherId = `${identityId}-publisher`
			expect(identity).toEqual({
				type: 'UserAssigned',
				userAssignedIdentities: { [identityId]: {}, [publisherId]: {} },
			})
			expect(properties.functionAppConfig).toMatchObject({
				runtime: { name: 'node', version: '24' },
				deployment: {
					storage: {
						type: 'blobContainer',
						authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: publisherId },
					},
				},
				scaleAndConcurrency: {
					instanceMemoryMB: 512,
					maximumInstanceCount: 40,
					alwaysReady: [],
					triggers: { http: { perInstanceConcurrency: 8 } },
				},
			})
		})

		test('sets what functions/settings.ts reads and what the host needs, and nothing else', () => {
			const settings = settingsOf(predict('small'))
			expect(Object.keys(settings).sort()).toEqual([
				'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
				'APPLICATIONINSIGHTS_CONNECTION_STRING',
				'AZURE_CLIENT_ID',
				'AzureWebJobsDisableHomepage',
				'AzureWebJobsStorage__accountName',
				'AzureWebJobsStorage__clientId',
				'AzureWebJobsStorage__credential',
				'ROLLCALL_BURST',
				'ROLLCALL_FEED_DAYS',
				'ROLLCALL_KEY_VAULT_URL',
				'ROLLCALL_PUBLIC_ORIGIN',
				'ROLLCALL_RATE',
				'ROLLCALL_RELAY_NAMESPACE',
				'ROLLCALL_RELAY_RESOURCE',
				'ROLLCALL_SCAN_LIMIT',
				'ROLLCALL_TABLES_ENDPOINT',
			])
			expect(settings).toMatchObject({
				AzureWebJobsDisableHomepage: 'true',
				AzureWebJobsStorage__accountName: storageName,
				AzureWebJobsStorage__credential: 'managedidentity',
			})
			const read = new Set<string>()
			const values = Object.entries(settings).map(([name, value]) => [name, inPublicAzure(value)] as const)
			const variables = new Proxy(Object.fromEntries(values), {
				get(target, name) {
					read.add(String(name))
					return Reflect.get(target, name)
				},
			})
			// Azure sets it.
			Object.assign(variables, { WEBSITE_HOSTNAME: 'rollcall-abc.azurewebsites.net' })
			expect(parseSettings(variables)).toEqual({
				publicOrigin: 'https://rollcall-abc.azurewebsites.net',
				tables: { endpoint: `https://${storageName}.table.core.windows.net` },
				tokens: { vaultUrl: `https://${appName}.vault.azure.net` },
				clientId: expect.stringContaining(appName),
				scanLimit: 50_000,
				keepFeedFor: 30 * 24 * 60 * 60_000,
				rate: { perSecond: 100, burst: 400 },
			})
			const own = Object.keys(settings).filter((name) => /^(ROLLCALL|AZURE)_/.test(name))
			expect(own.filter((name) => !read.has(name))).toEqual([])
		})

		test('passes on the parameters for the feed and for searches', () => {
			const settings = settingsOf(predict('small', 'param feedDays = 90', 'param scanLimit = 1000'))
			expect(settings).toMatchObject({ ROLLCALL_FEED_DAYS: '90', ROLLCALL_SCAN_LIMIT: '1000' })
		})

		test('tells the app and the administrator of a domain of its own', () => {
			expect(settingsOf(predict('small')).ROLLCALL_PUBLIC_ORIGIN).toBe('')
			const settings = settingsOf(predict('small', "param publicOrigin = 'https://scim.contoso.com'"))
			expect(settings.ROLLCALL_PUBLIC_ORIGIN).toBe('https://scim.contoso.com')
			expect(Object.keys(compiled().outputs)).toContain('publicOrigin')
		})

		test('passes on the rate of a tenant, which cannot be lower than what Entra ID asks for', () => {
			const settings = settingsOf(predict('small', 'param tenantRate = 25', 'param tenantBurst = 50'))
			expect(settings).toMatchObject({ ROLLCALL_RATE: '25', ROLLCALL_BURST: '50' })
			expect(() => predict('small', 'param tenantRate = 24')).toThrow()
		})

		test('gives the app the address of the relay if there is one', () => {
			expect(settingsOf(predict('small'))).toMatchObject({ ROLLCALL_RELAY_NAMESPACE: '', ROLLCALL_RELAY_RESOURCE: '' })
			expect(settingsOf(predict('relay')).ROLLCALL_RELAY_NAMESPACE).toContain('hostName')
			expect(settingsOf(predict('relay')).ROLLCALL_RELAY_RESOURCE).toMatch(
				/'outputs', 'id'.*environment\(\)\.resourceManager/,
			)
		})
	})

	describe('roles', () => {
		test('the app has only the roles that it needs, each on one resource', () => {
			expect(grants(predict('small'))).toEqual([
				{ role: 'Storage Blob Data Owner', on: `storageAccounts/${storageName}`, to: 'app' },
				{ role: 'Storage Table Data Contributor', on: `storageAccounts/${storageName}`, to: 'app' },
				{ role: 'Key Vault Secrets User', on: `vaults/${appName}`, to: 'app' },
				{ role: 'Monitoring Metrics Publisher', on: `components/${appName}`, to: 'app' },
				{ role: 'Storage Blob Data Contributor', on: `storageAccounts/${packageName}`, to: 'publisher' },
			])
		})

		test.each(examples)('only the publisher has a role on the container of the code: %s', (example) => {
			const deployed = predict(example.replace('.bicepparam', ''), `param administratorId = '${id(7)}'`)
			const [container, second] = all(deployed, 'Microsoft.Storage/storageAccounts/blobServices/containers')
			expect([container?.name, second]).toEqual([`${packageName}/default/package`, undefined])
			const { storage } = deploymentOf(deployed)
			// The address is an output of the module that has the container.
			expect(storage.value).toMatch(/format\('package-.*outputs\.packageUrl/)
			expect(storage.authentication.userAssignedIdentityResourceId).toMatch(/-publisher$/)
			expect(grants(deployed).filter(({ on }) => on === `storageAccounts/${packageName}`)).toEqual([
				{ role: 'Storage Blob Data Contributor', on: `storageAccounts/${packageName}`, to: 'publisher' },
			])
			expect(grants(deployed).filter(({ to }) => to === 'publisher')).toHaveLength(1)
			expect(settingsOf(deployed).AzureWebJobsStorage__accountName).toBe(storageName)
			expect(JSON.stringify(settingsOf(deployed))).not.toContain('publisher')
		})

		test('the administrator may write tables and secrets', () => {
			const deployed = predict('small', `param administratorId = '${id(7)}'`)
			expect(grants(deployed).slice(5)).toEqual([
				{ role: 'Storage Table Data Contributor', on: `storageAccounts/${storageName}`, to: `User ${id(7)}` },
				{ role: 'Key Vault Secrets Officer', on: `vaults/${appName}`, to: `User ${id(7)}` },
			])
		})

		test('with a relay the app may send and read one key, and agents may listen, each on one hybrid connection', () => {
			const connection = `namespaces/rollcall-relay-${suffix}/hybridConnections/headquarters`
			expect(grants(predict('relay')).filter(({ on }) => on.startsWith('namespaces/'))).toEqual([
				{ role: 'Azure Relay Sender', on: connection, to: 'app' },
				{ role: 'Azure Relay Owner', on: `${connection}/authorizationRules/rollcall-agents`, to: 'app' },
				{ role: 'Azure Relay Listener', on: connection, to: `ServicePrincipal ${id(1)}` },
				{ role: 'Azure Relay Listener', on: connection, to: `ServicePrincipal ${id(2)}` },
			])
		})

		test('are assigned before the app starts', () => {
			const { app, appSettings } = compiled().resources
			expect(app?.dependsOn).toEqual(expect.arrayContaining(['appAccess', 'publisherAccess']))
			expect(appSettings?.dependsOn).toContain('app')
		})
	})

	test('the production example is always ready, survives the loss of a zone, keeps its vault and sends alerts', () => {
		const deployed = predict('production')
		const skus = all(deployed, 'Microsoft.Storage/storageAccounts').map(({ sku }) => sku)
		expect(skus).toEqual([{ name: 'Standard_ZRS' }, { name: 'Standard_ZRS' }])
		expect(the(deployed, 'Microsoft.Web/serverfarms').properties).toMatchObject({ zoneRedundant: true })
		expect(the(deployed, 'Microsoft.KeyVault/vaults').properties).toMatchObject({ enablePurgeProtection: true })
		expect(the(deployed, 'Microsoft.Web/sites').properties.functionAppConfig).toMatchObject({
			scaleAndConcurrency: {
				alwaysReady: [{ name: 'http', instanceCount: 2 }],
				triggers: { http: { perInstanceConcurrency: 64 } },
			},
		})
		expect(all(deployed, 'Microsoft.Insights/diagnosticSettings').map((each) => scopeOf(each))).toEqual([
			`storageAccounts/${storageName}/tableServices/default`,
			`vaults/${appName}`,
		])
		expect(all(deployed, 'Microsoft.Insights/scheduledQueryRules')).toMatchObject([
			{
				name: `${appName}-failures`,
				properties: alertOn('requests | where toint(resultCode) >= 500 and resultCode != "501"', 5, 'PT5M'),
			},
			{
				name: `${appName}-refusals`,
				properties: alertOn('requests | where resultCode == "401"', 50, 'PT15M'),
			},
			{ name: `${appName}-silence`, properties: alertOnTenants(/lastSeen < ago\(24h\)$/, 'P2D') },
			{
				name: `${appName}-ending-credentials`,
				properties: alertOnTenants(/array_length\(event.endingCredentials\) > 0/, 'PT12H'),
			},
			{
				name: `${appName}-losses`,
				properties: {
					...alertOnTenants(/where tobool\(event.guard.isBeyond\)/, 'PT30M'),
					evaluationFrequency: 'PT15M',
				},
			},
		])
		const asked = JSON.stringify(all(deployed, 'Microsoft.Insights/scheduledQueryRules'))
		const queries = [...asked.matchAll(/"query":("(?:[^"\\]|\\.)*")/g)].map(([, text = '']) => JSON.parse(text))
		expect(queries.map(faultsOf)).toEqual([[], [], [], [], []])
		expect(the(deployed, 'Microsoft.Insights/actionGroups').properties).toMatchObject({
			emailReceivers: [{ emailAddress: 'identity-operations@example.com' }],
		})
		expect(all(deployed, 'Microsoft.Relay/namespaces')).toEqual([])
		expect(grants(deployed)).toEqual(grants(predict('small')))
	})

	test('the relay example has one hybrid connection for each tenant, with a key rule that may only listen, and counts its agents', () => {
		const deployed = predict('relay')
		expect(
			deployed.predictedResources.map(({ type }) => type).filter((type) => type.startsWith('Microsoft.Relay/')),
		).toEqual([
			'Microsoft.Relay/namespaces',
			'Microsoft.Relay/namespaces/hybridConnections',
			'Microsoft.Relay/namespaces/hybridConnections/authorizationRules',
		])
		expect(the(deployed, 'Microsoft.Relay/namespaces/hybridConnections/authorizationRules')).toMatchObject({
			name: `rollcall-relay-${suffix}/headquarters/rollcall-agents`,
			properties: { rights: ['Listen'] },
		})
		expect(the(deployed, 'Microsoft.Relay/namespaces/hybridConnections')).toMatchObject({
			name: `rollcall-relay-${suffix}/headquarters`,
			properties: { requiresClientAuthorization: true },
		})
		expect(all(deployed, 'Microsoft.Insights/diagnosticSettings').map((each) => scopeOf(each))).toContain(
			`namespaces/rollcall-relay-${suffix}`,
		)
		expect(all(deployed, 'Microsoft.Insights/metricAlerts')).toMatchObject(
			[
				['agents', 'LessThan'],
				['surplus-agents', 'GreaterThan'],
			].map(([name, operator]) => ({
				name: `rollcall-relay-${suffix}-headquarters-${name}`,
				properties: {
					enabled: true,
					windowSize: 'PT1M',
					criteria: {
						allOf: [
							{
								metricName: 'ActiveListeners',
								dimensions: [{ name: 'EntityName', operator: 'Include', values: ['headquarters'] }],
								timeAggregation: 'Total',
								operator,
								threshold: 2,
							},
						],
					},
					actions: [{ actionGroupId: expect.stringContaining('actionGroupId') }],
				},
			})),
		)
	})

	test('without addresses no alerts are sent, also none for agents', () => {
		const types = predict(
			'small',
			"param relayTenants = [{ tenant: 'acme', agentPrincipalIds: [], listeners: 1 }]",
		).predictedResources.map(({ type }) => type)
		expect(types).toContain('Microsoft.Relay/namespaces')
		expect(types.filter((type) => /actionGroups|scheduledQueryRules|metricAlerts/.test(type))).toEqual([])
	})

	describe('private networking', () => {
		const on = 'param privateNetworking = true'

		test('storage and vault can be reached only through endpoints inside the network', () => {
			const deployed = predict('small', on)
			const closed = ['Microsoft.Storage/storageAccounts', 'Microsoft.KeyVault/vaults'].flatMap((type) =>
				all(deployed, type),
			)
			expect(closed).toHaveLength(3)
			for (const { properties } of closed) {
				expect(properties).toMatchObject({
					publicNetworkAccess: 'Disabled',
					networkAcls: { defaultAction: 'Deny', bypass: 'None', ipRules: [] },
				})
			}
			expect(all(deployed, 'Microsoft.Network/privateDnsZones').map(({ name }) => inPublicAzure(name))).toEqual([
				'privatelink.blob.core.windows.net',
				'privatelink.blob.core.windows.net',
				'privatelink.table.core.windows.net',
				'privatelink.vaultcore.azure.net',
			])
			// A network has one link to each zone, so the endpoints of both accounts share it.
			const links = all(deployed, 'Microsoft.Network/privateDnsZones/virtualNetworkLinks')
			expect(links.map(({ name }) => /'([\w-]+)'\)\]$/.exec(name)?.[1])).toEqual([
				`${appName}-blob`,
				`${appName}-blob`,
				`${appName}-table`,
				`${appName}-vault`,
			])
			expect(all(deployed, 'Microsoft.Network/privateEndpoints').map(({ name }) => name)).toEqual(
				['blob', 'package', 'table', 'vault'].map((service) => `${appName}-${service}`),
			)
			expect(the(deployed, 'Microsoft.Network/virtualNetworks').properties.subnets).toMatchObject([
				{ properties: { delegations: [{ properties: { serviceName: 'Microsoft.App/environments' } }] } },
				{ properties: { defaultOutboundAccess: false } },
			])
			expect(the(deployed, 'Microsoft.Web/sites').properties.virtualNetworkSubnetId).toContain('appSubnetId')
			expect(compiled().resources.app?.dependsOn).toContain('endpoints')
		})

		test('an allowed address can reach them', () => {
			const deployed = predict('small', on, "param allowedIpAddresses = ['203.0.113.7']")
			for (const { properties } of all(deployed, 'Microsoft.Storage/storageAccounts')) {
				expect(properties).toMatchObject({
					publicNetworkAccess: 'Enabled',
					networkAcls: { defaultAction: 'Deny', ipRules: [{ value: '203.0.113.7', action: 'Allow' }] },
				})
			}
			expect(the(deployed, 'Microsoft.KeyVault/vaults').properties).toMatchObject({
				publicNetworkAccess: 'Enabled',
				networkAcls: { defaultAction: 'Deny', ipRules: [{ value: '203.0.113.7' }] },
			})
		})
	})
})

/** An enabled alert on each tenant, looked at once an hour. */
const alertOnTenants = (query: RegExp, windowSize: string) => ({
	enabled: true,
	evaluationFrequency: 'PT1H',
	windowSize,
	criteria: {
		allOf: [
			{
				query: expect.stringMatching(query),
				threshold: 1,
				dimensions: [{ name: 'tenant', operator: 'Include', values: ['*'] }],
			},
		],
	},
	actions: { actionGroups: [expect.stringMatching(/actionGroups/)] },
})

/** An enabled alert on requests with one condition and recipients. */
const alertOn = (query: string, threshold: number, windowSize: string) => ({
	enabled: true,
	evaluationFrequency: 'PT5M',
	windowSize,
	scopes: [expect.stringContaining('componentId')],
	criteria: { allOf: [{ query, timeAggregation: 'Count', operator: 'GreaterThanOrEqual', threshold }] },
	actions: { actionGroups: [expect.stringMatching(/actionGroups/)] },
})
