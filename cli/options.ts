import type { parseArgs } from 'node:util'

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
	'hybrid-connection': { type: 'string' },
	agent: { type: 'string', multiple: true },
	authorization: { type: 'string' },
	'patch-as-post': { type: 'string' },
	scope: { type: 'string' },
	label: { type: 'string' },
	overlap: { type: 'string' },
	'expires-in': { type: 'string' },
	secret: { type: 'string' },
	issuer: { type: 'string' },
	subject: { type: 'string' },
	audience: { type: 'string' },
	application: { type: 'string' },
	'accept-v1': { type: 'boolean' },
	entra: { type: 'string' },
	out: { type: 'string' },
	yes: { type: 'boolean' },
	'token-file': { type: 'string' },
	write: { type: 'boolean' },
} as const

export type Option = keyof typeof declared

/** The options as the user gave them. */
export type OptionValues = ReturnType<typeof parseArgs<{ options: typeof declared }>>['values']
