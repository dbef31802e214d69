import type { Command } from './command.ts'
import type { Option } from './options.ts'

const descriptions: Readonly<Record<Option, readonly [value: string, text: string]>> = {
	data: ['DIR', 'work on the folder of npm start (default ./data)'],
	azure: [
		'',
		'work on a deployment in Azure, as whoever is signed in to az; goes without saying with the next options',
	],
	'resource-group': ['GROUP', 'work on what infra/deploy.sh deployed to this resource group'],
	'tables-endpoint': ['URL', 'or on these: https://NAME.table.core.windows.net'],
	'vault-url': ['URL', 'https://NAME.vault.azure.net'],
	'app-host': ['HOST', 'the host name of the function app, for the Tenant URL'],
	mode: ['store|relay', 'where the directory is: here, or a SCIM server behind Azure Relay (default store)'],
	'hybrid-connection': ['NAME', 'mode relay: the hybrid connection, where it is not called as the tenant'],
	agent: ['ID', 'mode relay: an agent to trust, where not every one is; may be given several times'],
	authorization: ['onPremises|passThrough', "mode relay: whether the SCIM server gets the client's own token"],
	'patch-as-post': ['true|false', 'mode relay: whether PATCH travels as POST, where the relay lets no PATCH pass'],
	overlap: ['TIME', 'how long the older tokens go on to be accepted, such as 30m or 7d (default 24h)'],
	out: ['FILE', 'write the export to this new file; an export that was interrupted goes on with it'],
	yes: ['', 'do not ask'],
	'token-file': ['FILE', 'the file that holds the Secret Token; or it is in the variable ROLLCALL_TOKEN'],
	write: ['', 'make, change and delete a user and a group of its own, too'],
	json: ['', 'print JSON'],
	help: ['', 'print this'],
}

/** All commands. */
export function help(commands: readonly Command[], program: string): string {
	const lines = commands.map((command) => [usageOf(command), command.summary] as const)
	return `${program} COMMAND
Administers the tenants of Rollcall and their tokens.

${columns(lines)}

${program} COMMAND --help
lists the options of a command. See docs/cli.md.`
}

/** One command with its options. */
export function commandHelp(command: Command, program: string): string {
	const options: readonly Option[] = [...command.options, 'json', 'help']
	const lines = options.map((option) => {
		const [value, text] = descriptions[option]
		return [`--${option} ${value}`.trim(), text] as const
	})
	return `${program} ${usageOf(command)}\n${command.summary}\n\n${columns(lines)}`
}

const usageOf = ({ words, parameters }: Command): string => [words, ...parameters].join(' ')

function columns(lines: readonly (readonly [string, string])[]): string {
	const width = Math.max(...lines.map(([left]) => left.length))
	return lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}
