import { UsageError } from '../shared/cli/usage-error.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TargetCommand } from './command.ts'
import { parseDuration } from './duration.ts'
import { Failure } from './failure.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { newToken, tenantNamed } from './tenant.ts'
import { statesOf, type TokenVersion } from './token-store.ts'

export const addToken: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const tenant = await tenantNamed(target, name)
		return tokenResult(target, name, await add(target, tenant))
	}

export const listTokens: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		await tenantNamed(target, name)
		const tokens = await target.tokens.list(name)
		const states = statesOf(tokens, Date.now())
		const listed = tokens.map((token, index) => ({
			...datesOf(token),
			state: states[index] ?? '',
			stored: token.isDigest ? 'digest' : 'plain',
		}))
		const rows = listed.map(({ version, state, stored, created, notBefore = '', expires = '' }) => [
			version,
			state,
			stored,
			created,
			notBefore,
			expires,
		])
		return {
			text:
				rows.length === 0
					? `The tenant ${name} has no tokens.`
					: table([['VERSION', 'STATE', 'STORED', 'CREATED', 'NOT BEFORE', 'EXPIRES'], ...rows]),
			json: listed,
		}
	}

export const disableToken: TargetCommand =
	({ args: [name = '', version = ''] }) =>
	async (target) => {
		await tenantNamed(target, name)
		const tokens = await target.tokens.list(name)
		if (!tokens.some((token) => token.version === version)) {
			throw new Failure(`the tenant ${name} has no token ${version}`, {
				hint: target.commandLine(`token list ${name}`),
			})
		}
		await target.tokens.change(name, version, { enabled: false })
		const remaining = tokens.map((token) => (token.version === version ? { ...token, enabled: false } : token))
		const accepted = statesOf(remaining, Date.now()).filter((state) => state === 'accepted').length
		const none = accepted === 0 ? `\nThe tenant ${name} now has no accepted token.` : ''
		return {
			text: `The token ${version} was disabled. A running host refuses it within ten minutes.${none}`,
			json: { name, version, state: 'disabled', accepted },
		}
	}

/** Adds a token and sets an expiry for the older ones, so that the administrator need not disable them later. */
export const rotateToken: TargetCommand = ({ args: [name = ''], values }) => {
	const overlap = overlapOf(values.overlap)
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		const end = Math.ceil((Date.now() + overlap) / 1000) * 1000
		const before = await target.tokens.list(name)
		const ending = before.filter(({ enabled, expires = Number.POSITIVE_INFINITY }) => enabled && expires > end)
		const added = await add(target, tenant)
		const { text, json } = tokenResult(target, name, added)
		try {
			for (const { version } of ending) await target.tokens.change(name, version, { expires: end })
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

/** Hosts accept at most this many tokens of a tenant. */
const maxAccepted = 4

async function add(target: DeploymentTarget, tenant: Tenant): Promise<TokenVersion & { readonly value: string }> {
	const { name } = tenant
	const tokens = await target.tokens.list(name)
	const states = statesOf(tokens, Date.now())
	const accepted = tokens.filter((_, index) => states[index] === 'accepted')
	if (accepted.length >= maxAccepted) {
		const oldestFirst = accepted.toReversed()
		const listed = oldestFirst.map(({ version, created }) => `${version} of ${new Date(created).toISOString()}`)
		throw new Failure(
			`the tenant ${name} has ${maxAccepted} tokens, and only the newest ${maxAccepted} are accepted; oldest first: ${listed.join(', ')}`,
			{
				hint: `disable the oldest if it is no longer in use: ${target.commandLine(`token disable ${name} ${oldestFirst[0]?.version}`)}`,
			},
		)
	}
	const { value, stored } = newToken(tenant)
	return { ...(await target.tokens.add(name, stored)), value }
}

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

const defaultOverlap = '24h'
const longestOverlap = '90d'

function overlapOf(text = defaultOverlap): number {
	const overlap = parseDuration(text)
	if (overlap !== undefined && overlap <= (parseDuration(longestOverlap) ?? 0)) return overlap
	throw new UsageError(`--overlap ${text} is not a valid time`, {
		hint: `use a time such as 30m, 24h or 7d, up to ${longestOverlap}; or 0s`,
	})
}
