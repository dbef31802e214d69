import type { Readable } from 'node:stream'
import { ScimError } from '../shared/scim/error.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { offlineAgents } from './agent.ts'
import type { CommandEnvironment, TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import type { DeploymentTarget } from './target.ts'
import { countsOf, tenantNamed } from './tenant.ts'
import { exportAnew, inWords } from './transfer/export.ts'

/**
 * Exports a tenant to a file, and then removes it with its directory and its tokens. The tokens go first, so that no client
 * gets in any more. The row of the tenant goes last, so that a removal that fails can be repeated.
 */
export const removeTenant: TargetCommand =
	({ args: [name = ''], values: { yes = false, out: file = fileFor(name) }, environment }) =>
	async (target) => {
		const tenant = await tenantNamed(target, name)
		await refuseWithKeys(target, tenant)
		const content = await contentOf(target, tenant)
		if (!yes) await confirm(name, content, environment)
		const exported = content === undefined ? undefined : await exportAnew(target, tenant, { file, environment })
		await target.tokens.remove(name)
		await target.signingKeys.remove(name)
		await target.tenants.deleteTenant(name)
		const saved = exported === undefined ? '' : `Exported ${inWords(exported)} to ${file}\n`
		return {
			text: `${saved}The tenant ${name} was removed.`,
			json: { name, ...(exported !== undefined && { file, ...exported }) },
		}
	}

/** @example fileFor('acme') // 'acme-20260101T120000Z.ndjson' */
export const fileFor = (name: string): string => `${name}-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}.ndjson`

/** What the export will hold, in words; undefined for a relay, and if an earlier removal has deleted the table. */
async function contentOf(target: DeploymentTarget, tenant: Tenant): Promise<string | undefined> {
	if (tenant.mode === 'relay') return undefined
	try {
		return inWords(await countsOf(target, tenant))
	} catch (error) {
		if (isWithoutTable(error)) return undefined
		throw error
	}
}

/** Keys of Azure Relay outlive the tenant. A new tenant of this name would be open to them. */
async function refuseWithKeys(target: DeploymentTarget, tenant: Tenant): Promise<void> {
	if (tenant.mode !== 'relay') return
	const [agent] = await offlineAgents(target, tenant).catch((error: unknown) => {
		if (isWithoutTable(error)) return []
		throw error
	})
	if (agent === undefined) return
	throw new Failure(`the agent ${agent.id} of the tenant ${tenant.name} has a key of Azure Relay`, {
		hint: target.commandLine(`agent remove ${tenant.name} ${agent.id}`),
	})
}

/** Whether an error says that the table of a tenant is gone: an earlier removal has deleted it. */
export const isWithoutTable = (error: unknown): boolean =>
	error instanceof ScimError &&
	error.cause instanceof Error &&
	/ (TableNotFound|TableBeingDeleted)\b/.test(error.cause.message)

async function confirm(
	name: string,
	content = 'no directory in Rollcall',
	{ err, input }: CommandEnvironment,
): Promise<void> {
	err(`The tenant ${name} has ${content}. The removal cannot be undone.\nType the name of the tenant to continue:\n`)
	const answer = await lineOf(input)
	if (answer !== name) {
		throw new Failure(`nothing was removed: ${JSON.stringify(answer)} is not the name of the tenant`, {
			hint: `type ${name}, or give --yes`,
		})
	}
}

/** The first line that the user types. */
export async function lineOf(input: Readable): Promise<string> {
	let text = ''
	for await (const chunk of input) {
		text += String(chunk)
		if (text.includes('\n')) break
	}
	return (text.split('\n')[0] ?? '').trim()
}
