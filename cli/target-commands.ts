import { recorded, showAdministration } from './administration.ts'
import { addAgent, listAgents, removeAgent, rotateAgents } from './agent.ts'
import { addClient, disableClient, listClients, rotateClient } from './client.ts'
import type { Command, TargetCommand } from './command.ts'
import { connectEntra } from './entra/connect.ts'
import { disconnectEntra } from './entra/disconnect.ts'
import { provisionUser } from './entra/provision.ts'
import { rotateEntraToken } from './entra/rotate.ts'
import { showEntraStatus } from './entra/status.ts'
import { erasePerson } from './erase.ts'
import { showFailures } from './failures.ts'
import { addFederation, addReader } from './federation.ts'
import { forgetPath } from './forget.ts'
import { allowDeletions, showGuard } from './guard.ts'
import { showHistory } from './history.ts'
import { addIndex, listIndexes, removeIndex } from './index-commands.ts'
import { adoptSchema, listObserved } from './observed.ts'
import { removeTenant } from './remove.ts'
import { addSchema, checkSchemas, listSchemas, removeSchema, showSchema } from './schema.ts'
import { allSettingOptions } from './setting-options.ts'
import { rotateKey } from './signing-keys.ts'
import { showStatus } from './status.ts'
import { openTarget } from './target.ts'
import { targetOptions, targetSpecOf } from './target-options.ts'
import { addTenant, listTenants, setTenant, showTenant } from './tenant.ts'
import { addToken, disableToken, listTokens, rotateToken } from './token.ts'
import { exportTenant } from './transfer/export.ts'
import { importTenant } from './transfer/import.ts'
import { undoChanges } from './undo.ts'

type TargetCommandDeclaration = Omit<Command, 'run' | 'work'> & {
	readonly work: TargetCommand
	readonly isFirst?: boolean
	/** Whether the command changes no tenant. Every other command is recorded in the table of its tenant. */
	readonly isReading?: boolean
}

/** A command that opens the deployment target, and closes it even if the command fails. */
const targetCommand = ({ work, isFirst = false, isReading = false, ...command }: TargetCommandDeclaration): Command => {
	const on = isReading ? work : recordedAs(command.words, work)
	return {
		...command,
		options: [...command.options, ...targetOptions],
		work: { isReading, on },
		async run(invocation) {
			const ready = on(invocation)
			const target = await openTarget(targetSpecOf(invocation.values), {
				isFirst,
				say: invocation.environment.err,
				program: invocation.environment.program,
			})
			try {
				return await ready(target)
			} finally {
				await target.close()
			}
		},
	}
}

/** The work of a command that leaves a row in the table of its tenant. */
const recordedAs =
	(words: string, work: TargetCommand): TargetCommand =>
	(invocation) => {
		const ready = work(invocation)
		return (target) =>
			recorded(target, {
				command: words,
				name: invocation.args[0] ?? '',
				work: ready,
				isFailure: (result) => result?.isFailure === true,
			})
	}

/** The commands that work on a deployment target. */
export const targetCommands: readonly Command[] = [
	targetCommand({
		words: 'tenant add',
		parameters: ['NAME'],
		options: ['mode', ...allSettingOptions],
		summary: 'add a tenant and print its Tenant URL and Secret Token',
		work: addTenant,
		isFirst: true,
	}),
	targetCommand({
		words: 'tenant list',
		parameters: [],
		options: [],
		summary: 'list the tenants',
		work: listTenants,
		isReading: true,
	}),
	targetCommand({
		words: 'tenant show',
		parameters: ['NAME'],
		options: [],
		summary: 'show a tenant',
		work: showTenant,
		isReading: true,
	}),
	targetCommand({
		words: 'tenant set',
		parameters: ['NAME'],
		options: allSettingOptions,
		summary: 'change settings of a tenant; an empty value removes a setting',
		work: setTenant,
	}),
	targetCommand({
		words: 'tenant remove',
		parameters: ['NAME'],
		options: ['out', 'yes'],
		summary: 'export a tenant, then remove it with its directory and tokens',
		work: removeTenant,
	}),
	targetCommand({
		words: 'index add',
		parameters: ['NAME', 'PATH'],
		options: ['unique'],
		summary: 'let filters find users by an attribute in one request, such as employeeNumber',
		work: addIndex,
	}),
	targetCommand({
		words: 'index list',
		parameters: ['NAME'],
		options: [],
		summary: 'list the indexes that were added to a tenant, with their state',
		work: listIndexes,
		isReading: true,
	}),
	targetCommand({
		words: 'index remove',
		parameters: ['NAME', 'PATH'],
		options: [],
		summary: 'remove an index that was added',
		work: removeIndex,
	}),
	targetCommand({
		words: 'token add',
		parameters: ['NAME'],
		options: ['scope', 'label'],
		summary: 'add a token to a tenant and print it, this one time only',
		work: addToken,
	}),
	targetCommand({
		words: 'token list',
		parameters: ['NAME'],
		options: [],
		summary: 'list the tokens of a tenant without their values',
		work: listTokens,
		isReading: true,
	}),
	targetCommand({
		words: 'token disable',
		parameters: ['NAME', 'VERSION'],
		options: [],
		summary: 'disable a token permanently',
		work: disableToken,
	}),
	targetCommand({
		words: 'token rotate',
		parameters: ['NAME'],
		options: ['scope', 'label', 'overlap', 'entra'],
		summary: 'add a token and set an expiry date for the older ones of the same scope',
		work: (invocation) => (invocation.values.entra ? rotateEntraToken : rotateToken)(invocation),
	}),
	targetCommand({
		words: 'schema add',
		parameters: ['NAME', 'FILE'],
		options: ['enforce'],
		summary: "declare a tenant's own attributes: documents of RFC 7643 section 7",
		work: addSchema,
	}),
	targetCommand({
		words: 'schema list',
		parameters: ['NAME'],
		options: [],
		summary: 'list the schemas that a tenant declares',
		work: listSchemas,
		isReading: true,
	}),
	targetCommand({
		words: 'schema show',
		parameters: ['NAME', 'URN'],
		options: [],
		summary: 'print a schema as it was declared',
		work: showSchema,
		isReading: true,
	}),
	targetCommand({
		words: 'schema check',
		parameters: ['NAME', '[FILE]'],
		options: [],
		summary: 'compare what is stored with the schemas, or with those in a file before they are declared',
		work: checkSchemas,
		isReading: true,
	}),
	targetCommand({
		words: 'schema remove',
		parameters: ['NAME', 'URN'],
		options: [],
		summary: 'declare a schema no longer; what is stored stays',
		work: removeSchema,
	}),
	targetCommand({
		words: 'schema observed',
		parameters: ['NAME'],
		options: [],
		summary: 'list the attributes that clients send and no schema declares',
		work: listObserved,
		isReading: true,
	}),
	targetCommand({
		words: 'schema adopt',
		parameters: ['NAME', 'PATH...'],
		options: [],
		summary: 'declare attributes that clients send, by path or by URN, with the types of what is stored',
		work: adoptSchema,
	}),
	targetCommand({
		words: 'schema forget',
		parameters: ['NAME', 'PATH'],
		options: [],
		summary: 'remove from all users and groups what is stored at a path that no schema declares',
		work: forgetPath,
	}),
	targetCommand({
		words: 'history',
		parameters: ['NAME', '[WHO]'],
		options: ['since', 'admin'],
		summary:
			'tell what happened to a user or a group, by userName, displayName or id; --admin: what administrators did',
		work: (invocation) => (invocation.values.admin ? showAdministration : showHistory)(invocation),
		isReading: true,
	}),
	targetCommand({
		words: 'failures',
		parameters: ['NAME'],
		options: ['since'],
		summary: 'tell what was refused in the last day, how many people it concerns, and what helps',
		work: showFailures,
		isReading: true,
	}),
	targetCommand({
		words: 'status',
		parameters: ['NAME'],
		options: [],
		summary: 'tell how a tenant is doing: people, last request, last write, failures today, losses of the last hour',
		work: showStatus,
		isReading: true,
	}),
	targetCommand({
		words: 'guard status',
		parameters: ['NAME'],
		options: [],
		summary: 'tell how many people and groups a tenant has lost in the last hour, and how many it may lose',
		work: showGuard,
		isReading: true,
	}),
	targetCommand({
		words: 'guard allow',
		parameters: ['NAME'],
		options: ['for'],
		summary: 'let the guard of a tenant allow all deletions for a while',
		work: allowDeletions,
	}),
	targetCommand({
		words: 'erase',
		parameters: ['NAME', 'WHO'],
		options: [],
		summary: 'take a person out of the ledger; the directory stays as it is',
		work: erasePerson,
	}),
	targetCommand({
		words: 'undo',
		parameters: ['NAME'],
		options: ['since', 'until', 'credential', 'only', 'resource', 'dry-run', 'force', 'yes', 'expect'],
		summary: 'take back deletions, deactivations, memberships or attributes that were changed in a time',
		work: undoChanges,
	}),
	targetCommand({
		words: 'client add',
		parameters: ['NAME'],
		options: ['scope', 'label', 'expires-in'],
		summary: 'add an OAuth client and print its id and secret, this one time only',
		work: addClient,
	}),
	targetCommand({
		words: 'client list',
		parameters: ['NAME'],
		options: [],
		summary: 'list the clients, federations and readers of a tenant without secrets',
		work: listClients,
		isReading: true,
	}),
	targetCommand({
		words: 'client disable',
		parameters: ['NAME', 'CLIENT'],
		options: ['secret'],
		summary: 'disable a client, federation or reader permanently',
		work: disableClient,
	}),
	targetCommand({
		words: 'client rotate',
		parameters: ['NAME', 'CLIENT'],
		options: ['overlap', 'expires-in'],
		summary: 'add a secret to a client and set an expiry date for the older ones',
		work: rotateClient,
	}),
	targetCommand({
		words: 'federation add',
		parameters: ['NAME'],
		options: ['issuer', 'subject', 'audience', 'application', 'accept-v1', 'scope', 'label'],
		summary: 'add an OAuth client that proves itself by a token of Entra, without a secret',
		work: addFederation,
	}),
	targetCommand({
		words: 'reader add',
		parameters: ['NAME', 'TENANT_ID/OBJECT_ID'],
		options: ['entra', 'audience', 'accept-v1', 'label'],
		summary: 'let an application in Azure read a tenant with its own identity',
		work: addReader,
	}),
	targetCommand({
		words: 'key rotate',
		parameters: ['NAME'],
		options: ['overlap'],
		summary: 'make another key for the access tokens of a tenant',
		work: rotateKey,
	}),
	targetCommand({
		words: 'agent add',
		parameters: ['NAME'],
		options: ['label', 'offline'],
		summary: 'let an agent enrol for a tenant of mode relay: prints a code, this one time only',
		work: addAgent,
	}),
	targetCommand({
		words: 'agent list',
		parameters: ['NAME'],
		options: [],
		summary: 'list the agents that have enrolled, or may enrol',
		work: listAgents,
		isReading: true,
	}),
	targetCommand({
		words: 'agent remove',
		parameters: ['NAME', 'AGENT'],
		options: [],
		summary: 'remove an agent: it gets no more tokens',
		work: removeAgent,
	}),
	targetCommand({
		words: 'agent rotate',
		parameters: ['NAME', '[AGENT]'],
		options: ['now'],
		summary:
			'renew the key of Azure Relay that signs tokens of agents; with AGENT, print a code for another key of that agent',
		work: rotateAgents,
	}),
	targetCommand({
		words: 'export',
		parameters: ['NAME'],
		options: ['out'],
		summary: 'write the users, groups and memberships of a tenant, one per line (NDJSON)',
		work: exportTenant,
		isReading: true,
	}),
	targetCommand({
		words: 'import',
		parameters: ['NAME', 'FILE'],
		options: [],
		summary: 'create what an export file has and the tenant lacks, with the same ids',
		work: importTenant,
	}),
	targetCommand({
		words: 'connect entra',
		parameters: ['NAME'],
		options: ['name', 'oauth', 'assign', 'groups', 'fix-externalid', 'dry-run'],
		summary: 'connect a tenant with Microsoft Entra ID, as the user signed in to az',
		work: connectEntra,
	}),
	targetCommand({
		words: 'disconnect entra',
		parameters: ['NAME'],
		options: [],
		summary: 'delete the provisioning job of a tenant in Entra, and disable the token that it has',
		work: disconnectEntra,
	}),
	targetCommand({
		words: 'entra status',
		parameters: ['NAME'],
		options: [],
		summary: 'show the provisioning job of a tenant, a quarantine in words, and who failed',
		work: showEntraStatus,
		isReading: true,
	}),
	targetCommand({
		words: 'entra provision',
		parameters: ['NAME', 'USER'],
		options: [],
		summary: 'let Entra provision one user now, and show its steps',
		work: provisionUser,
	}),
]
