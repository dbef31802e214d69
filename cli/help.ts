import { declaredSettings } from '../shared/tenants/settings.ts'
import type { Command } from './command.ts'
import type { Option, SettingOption } from './options.ts'

type Description = readonly [value: string, text: string]

const settings = Object.fromEntries(
	Object.values(declaredSettings).map(({ option, values, modes, help }): [string, Description] => [
		option,
		[values, modes.length === 1 ? `mode ${modes[0]}: ${help}` : help],
	]),
) as Readonly<Record<SettingOption, Description>> // sound: one for each setting

/** The value of each option as the help shows it, and what the help says about the option. */
export const descriptions: Readonly<Record<Option, Description>> = {
	data: ['DIR', 'work on the data folder of npm start (default ./data)'],
	azure: ['', 'work on a deployment in Azure, as the user signed in to az; the next options imply it'],
	'resource-group': ['GROUP', 'work on the deployment of infra/deploy.sh in this resource group'],
	'tables-endpoint': ['URL', 'or work on these addresses: https://NAME.table.core.windows.net'],
	'vault-url': ['URL', 'https://NAME.vault.azure.net'],
	'app-host': ['HOST', 'the host name of the function app, for the Tenant URL'],
	mode: ['store|relay', 'where the directory is: in Rollcall, or in a SCIM server behind Azure Relay (default store)'],
	...settings,
	scope: ['full|read', 'what the credential may do: everything, or only read (default full)'],
	label: ['TEXT', 'what you call the credential, such as "HR application"'],
	enforce: ['', 'accept only the canonicalValues of each attribute that has some'],
	since: ['TIME', 'how far to look back, such as 24h or 7d; undo also takes a time such as 2026-01-31T08:00:00Z'],
	overlap: [
		'TIME',
		'how long the older tokens are still accepted, such as 30m or 7d (default 24h); a running host may accept them for ten minutes, even if TIME is shorter',
	],
	admin: ['', 'what administrators have done with rollcall'],
	'expires-in': ['TIME', 'how long the secret works, 1d to 1096d (default 365d)'],
	secret: ['ID', 'disable this secret alone'],
	issuer: ['URL', 'the issuer of the tokens of Entra, such as https://login.microsoftonline.com/TENANT_ID/v2.0'],
	subject: ['ID', 'the object id of the workload that gets the tokens'],
	audience: ['APP_ID', 'the application that the tokens are for: api://APP_ID or the id alone'],
	application: ['APP_ID', 'the only application that may ask for the tokens, if that is known'],
	'accept-v1': ['', 'accept tokens of version 1.0 too, if the workload can get no others'],
	out: ['FILE', 'write the export to this new file; the same command continues an interrupted export'],
	yes: ['', 'do not ask for confirmation'],
	'token-file': ['FILE', 'the file with the Secret Token, instead of the variable ROLLCALL_TOKEN'],
	write: ['', 'also create, change and delete a user and a group'],
	entra: [
		'',
		'token rotate: give the new token to Entra, let Entra try it, and only then end the one that Entra had; reader add: the ids are those of Entra',
	],
	name: ['NAME', 'the enterprise application in Entra (default "Rollcall - TENANT"); it is made if there is none'],
	oauth: ['', 'give Entra an OAuth client with a secret, and not a token'],
	assign: ['GROUP', 'assign this group to the application, by its name or object id; needs Entra ID P1'],
	groups: ['on|off', 'whether Entra provisions groups (default on for a new job)'],
	'fix-externalid': ['', 'in a job that exists, map externalId from objectId; Entra then writes every user anew'],
	'dry-run': ['', 'only say what would be done'],
	until: [
		'TIME',
		'the end of the time: so long ago, such as 30m, or a time such as 2026-01-31T08:00:00Z (default now)',
	],
	credential: ['CREDENTIAL', 'only what a credential has changed, by its id or label'],
	only: ['KIND', 'deletions, deactivations, memberships or attributes; may be given several times'],
	resource: ['ID', 'only one user or group'],
	force: ['', 'also what was changed again afterwards'],
	expect: ['N', 'with --yes: how many people become active again'],
	port: ['N', 'the port on 127.0.0.1 (default 7072, or a free one if that is in use; 0 for any free port)'],
	'no-open': ['', 'do not open the browser'],
	unique: ['', 'no two users may have the same value; users who share one already are listed'],
	now: ['', 'also end the tokens that agents have; they get new ones by themselves'],
	offline: [
		'',
		'for a server that reaches Azure Relay and not Rollcall: the code has a key of Azure Relay, which works until you remove the agent',
	],
	for: ['TIME', 'how long all deletions are allowed, such as 2h; 0s ends it'],
	json: ['', 'print JSON'],
	help: ['', 'print this help'],
	version: ['', 'print the version'],
}

/** The help that lists commands. */
export function help(commands: readonly Command[], program: string): string {
	const lines = commands.map((command) => [usageOf(command), command.summary] as const)
	return `${program} COMMAND
Administers the tenants of Rollcall and their tokens.

${columns(lines)}

${program} COMMAND --help
lists the options of a command. Without options, a command works on the data folder of npm start;
with --resource-group GROUP, on a deployment in Azure. See docs/cli.md.`
}

/** The help for one command, with its options. */
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
