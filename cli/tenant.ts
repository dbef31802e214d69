import { randomBytes } from 'node:crypto'
import type { Scope } from '../shared/auth/credential.ts'
import { storedDigestOf } from '../shared/auth/tokens.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import { sharedNamesAt } from '../shared/storage/fold-keys.ts'
import { isDigestAllowed, type TenantFormat } from '../shared/tenants/format.ts'
import { type StoredSettings, settingsOf } from '../shared/tenants/settings.ts'
import { parseTenantName, type Tenant } from '../shared/tenants/tenants.ts'
import { agentSettings, relayText, type TargetRelay } from './agent-settings.ts'
import type { TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import { refuseNewer } from './known-format.ts'
import type { OptionValues } from './options.ts'
import { assigned, chosenSettings, defaultsOf, refuseForeign } from './setting-options.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { statesOf } from './token-store.ts'

/** A new Secret Token. `stored` is the text that the token store keeps: the digest, or `value` itself. */
type NewToken = { readonly value: string; readonly stored: string }

/**
 * Makes a Secret Token: 32 random bytes in base64url. It is stored as a digest, unless version 0.1.0 may serve the tenant:
 * 0.1.0 would take a digest for the token itself, but it does not find tokens that may only read.
 */
export function newToken({ format }: Pick<Tenant, 'format'>, scope: Scope = 'scim'): NewToken {
	const value = randomBytes(32).toString('base64url')
	const isDigest = scope === 'scim.read' || isDigestAllowed(format)
	return { value, stored: isDigest ? storedDigestOf(value) : value }
}

export const addTenant: TargetCommand = ({ args: [text = ''], values, environment }) => {
	const name = newTenantName(text)
	const mode = modeOf(values)
	const settings = chosenSettings({ values, environment })
	refuseForeign(mode, settings)
	return async (target) => {
		const { tenant, token, version } = await addedTenant(target, { name, mode, settings: assigned(settings) })
		const url = target.urlOf(name)
		const { relay } = target
		return {
			text: [
				`Tenant URL    ${url}\nSecret Token  ${token}`,
				...(mode === 'relay' ? [relayText(tenant, relay)] : []),
				historyNote(target, tenant),
				...portNoteOf(target),
			].join('\n\n'),
			json: {
				name,
				mode,
				url,
				token,
				version,
				history: settingsOf(tenant).history,
				...(mode === 'relay' && { ...missingOf(relay), agentSettings: agentSettings(tenant, relay) }),
			},
		}
	}
}

type AddedTenant = {
	readonly tenant: Tenant
	/** The Secret Token, which is known only here. */
	readonly token: string
	readonly version: string
}

/**
 * Adds a tenant with a token.
 *
 * @throws Failure if there is such a tenant already, and if the token could not be added
 */
export async function addedTenant(
	target: DeploymentTarget,
	draft: Pick<Tenant, 'name' | 'mode' | 'settings'>,
): Promise<AddedTenant> {
	const { name } = draft
	// If the vault cannot be used, the command fails before it creates the tenant.
	await target.tokens.list(name)
	const tenant = await target.tenants.createTenant(draft)
	if (tenant === 'exists') {
		throw new Failure(`the tenant ${name} already exists`, {
			hint: `to add another token: ${target.commandLine(`token add ${name}`)}`,
		})
	}
	const { value: token, stored } = newToken(tenant)
	const { version } = await target.tokens.add(name, stored).catch((cause: unknown) => {
		const hint = `when that is fixed, add a token: ${target.commandLine(`token add ${name}`)}`
		throw new Failure(`the tenant ${name} was added, but its token was not: ${reasonOf(cause)}`, { hint, cause })
	})
	return { tenant, token, version }
}

const kept = {
	full: "The ledger keeps who changed what, and what was there before, for 30 days in this tenant's table.",
	names: "The ledger keeps who changed what, without values, for 30 days in this tenant's table.",
	off: 'The ledger keeps neither who changed what nor what was there before.',
} as const

const historyNote = (target: DeploymentTarget, tenant: Tenant): string =>
	`${kept[settingsOf(tenant).history]}\nTo change that: ${target.commandLine(`tenant set ${tenant.name} --history full|names|off`)}`

const portNoteOf = ({ portNote }: DeploymentTarget): readonly string[] => (portNote === undefined ? [] : [portNote])

const missingOf = (relay: TargetRelay) => ('missing' in relay ? { missing: relay.missing } : {})

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const listTenants: TargetCommand = () => async (target) => {
	const tenants = await target.tenants.listTenants()
	return {
		text:
			tenants.length === 0
				? 'There are no tenants.'
				: table([
						['NAME', 'MODE', 'FORMAT', 'CREATED'],
						...tenants.map(({ name, mode, format, created }) => [name, mode, formatInWords(format), created]),
					]),
		json: tenants.map(({ name, mode, format: { number, stage }, created }) => ({
			name,
			mode,
			format: number,
			formatStage: stage,
			created,
			url: target.urlOf(name),
		})),
	}
}

/** @example formatInWords({ number: 2, stage: 'announced', since: 0, position: '' }) // '2 announced' */
const formatInWords = ({ number, stage }: TenantFormat): string =>
	stage === 'complete' ? `${number}` : `${number} ${stage}`

/** The ids of each two users, or groups, that have one name, for which the change to format 2 waits. */
const sharedNamesIn = ({ number, stage, position }: TenantFormat): readonly (readonly [string, string])[] =>
	number === 2 && stage === 'written' ? sharedNamesAt(position) : []

export const showTenant: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const tenant = await tenantNamed(target, name)
		const { mode, settings, created } = tenant
		const states = statesOf(await target.tokens.list(name), Date.now())
		const accepted = states.filter((state) => state === 'accepted').length
		const counts = mode === 'store' ? await countsOf(target, tenant) : {}
		const sharedNames = sharedNamesIn(tenant.format)
		const defaults = defaultsOf(tenant)
		const url = target.urlOf(name)
		const { relay } = target
		return {
			text: [
				table([
					['Tenant URL', url],
					['Mode', mode],
					...cellsOf(settings),
					...cellsOf(defaults).map(([setting, value]) => [setting, `${value} (default)`] as const),
					['Created', created],
					...Object.entries(counts).map(([what, count]) => [what === 'users' ? 'Users' : 'Groups', String(count)]),
					['Tokens', `${accepted} accepted, ${states.length} in total`],
					...sharedNames.map((ids) => ['Shared name', ids.join(' and ')]),
				]),
				...(mode === 'relay' && 'missing' in relay ? [`Missing: ${relay.missing}`] : []),
				...portNoteOf(target),
			].join('\n\n'),
			json: {
				name,
				mode,
				url,
				settings,
				defaults,
				created,
				table: tenant.table,
				...(tenant.entra !== undefined && { entra: tenant.entra }),
				...(mode === 'relay' && missingOf(relay)),
				...counts,
				...(sharedNames.length > 0 && { sharedNames }),
				tokens: { accepted, all: states.length },
			},
		}
	}

/** How many users and groups a tenant has. Nothing is written. */
export const countsOf = (target: DeploymentTarget, tenant: Tenant) => target.ledger(tenant).counts()

export const setTenant: TargetCommand = ({ args: [name = ''], values, environment }) => {
	const changes = chosenSettings({ values, environment })
	if (Object.keys(changes).length === 0) {
		throw new UsageError('nothing to set', { hint: `${environment.program} tenant set --help` })
	}
	return async (target) => {
		const { mode } = await tenantNamed(target, name)
		refuseForeign(mode, changes)
		const tenant = await target.tenants.updateSettings(name, (settings) => assigned({ ...settings, ...changes }))
		if (tenant === 'absent') throw noTenant(target, name)
		const { settings } = tenant
		const cells = cellsOf(settings)
		const text = cells.length === 0 ? `The tenant ${name} has no settings of its own.` : table(cells)
		return { text, json: { name, mode, settings } }
	}
}

const cellsOf = (settings: StoredSettings): readonly (readonly [string, string])[] =>
	Object.entries(settings).map(([setting, value]) => [setting, String(value)])

/** @throws Failure if the tenant does not exist, and if this version may read its data wrongly */
export async function tenantNamed(target: DeploymentTarget, name: string): Promise<Tenant> {
	const tenant = await target.tenants.getTenant(name)
	if (tenant === undefined) throw noTenant(target, name)
	refuseNewer(tenant)
	return tenant
}

/** @throws Failure if the tenant does not exist, or if its directory is behind a relay */
export async function storeTenantNamed(target: DeploymentTarget, name: string): Promise<Tenant> {
	const tenant = await tenantNamed(target, name)
	if (tenant.mode === 'store') return tenant
	throw new Failure(`the tenant ${name} has no directory in Rollcall`, {
		hint: 'its mode is relay: its users and groups are in the SCIM server behind the relay',
	})
}

const noTenant = (target: DeploymentTarget, name: string): Failure =>
	new Failure(`there is no tenant ${name}`, { hint: target.commandLine('tenant list') })

/** @throws UsageError if the text may not be the name of a tenant */
export function newTenantName(text: string): string {
	const name = parseTenantName(text)
	if (name === undefined) {
		throw new UsageError(`${text} is not a valid name of a tenant`, {
			hint: 'use 2 to 39 lower-case letters and digits, with single hyphens between them; words such as "users" are reserved',
		})
	}
	return name
}

function modeOf({ mode = 'store' }: OptionValues): Tenant['mode'] {
	if (mode === 'store' || mode === 'relay') return mode
	throw new UsageError(`--mode ${mode} is not a valid mode`, { hint: 'use store or relay' })
}
