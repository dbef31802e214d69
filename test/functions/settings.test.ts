import { afterEach, describe, expect, it, vi } from 'vitest'
import { createServices } from '../../functions/services.ts'
import { parseSettings } from '../../functions/settings.ts'

const key = Buffer.from('an account key').toString('base64')
const connectionString = `DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=${key};EndpointSuffix=core.windows.net`
const host = { WEBSITE_HOSTNAME: 'acme.azurewebsites.net' }
const azure = {
	...host,
	ROLLCALL_TABLES_ENDPOINT: 'https://acme.table.core.windows.net',
	ROLLCALL_KEY_VAULT_URL: 'https://acme.vault.azure.net',
}
const laptop = {
	...host,
	ROLLCALL_TABLES_CONNECTION_STRING: connectionString,
	ROLLCALL_TOKENS_FILE: '/data/tokens.json',
}
const relay = {
	ROLLCALL_RELAY_NAMESPACE: 'acme.servicebus.windows.net',
	ROLLCALL_RELAY_KEY_NAME: 'send',
	ROLLCALL_RELAY_KEY: 'a key of the relay',
}

/** The rate if no setting says otherwise. */
const rate = { perSecond: 100, burst: 400 }

type Variables = Readonly<Record<string, string>>

describe('app settings', () => {
	it.each<[string, Variables, ReturnType<typeof parseSettings>]>([
		[
			'in Azure',
			{ ...azure, AZURE_CLIENT_ID: 'c0ffee' },
			{
				tables: { endpoint: 'https://acme.table.core.windows.net' },
				tokens: { vaultUrl: 'https://acme.vault.azure.net' },
				clientId: 'c0ffee',
				rate,
			},
		],
		['on a laptop', laptop, { tables: { connectionString }, tokens: { file: '/data/tokens.json' }, rate }],
		[
			'for the emulator, with the others empty',
			{
				...azure,
				...laptop,
				ROLLCALL_TABLES_CONNECTION_STRING: 'UseDevelopmentStorage=true',
				ROLLCALL_TABLES_ENDPOINT: '',
				ROLLCALL_KEY_VAULT_URL: '',
				AZURE_CLIENT_ID: '',
			},
			{ tables: { connectionString: 'UseDevelopmentStorage=true' }, tokens: { file: '/data/tokens.json' }, rate },
		],
		[
			'with a relay for the identity',
			{ ...laptop, ROLLCALL_RELAY_NAMESPACE: 'localhost:8443' },
			{
				tables: { connectionString },
				tokens: { file: '/data/tokens.json' },
				rate,
				relay: { namespace: 'localhost:8443' },
			},
		],
		[
			'with the keys of the relay in Azure Resource Manager, or here',
			{
				...laptop,
				ROLLCALL_RELAY_NAMESPACE: 'localhost:8443',
				ROLLCALL_RELAY_RESOURCE: 'https://management.azure.com/subscriptions/s/namespaces/n',
				ROLLCALL_RELAY_LISTEN_KEY: '',
			},
			{
				tables: { connectionString },
				tokens: { file: '/data/tokens.json' },
				rate,
				relay: {
					namespace: 'localhost:8443',
					listen: { resource: 'https://management.azure.com/subscriptions/s/namespaces/n' },
				},
			},
		],
		[
			'with limits of their own',
			{ ...laptop, ROLLCALL_SCAN_LIMIT: '2000', ROLLCALL_FEED_DAYS: '7' },
			{
				tables: { connectionString },
				tokens: { file: '/data/tokens.json' },
				scanLimit: 2000,
				keepFeedFor: 604_800_000,
				rate,
			},
		],
		[
			'with the lowest rate',
			{ ...laptop, ROLLCALL_RATE: '25' },
			{
				tables: { connectionString },
				tokens: { file: '/data/tokens.json' },
				rate: { perSecond: 25, burst: 100 },
			},
		],
		[
			'with a rate and a burst',
			{ ...laptop, ROLLCALL_RATE: '200', ROLLCALL_BURST: '500' },
			{
				tables: { connectionString },
				tokens: { file: '/data/tokens.json' },
				rate: { perSecond: 200, burst: 500 },
			},
		],
		[
			'with a domain of its own',
			{ ...laptop, ROLLCALL_PUBLIC_ORIGIN: 'https://scim.contoso.com' },
			{
				tables: { connectionString },
				tokens: { file: '/data/tokens.json' },
				publicOrigin: 'https://scim.contoso.com',
				rate: { perSecond: 100, burst: 400 },
			},
		],
		[
			'under the local tools',
			{ ...laptop, WEBSITE_HOSTNAME: 'localhost:7071' },
			{
				tables: { connectionString },
				tokens: { file: '/data/tokens.json' },
				publicOrigin: 'http://localhost:7071',
				rate: { perSecond: 100, burst: 400 },
			},
		],
		[
			'with a relay and its key',
			{ ...laptop, ...relay },
			{
				tables: { connectionString },
				tokens: { file: '/data/tokens.json' },
				rate,
				relay: { namespace: 'acme.servicebus.windows.net', sas: { keyName: 'send', key: 'a key of the relay' } },
			},
		],
	])('%s are read', (_, variables, settings) => {
		expect(parseSettings({ PATH: '/bin', ...variables })).toEqual({
			publicOrigin: 'https://acme.azurewebsites.net',
			...settings,
		})
	})

	const tables = 'set one of the app settings ROLLCALL_TABLES_ENDPOINT and ROLLCALL_TABLES_CONNECTION_STRING'
	const tokens = 'set one of the app settings ROLLCALL_KEY_VAULT_URL and ROLLCALL_TOKENS_FILE'
	const wrong = (name: string, problem: string) => `app setting ${name} ${problem}`

	it.each<[string, Variables, string]>([
		['nothing', {}, tables],
		['no tables', { ...azure, ROLLCALL_TABLES_ENDPOINT: '' }, tables],
		['tables twice', { ...azure, ROLLCALL_TABLES_CONNECTION_STRING: connectionString }, tables],
		['no tokens', { ...laptop, ROLLCALL_TOKENS_FILE: '' }, tokens],
		['tokens twice', { ...laptop, ...azure, ROLLCALL_TABLES_ENDPOINT: '' }, tokens],
		[
			'an address that is malformed',
			{ ...azure, ROLLCALL_TABLES_ENDPOINT: 'acme' },
			wrong('ROLLCALL_TABLES_ENDPOINT', 'is not an https address'),
		],
		[
			'an address without TLS',
			{ ...azure, ROLLCALL_TABLES_ENDPOINT: 'http://acme.table.core.windows.net' },
			wrong('ROLLCALL_TABLES_ENDPOINT', 'is not an https address'),
		],
		[
			'a vault without TLS',
			{ ...azure, ROLLCALL_KEY_VAULT_URL: 'http://acme.vault.azure.net' },
			wrong('ROLLCALL_KEY_VAULT_URL', 'is not an https address'),
		],
		[
			'a connection string that is malformed',
			{ ...laptop, ROLLCALL_TABLES_CONNECTION_STRING: 'a secret' },
			wrong('ROLLCALL_TABLES_CONNECTION_STRING', 'is not a connection string with an account key'),
		],
		[
			'a shared access signature',
			{
				...laptop,
				ROLLCALL_TABLES_CONNECTION_STRING:
					'TableEndpoint=https://acme.table.core.windows.net/;SharedAccessSignature=sv=1&sig=a secret',
			},
			wrong('ROLLCALL_TABLES_CONNECTION_STRING', 'is not a connection string with an account key'),
		],
		[
			'no name of the host',
			{ ...laptop, WEBSITE_HOSTNAME: '' },
			'set the app setting ROLLCALL_PUBLIC_ORIGIN, because WEBSITE_HOSTNAME is missing',
		],
		[
			'a public origin without TLS',
			{ ...laptop, ROLLCALL_PUBLIC_ORIGIN: 'http://scim.contoso.com' },
			wrong('ROLLCALL_PUBLIC_ORIGIN', 'is not an https address'),
		],
		...['https://scim.contoso.com/', 'https://scim.contoso.com/scim', 'https://a@scim.contoso.com'].map(
			(origin): [string, Variables, string] => [
				`a public origin that is ${origin}`,
				{ ...laptop, ROLLCALL_PUBLIC_ORIGIN: origin },
				wrong('ROLLCALL_PUBLIC_ORIGIN', 'is not an origin such as https://scim.contoso.com'),
			],
		),
		[
			'a namespace that is an address',
			{ ...laptop, ...relay, ROLLCALL_RELAY_NAMESPACE: 'https://acme.servicebus.windows.net' },
			wrong('ROLLCALL_RELAY_NAMESPACE', 'is not a host name such as contoso.servicebus.windows.net'),
		],
		[
			'a rate that is too low for Entra ID',
			{ ...laptop, ROLLCALL_RATE: '24' },
			wrong('ROLLCALL_RATE', 'is less than 25 a second'),
		],
		['a burst of one', { ...laptop, ROLLCALL_BURST: '1' }, wrong('ROLLCALL_BURST', 'is less than 25')],
		[
			'two wrong settings',
			{ ...laptop, ROLLCALL_RATE: '24', ROLLCALL_SCAN_LIMIT: 'a secret' },
			`${wrong('ROLLCALL_SCAN_LIMIT', 'is not a number')}; ROLLCALL_RATE is less than 25 a second`,
		],
		['a rate that is no number', { ...laptop, ROLLCALL_RATE: 'a secret' }, wrong('ROLLCALL_RATE', 'is not a number')],
		[
			'a key without its name',
			{ ...laptop, ...relay, ROLLCALL_RELAY_KEY_NAME: '' },
			'the app settings ROLLCALL_RELAY_KEY_NAME and ROLLCALL_RELAY_KEY belong together',
		],
		[
			'a name without its key',
			{ ...laptop, ...relay, ROLLCALL_RELAY_KEY: '' },
			'the app settings ROLLCALL_RELAY_KEY_NAME and ROLLCALL_RELAY_KEY belong together',
		],
		[
			'a key without a namespace',
			{ ...laptop, ...relay, ROLLCALL_RELAY_NAMESPACE: '' },
			'the app setting ROLLCALL_RELAY_KEY needs ROLLCALL_RELAY_NAMESPACE',
		],
		[
			'two places for the keys of the relay',
			{
				...laptop,
				...relay,
				ROLLCALL_RELAY_RESOURCE: 'https://management.azure.com/x',
				ROLLCALL_RELAY_LISTEN_KEY: 'x',
			},
			'set one of the app settings ROLLCALL_RELAY_RESOURCE and ROLLCALL_RELAY_LISTEN_KEY',
		],
	])('with %s are refused with their name and without a value', (_, variables, message) => {
		expect(() => parseSettings(variables)).toThrow(expect.objectContaining({ message }))
	})
})

describe('the services', () => {
	afterEach(() => vi.unstubAllEnvs())

	it.each(['WEBSITE_SITE_NAME', 'WEBSITE_INSTANCE_ID'])(
		'take no tokens from a file if %s shows that they run in Azure',
		async (name) => {
			vi.stubEnv(name, 'acme')
			await expect(
				createServices({ tables: { connectionString }, tokens: { file: '/data/tokens.json' } }),
			).rejects.toThrow('tokens are not read from a file inside Azure: set ROLLCALL_KEY_VAULT_URL instead')
		},
	)
})
