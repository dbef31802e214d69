import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import * as z from 'zod'
import { codeOf } from '../shared/cli/usage-error.ts'
import { listenKeyName } from '../shared/relay/enrolment.ts'
import { Failure } from './failure.ts'

/** The addresses of a deployment that commands need. */
export type Deployment = {
	/** `https://<account>.table.core.windows.net` */
	readonly tablesEndpoint: string
	/** `https://<vault>.vault.azure.net` */
	readonly vaultUrl: string
	/** The host name of the app, by which clients reach it. */
	readonly appHost: string
	/** `<namespace>.servicebus.windows.net`; undefined if the deployment has no relay. */
	readonly relayHost?: string | undefined
}

const outputs = z.object({
	hostName: z.object({ value: z.string() }),
	/** Missing in a deployment by version 0.1.0. */
	publicOrigin: z.object({ value: z.url() }).optional(),
	storageAccountName: z.object({ value: z.string() }),
	keyVaultName: z.object({ value: z.string() }),
	relayHostName: z.object({ value: z.string().nullish() }).optional(),
})

/** Asks Azure for the deployment of infra/deploy.sh in a resource group. Signs in as the user of `az`. */
export async function findDeployment(group: string): Promise<Deployment> {
	const parsed = outputs.safeParse(JSON.parse(await outputsOf(group)))
	if (!parsed.success) {
		throw new Failure(`the deployment in the resource group ${group} is not a deployment of Rollcall`, {
			hint: 'deploy again with infra/deploy.sh, or give --tables-endpoint, --vault-url and --app-host',
			cause: parsed.error,
		})
	}
	const { hostName, publicOrigin, storageAccountName, keyVaultName, relayHostName } = parsed.data
	return {
		tablesEndpoint: `https://${storageAccountName.value}.table.core.windows.net`,
		vaultUrl: `https://${keyVaultName.value}.vault.azure.net`,
		appHost: publicOrigin === undefined ? hostName.value : new URL(publicOrigin.value).host,
		relayHost: relayHostName?.value ?? undefined,
	}
}

/** The name that infra/deploy.sh gives its deployment. */
const deployment = 'rollcall'

function outputsOf(group: string): Promise<string> {
	const args = ['deployment', 'group', 'show', '--resource-group', group, '--name', deployment]
	return azText([...args, '--query', 'properties.outputs', '--output', 'json'], {
		message: `the resource group ${group} has no deployment of Rollcall that you can see`,
		hint: `az deployment group list --resource-group ${group} --output table`,
	})
}

/** One of the two keys of the rule by which listen tokens are signed. */
export type ListenKeyChoice = 'primary' | 'secondary'

/** The key rules of hybrid connections, as the user signed in to az may change them. */
export type RelayRules = {
	/** Renews a key of the rule by which the app signs. */
	renew(hybridConnection: string, key: ListenKeyChoice): Promise<void>
	/** Makes a rule with the right to listen, and answers its key. */
	add(hybridConnection: string, rule: string): Promise<string>
	remove(hybridConnection: string, rule: string): Promise<void>
}

type RelayAddress = {
	readonly group: string
	/** `<namespace>.servicebus.windows.net` */
	readonly relayHost: string
}

/** Works on the rules by az. Queries leave the keys out of what az prints, except the one key of a new rule. */
export function relayRules({ group, relayHost }: RelayAddress): RelayRules {
	const [namespace = ''] = relayHost.split('.')
	const inGroup = ['--resource-group', group]
	const onRule = (hybridConnection: string, rule: string) => [
		...inGroup,
		...['--namespace-name', namespace, '--hybrid-connection-name', hybridConnection, '--name', rule],
	]
	const failed = (what: string) => ({
		message: what,
		hint: 'this takes the role Contributor on the namespace, and a deployment of this version by infra/deploy.sh',
	})
	const rules = ['relay', 'hyco', 'authorization-rule']
	const text = (...query: readonly string[]) => ['--query', ...query, '--output', 'tsv']
	return {
		async renew(hybridConnection, key) {
			const which = ['--key', key === 'primary' ? 'PrimaryKey' : 'SecondaryKey']
			const args = [...rules, 'keys', 'renew', ...onRule(hybridConnection, listenKeyName), ...which]
			const what = `the key ${listenKeyName} of the hybrid connection ${hybridConnection} was not renewed`
			await azText([...args, ...text('keyName')], failed(what))
		},
		async add(hybridConnection, rule) {
			const what = failed(`the hybrid connection ${hybridConnection} got no key for the agent`)
			const where = onRule(hybridConnection, rule)
			await azText([...rules, 'create', ...where, '--rights', 'Listen', ...text('name')], what)
			return (await azText([...rules, 'keys', 'list', ...where, ...text('primaryKey')], what)).trim()
		},
		async remove(hybridConnection, rule) {
			const parent = ['--parent', `namespaces/${namespace}/hybridConnections/${hybridConnection}`]
			const type = ['--namespace', 'Microsoft.Relay', ...parent, '--resource-type', 'authorizationRules']
			const args = ['resource', 'delete', ...inGroup, ...type, '--name', rule, '--api-version', '2024-01-01']
			await azText(args, failed(`the key ${rule} of the hybrid connection ${hybridConnection} was not deleted`))
		},
	}
}

const azFailed = { message: 'az failed', hint: 'az login' }

/**
 * What az prints.
 *
 * @param failed what to say if az fails for another reason than a missing sign-in
 */
export async function azText(args: readonly string[], failed = azFailed): Promise<string> {
	try {
		// On Windows az is a batch file, which needs a shell.
		return (await promisify(execFile)('az', args, { shell: process.platform === 'win32' })).stdout
	} catch (cause) {
		if (codeOf(cause) === 'ENOENT') {
			const hint = 'install it, or use Azure Cloud Shell: https://learn.microsoft.com/cli/azure/install-azure-cli'
			throw new Failure('az, the Azure CLI, is not installed', { hint, cause })
		}
		const reason = firstErrorLine(cause)
		if (/az login/.test(reason)) throw new Failure('az is not signed in', { hint: 'az login', cause })
		throw new Failure(`${failed.message}: ${reason}`, { hint: failed.hint, cause })
	}
}

/** The first line of the error output of a failed command. */
function firstErrorLine(error: unknown): string {
	const stderr = z.object({ stderr: z.string() }).safeParse(error).data?.stderr ?? String(error)
	return stderr.trim().split('\n')[0] ?? ''
}
