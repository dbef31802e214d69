import { version } from '../shared/cli/version.ts'
import { check } from './check/check.ts'
import type { Command } from './command.ts'
import { openConsole } from './console.ts'
import { targetCommands } from './target-commands.ts'
import { targetOptions } from './target-options.ts'

/** The commands of the program `rollcall`. */
export const commands: readonly Command[] = [
	...targetCommands,
	{
		words: 'console',
		parameters: [],
		options: ['port', 'no-open', ...targetOptions],
		summary: 'serve a page on this machine: tenants, people, failures, credentials and undo; Ctrl-C stops it',
		run: openConsole,
	},
	{
		words: 'check',
		parameters: ['URL'],
		options: ['token-file', 'write'],
		summary: "test a Tenant URL as Entra's Test Connection and Microsoft's SCIM Validator do",
		run: check,
	},
	{
		words: 'version',
		parameters: [],
		options: [],
		summary: 'print the version of Rollcall',
		run: async () => ({ text: version, json: { version } }),
	},
]
