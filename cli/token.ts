import type { Scope } from '../shared/auth/credential.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TargetCommand } from './command.ts'
import { labelOf, scopeOf } from './credential-options.ts'
import { parseDuration } from './duration.ts'
import { Failure } from './failure.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { newToken, tenantNamed } from './tenant.ts'
import { statesOf, type TokenDescription, type TokenState, type TokenVersion } from './token-store.ts'

export const addToken: TargetCommand = ({ args: [name = ''], values }) => {
	const description = { ...labelOf(values), scope: scopeOf(values) }
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		return tokenResult(target, name, await addedToken(target, tenant, description))
	}
}

export const listTokens: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const listed = await tokensOf(target, await tenantNamed(target, name))
		const rows = listed.map(
			({ version, state, scope, label = '', stored, created, notBefore = '', expires = '', lastUsed = '' }) => [
				...[version, state, scope, label, stored],
				...[created, notBefore, expires, lastUsed],
			],
		)
		return {
			text: rows.length === 0 ? `The tenant ${name} has no tokens.` : table([columns, ...rows]),
			json: listed,
		}
	}

/** A token without its value. Times are RFC 3339, UTC. */
export type DescribedToken = {
	readonly version: string
	readonly created: string
	readonly notBefore?: string
	readonly expires?: string
	readonly state: TokenState
	readonly scope: Scope
	readonly label?: string
	readonly stored: 'digest' | 'plain'
	readonly lastUsed?: string
}

/** The tokens of a tenant, newest first. */
export async function tokensOf(target: DeploymentTarget, tenant: Tenant): Promise<readonly DescribedToken[]> {
	const [tokens, lastUses] = await Promise.all([target.tokens.list(tenant.name), target.lastUses(tenant)])
	const states = statesOf(tokens, Date.now())
	return tokens.map((token, index) => ({
		...datesOf(token),
		state: states[index] ?? 'disabled',
		scope: token.scope,
		...(token.label !== undefined && { label: token.label }),
		stored: token.isDigest ? 'digest' : 'plain',
		...lastUseOf(lastUses, token),
	}))
}

const columns = ['VERSION', 'STATE', 'SCOPE', 'LABEL', 'STORED', 'CREATED', 'NOT BEFORE', 'EXPIRES', 'LAST USED']

type LastUsesByVersion = ReadonlyMap<string, string>

function lastUseOf(lastUses: LastUsesByVersion, { version }: Pick<TokenVersion, 'version'>) {
	const lastUsed = lastUses.get(version)
	return lastUsed === undefined ? {} : { lastUsed }
}

export const disableToken: TargetCommand =
	({ args: [name = '', version = ''] }) =>
	async (target) => {
		await tenantNamed(target, name)
		const tokens = await target.tokens.list(name)
		const disabled = tokens.find((token) => token.version === version)
		if (disabled === undefined) {
			throw new Failure(`the tenant ${name} has no token ${version}`, {
				hint: target.commandLine(`token list ${name}`),
			})
		}
		await target.tokens.change(name, disabled, { enabled: false })
		const remaining = tokens.map((token) => (token.version === version ? { ...token, enabled: false } : token))
		const accepted = statesOf(remaining, Date.now()).filter((state) => state === 'accepted').length
		const none = accepted === 0 ? `\nThe tenant ${name} now has no accepted token.` : ''
		return {
			text: `The token ${version} was disabled. A running host refuses it within ten minutes.${none}`,
			json: { name, version, state: 'disabled', accepted },
		}
	}

/**
 * Adds a token and sets an expiry for the older ones of its scope, so that the administrator need not disable them later. A
 * label that all of them have is the new token's label too.
 */
export const rotateToken: TargetCommand = ({ args: [name = ''], values }) => {
	const overlap = overlapOf(values.overlap)
	const scope = scopeOf(values)
	const chosen = labelOf(values)
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		const end = endAfter(overlap)
		const before = await target.tokens.list(name)
		const ending = before.filter(
			(token) => token.scope === scope && token.enabled && (token.expires ?? Number.POSITIVE_INFINITY) > end,
		)
		const added = await addedToken(target, tenant, { ...commonLabel(ending), ...chosen, scope })
		const { text, json } = tokenResult(target, name, added)
		try {
			for (const token of ending) await target.tokens.change(name, token, { expires: end })
		} catch (cause) {
			// The token is shown only here, so the error must contain it.
			throw new Failure(`not all of the older tokens have an expiry now: ${String(cause)}`, {
				hint: `the new token is ${added.value}; disable the others when it is in use: ${target.commandLine(`token list ${name}`)}`,
				cause,
			})
		}
		const ends = new Date(end).toISOString()
		const endsSoon = ending.length > 0 && overlap < rereadWithin
		return {
			text: [
				text,
				...ending.map(({ version }) => `The token ${version} expires at ${ends}.`),
				...(endsSoon ? ['A running host notices the expiry within ten minutes.'] : []),
			].join('\n'),
			json: { ...json, ending: ending.map(({ version }) => ({ version, expires: ends })) },
		}
	}
}

/** A running host reads its tokens again within this time, in milliseconds. */
const rereadWithin = 10 * 60_000

function commonLabel(tokens: readonly TokenVersion[]): { readonly label?: string } {
	const [first] = tokens
	const isCommon = tokens.every(({ label }) => label === first?.label)
	return isCommon && first?.label !== undefined ? { label: first.label } : {}
}

/** Hosts accept at most this many tokens of a tenant with one scope. */
const maxAccepted = 4

/** Adds a token to a tenant. Its value is known only here. */
export async function addedToken(target: DeploymentTarget, tenant: Tenant, description: TokenDescription) {
	const { name } = tenant
	const { scope = 'scim' } = description
	const tokens = await target.tokens.list(name)
	const states = statesOf(tokens, Date.now())
	const accepted = tokens.filter((token, index) => states[index] === 'accepted' && token.scope === scope)
	if (accepted.length >= maxAccepted) throw await tooManyTokens(target, tenant, accepted)
	const { value, stored } = newToken(tenant, scope)
	return { ...(await target.tokens.add(name, stored, description)), value }
}

/** Names the tokens with their last use, so that the administrator can tell which one is no longer needed. */
async function tooManyTokens(
	target: DeploymentTarget,
	tenant: Tenant,
	accepted: readonly TokenVersion[],
): Promise<Failure> {
	const { name } = tenant
	const lastUses = await target.lastUses(tenant)
	const oldestFirst = accepted.toReversed()
	const listed = oldestFirst.map((token) => {
		const { version, created, label } = token
		const { lastUsed } = lastUseOf(lastUses, token)
		const use = lastUsed === undefined ? 'unused' : `last used ${lastUsed}`
		return `${version} of ${new Date(created).toISOString()}${label === undefined ? '' : ` (${label})`}, ${use}`
	})
	const kind = accepted[0]?.scope === 'scim.read' ? 'tokens that may only read' : 'tokens'
	return new Failure(
		`the tenant ${name} has ${maxAccepted} ${kind}, and only the newest ${maxAccepted} are accepted; oldest first: ${listed.join('; ')}`,
		{ hint: disableHint(target, name, leastUsed(oldestFirst, lastUses)) },
	)
}

/** The first token without a recorded use, or else the one whose last use is the oldest. */
function leastUsed(tokens: readonly TokenVersion[], lastUses: LastUsesByVersion) {
	const used = tokens.map(({ version }) => ({ version, lastUsed: lastUses.get(version) ?? '' }))
	return used.toSorted((a, b) => (a.lastUsed < b.lastUsed ? -1 : Number(a.lastUsed > b.lastUsed)))[0]
}

const disableHint = (
	target: DeploymentTarget,
	name: string,
	token: ReturnType<typeof leastUsed> = { version: '', lastUsed: '' },
): string =>
	`${token.lastUsed === '' ? `the token ${token.version} has no recorded use; disable it if you know that nothing uses it` : 'disable the one that was used longest ago, if it is no longer in use'}: ${target.commandLine(`token disable ${name} ${token.version}`)}`

function tokenResult(
	target: DeploymentTarget,
	name: string,
	{ value, version }: { readonly value: string; readonly version: string },
) {
	const url = target.urlOf(name)
	return {
		text: `Tenant URL    ${url}\nSecret Token  ${value}`,
		json: { name, url, token: value, version },
	}
}

const datesOf = ({ version, created, notBefore, expires }: TokenVersion) => ({
	version,
	created: new Date(created).toISOString(),
	...(notBefore !== undefined && { notBefore: new Date(notBefore).toISOString() }),
	...(expires !== undefined && { expires: new Date(expires).toISOString() }),
})

/** The time after an overlap, in whole seconds, as the vault keeps it; milliseconds since 1970. */
export const endAfter = (overlap: number): number => Math.ceil((Date.now() + overlap) / 1000) * 1000

const defaultOverlap = '24h'
const longestOverlap = '90d'

/** @throws UsageError if the text is no time, or too long */
export function overlapOf(text = defaultOverlap): number {
	const overlap = parseDuration(text)
	if (overlap !== undefined && overlap <= (parseDuration(longestOverlap) ?? 0)) return overlap
	throw new UsageError(`--overlap ${text} is not a valid time`, {
		hint: `use a time such as 30m, 24h or 7d, up to ${longestOverlap}; or 0s`,
	})
}
