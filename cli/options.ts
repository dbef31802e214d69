import type { parseArgs } from 'node:util'
import { declaredSettings } from '../shared/tenants/settings.ts'

export type SettingOption = (typeof declaredSettings)[keyof typeof declaredSettings]['option']

const settingOptions = Object.fromEntries(
	Object.values(declaredSettings).map(({ option, isRepeated }) => [option, { type: 'string', multiple: isRepeated }]),
) as Readonly<Record<SettingOption, { readonly type: 'string'; readonly multiple: boolean }>> // sound: one for each setting

/** Every option of every command. */
export const declared = {
	help: { type: 'boolean', short: 'h' },
	version: { type: 'boolean' },
	json: { type: 'boolean' },
	data: { type: 'string' },
	azure: { type: 'boolean' },
	'resource-group': { type: 'string' },
	'tables-endpoint': { type: 'string' },
	'vault-url': { type: 'string' },
	'app-host': { type: 'string' },
	mode: { type: 'string' },
	...settingOptions,
	scope: { type: 'string' },
	label: { type: 'string' },
	enforce: { type: 'boolean' },
	since: { type: 'string' },
	overlap: { type: 'string' },
	admin: { type: 'boolean' },
	'expires-in': { type: 'string' },
	secret: { type: 'string' },
	issuer: { type: 'string' },
	subject: { type: 'string' },
	audience: { type: 'string' },
	application: { type: 'string' },
	'accept-v1': { type: 'boolean' },
	out: { type: 'string' },
	yes: { type: 'boolean' },
	'token-file': { type: 'string' },
	write: { type: 'boolean' },
	entra: { type: 'boolean' },
	name: { type: 'string' },
	oauth: { type: 'boolean' },
	assign: { type: 'string' },
	groups: { type: 'string' },
	'fix-externalid': { type: 'boolean' },
	'dry-run': { type: 'boolean' },
	unique: { type: 'boolean' },
	until: { type: 'string' },
	credential: { type: 'string' },
	only: { type: 'string', multiple: true },
	resource: { type: 'string' },
	force: { type: 'boolean' },
	expect: { type: 'string' },
	port: { type: 'string' },
	'no-open': { type: 'boolean' },
	now: { type: 'boolean' },
	offline: { type: 'boolean' },
	for: { type: 'string' },
} as const

export type Option = keyof typeof declared

/** The options as the user gave them. */
export type OptionValues = ReturnType<typeof parseArgs<{ options: typeof declared }>>['values']
