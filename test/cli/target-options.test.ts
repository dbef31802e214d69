import { describe, expect, test } from 'vitest'
import { targetSpecOf } from '../../cli/target-options.ts'

const endpoints = {
	'tables-endpoint': 'https://a.table.core.windows.net/',
	'vault-url': 'https://v.vault.azure.net',
	'app-host': 'a.azurewebsites.net',
}

describe('where a command works', () => {
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
		[{ data: '' }, '--data names no folder'],
		[{ azure: true }, '--azure does not say where in Azure'],
		[{ azure: true, data: 'x' }, '--data and --azure exclude each other'],
		[{ data: 'x', 'app-host': 'x' }, '--data and --app-host exclude each other'],
		[{ 'resource-group': 'x', 'vault-url': 'x' }, '--resource-group and --vault-url exclude each other'],
		[{ 'resource-group': 'x&y' }, '--resource-group x&y cannot be the name of a resource group'],
		[{ 'resource-group': 'x.' }, '--resource-group x. cannot be the name of a resource group'],
		[
			{ 'tables-endpoint': 'https://a.table.core.windows.net', 'vault-url': 'https://v.vault.azure.net' },
			'--app-host is missing',
		],
		[{ 'app-host': 'a.azurewebsites.net' }, '--tables-endpoint is missing'],
		[
			{ ...endpoints, 'vault-url': 'http://v.vault.azure.net' },
			'--vault-url http://v.vault.azure.net is not the address of one',
		],
		[{ ...endpoints, 'tables-endpoint': 'a' }, '--tables-endpoint a is not the address of one'],
		[{ ...endpoints, 'app-host': 'https://a' }, '--app-host https://a is not a host name'],
	])('%j is refused: %s', (values, message) => {
		expect(() => targetSpecOf(values)).toThrow(expect.objectContaining({ name: 'UsageError', message }))
	})
})
