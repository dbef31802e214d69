import { UsageError } from '../shared/cli/usage-error.ts'
import type { Option, OptionValues } from './options.ts'

/** The deployment target that the command line names. */
export type TargetSpec =
	| { readonly folder: string }
	| { readonly resourceGroup: string }
	| { readonly tablesEndpoint: string; readonly vaultUrl: string; readonly appHost: string }

const endpointOptions = ['tables-endpoint', 'vault-url', 'app-host'] as const
const azureOptions = ['azure', 'resource-group', ...endpointOptions] as const

/** The options that name the deployment target. */
export const targetOptions = ['data', ...azureOptions] as const satisfies readonly Option[]

/** @throws UsageError if the options name no deployment target, or more than one */
export function targetSpecOf(values: OptionValues): TargetSpec {
	const [azure] = azureOptions.filter((option) => values[option] !== undefined)
	if (azure === undefined) return { folder: folderOf(values.data) }
	if (values.data !== undefined) throw exclusive('data', azure)
	const [endpoint] = endpointOptions.filter((option) => values[option] !== undefined)
	const group = values['resource-group']
	if (group !== undefined) {
		if (endpoint !== undefined) throw exclusive('resource-group', endpoint)
		return { resourceGroup: groupOf(group) }
	}
	if (endpoint === undefined) {
		throw new UsageError('--azure needs a deployment', { hint: 'add --resource-group GROUP' })
	}
	return {
		tablesEndpoint: urlOf(values, 'tables-endpoint'),
		vaultUrl: urlOf(values, 'vault-url'),
		appHost: hostOf(values),
	}
}

/** The options that name this target on a command line; none for the default folder. */
export function targetArguments(spec: TargetSpec): readonly string[] {
	if ('folder' in spec) return spec.folder === defaultFolder ? [] : ['--data', spec.folder]
	if ('resourceGroup' in spec) return ['--resource-group', spec.resourceGroup]
	const { tablesEndpoint, vaultUrl, appHost } = spec
	return ['--tables-endpoint', tablesEndpoint, '--vault-url', vaultUrl, '--app-host', appHost]
}

const exclusive = (one: Option, other: Option): UsageError =>
	new UsageError(`--${one} and --${other} cannot be combined`, { hint: 'leave out one of them' })

const defaultFolder = 'data'

function folderOf(data = defaultFolder): string {
	if (data === '') throw new UsageError('--data needs a folder', { hint: 'leave it out for ./data' })
	return data
}

function groupOf(group: string): string {
	// https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftresources
	if (/^[\p{L}\p{N}_.()-]{0,89}[\p{L}\p{N}_()-]$/u.test(group)) return group
	throw new UsageError(`--resource-group ${group} is not a valid name of a resource group`, {
		hint: 'az group list --output table',
	})
}

function requiredEndpoint(values: OptionValues, option: (typeof endpointOptions)[number]): string {
	const value = values[option]
	if (value !== undefined) return value
	throw new UsageError(`--${option} is missing`, {
		hint: `${endpointOptions.map((each) => `--${each}`).join(', ')} are needed together; or give --resource-group`,
	})
}

function urlOf(values: OptionValues, option: 'tables-endpoint' | 'vault-url'): string {
	const text = requiredEndpoint(values, option)
	const url = URL.canParse(text) ? new URL(text) : undefined
	if (url?.protocol === 'https:') return text.replace(/\/$/, '')
	const example = option === 'vault-url' ? 'https://NAME.vault.azure.net' : 'https://NAME.table.core.windows.net'
	throw new UsageError(`--${option} ${text} is not a valid address`, { hint: `it looks like ${example}` })
}

function hostOf(values: OptionValues): string {
	const host = requiredEndpoint(values, 'app-host')
	if (/^[a-z0-9.-]+(:\d+)?$/i.test(host)) return host
	throw new UsageError(`--app-host ${host} is not a host name`, { hint: 'it looks like NAME.azurewebsites.net' })
}
