import type { Readable } from 'node:stream'
import { ScimError } from '../shared/scim/error.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { CommandEnvironment, TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import type { DeploymentTarget } from './target.ts'
import { countsOf, tenantNamed } from './tenant.ts'
import { exportAnew, inWords } from './transfer/export.ts'

/**
 * Removes a tenant with its directory and its tokens, once its directory is in a file. Its tokens go first, so that nobody
 * comes in, and its row last, so that what fails on the way can be done again.
 */
export const removeTenant: TargetCommand =
	({ args: [name = ''], values: { yes = false, out: file = fileFor(name) }, environment }) =>
	async (target) => {
		const tenant = await tenantNamed(target, name)
		const content = await contentOf(target, tenant)
		if (!yes) await confirm(name, content, environment)
		const exported = content === undefined ? undefined : await exportAnew(target, tenant, { file, environment })
		await target.tokens.remove(name)
		await target.tenants.deleteTenant(name)
		const saved = exported === undefined ? '' : `Exported ${inWords(exported)} to ${file}\n`
		return {
			text: `${saved}The tenant ${name} is removed.`,
			json: { name, ...(exported !== undefined && { file, ...exported }) },
		}
	}

/** @example fileFor('acme') // 'acme-20260101T120000Z.ndjson' */
const fileFor = (name: string): string => `${name}-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}.ndjson`

/** What there is to export: undefined for a relay, and where an earlier removal has come as far as the table. */
async function contentOf(target: DeploymentTarget, tenant: Tenant): Promise<string | undefined> {
	if (tenant.mode === 'relay') return undefined
	try {
		return inWords(await countsOf(target, tenant))
	} catch (error) {
		if (isWithoutTable(error)) return undefined
		throw error
	}
}

const isWithoutTable = (error: unknown): boolean =>
	error instanceof ScimError &&
	error.cause instanceof Error &&
	/ (TableNotFound|TableBeingDeleted): /.test(error.cause.message)

async function confirm(name: string, content = 'no directory here', { err, input }: CommandEnvironment): Promise<void> {
	err(`The tenant ${name} has ${content}. It is removed for good.\nType its name to go on:\n`)
	const typed = await lineOf(input)
	if (typed !== name) {
		throw new Failure(`nothing is removed: ${JSON.stringify(typed)} is not the name`, {
			hint: `type ${name}, or give --yes`,
		})
	}
}

async function lineOf(input: Readable): Promise<string> {
	let text = ''
	for await (const chunk of input) {
		text += String(chunk)
		if (text.includes('\n')) break
	}
	return (text.split('\n')[0] ?? '').trim()
}
