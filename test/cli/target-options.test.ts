import { describe, expect, test } from 'vitest'
import { targetSpecOf } from '../../cli/target-options.ts'

const endpoints = {
	'tables-endpoint': 'https://a.table.core.windows.net/',
	'vault-url': 'https://v.vault.azure.net',
	'app-host': 'a.azurewebsites.net',
}

describe('the deployment target of a command', () => {
	test.each([
		[{}, { folder: 'data' }],
		[{ data: '/srv/data' }, { folder: '/srv/data' }],
		[{ 'resource-group': 'rg_1.(x)-é' }, { resourceGroup: 'rg_1.(x)-é' }],
		[{ azure: true, 'resource-group': 'rollcall' }, { resourceGroup: 'rollcall' }],
		[
			endpoints,
			{
				tablesEndpoint: 'https://a.table.core.windows.net',
				vaultUrl: 'https://v.vault.azure.net',
				appHost: 'a.azurewebsites.net',
			},
		],
	])('%j is %j', (values, where) => {
		expect(targetSpecOf(values)).toEqual(where)
	})

	test.each([
		[{ data: '' }, '--data needs a folder'],
		[{ azure: true }, '--azure needs a deployment'],
		[{ azure: true, data: 'x' }, '--data and --azure cannot be combined'],
		[{ data: 'x', 'app-host': 'x' }, '--data and --app-host cannot be combined'],
		[{ 'resource-group': 'x', 'vault-url': 'x' }, '--resource-group and --vault-url cannot be combined'],
		[{ 'resource-group': 'x&y' }, '--resource-group x&y is not a valid name of a resource group'],
		[{ 'resource-group': 'x.' }, '--resource-group x. is not a valid name of a resource group'],
		[
			{ 'tables-endpoint': 'https://a.table.core.windows.net', 'vault-url': 'https://v.vault.azure.net' },
			'--app-host is missing',
		],
		[{ 'app-host': 'a.azurewebsites.net' }, '--tables-endpoint is missing'],
		[
			{ ...endpoints, 'vault-url': 'http://v.vault.azure.net' },
			'--vault-url http://v.vault.azure.net is not a valid address',
		],
		[{ ...endpoints, 'tables-endpoint': 'a' }, '--tables-endpoint a is not a valid address'],
		[{ ...endpoints, 'app-host': 'https://a' }, '--app-host https://a is not a host name'],
	])('%j is refused: %s', (values, message) => {
		expect(() => targetSpecOf(values)).toThrow(expect.objectContaining({ name: 'UsageError', message }))
	})
})
