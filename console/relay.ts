import * as z from 'zod'
import { recorded } from '../cli/administration.ts'
import { listedAgents } from '../cli/agent.ts'
import { agentSettings } from '../cli/agent-settings.ts'
import { checkFindings } from '../cli/check/check.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import { settingsOf } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError } from './answer.ts'
import type { AppHealth, CheckFindings, TenantRelay } from './answers/relay.ts'
import { tenantRoute } from './route.ts'

/** A token of the tenant: visible characters alone. Empty for one of this machine. */
const token = z.string().regex(/^[\x21-\x7e]{0,4096}$/, 'must be the token alone, without "Bearer"')

/** The page of the relay and of checks. */
export const relayRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/relay',
		handle: ({ tenant }, { target }) => relayOf(target, tenant),
	}),
	tenantRoute({
		method: 'POST',
		path: '/tenants/{tenant}/health',
		body: z.strictObject({ token }),
		handle: ({ tenant, body }, { target }) => healthOf(target, tenant, body.token),
	}),
	tenantRoute({
		method: 'POST',
		path: '/tenants/{tenant}/check',
		body: z.strictObject({ token, write: z.boolean() }),
		async handle({ tenant: { name }, body }, { target }): Promise<CheckFindings> {
			const value = await tokenOf(target, name, body.token)
			const work = () => checkFindings(new URL(target.urlOf(name)), value, { isWriting: body.write })
			const isFailure = (all: Awaited<ReturnType<typeof work>>) => all.some(({ verdict }) => verdict === 'FAIL')
			// A check that writes makes a user and a group in the directory, and deletes both.
			const findings = body.write
				? await recorded(target, { command: 'check --write', name, work, isFailure })
				: await work()
			return { findings }
		},
	}),
]

async function relayOf(target: DeploymentTarget, tenant: Tenant): Promise<TenantRelay> {
	const { relay } = target
	const { hybridConnection = tenant.name, agents: trusted = [] } = settingsOf(tenant)
	return {
		mode: tenant.mode,
		url: target.urlOf(tenant.name),
		...relay,
		hybridConnection,
		trusted,
		agents: tenant.mode === 'relay' ? await listedAgents(target, tenant) : [],
		agentSettings: agentSettings(tenant, relay),
		hasToken: target.tokens.value !== undefined,
	}
}

/** The token that the operator has pasted, or the newest one of this machine. */
async function tokenOf({ tokens }: DeploymentTarget, name: string, pasted: string): Promise<string> {
	if (pasted !== '') return pasted
	const now = Date.now()
	const usable = (await tokens.list(name)).filter(
		({ enabled, expires = Number.POSITIVE_INFINITY }) => enabled && expires > now,
	)
	for (const { version } of usable) {
		const value = await tokens.value?.(name, version)
		if (value !== undefined) return value
	}
	throw new ConsoleError('this needs a token of the tenant', {
		status: 400,
		hint: 'paste one; it is used once and not kept',
	})
}

/** What the app that serves the tenant says of itself. */
const healthAnswer = z.object({
	checks: z.array(
		z.object({
			name: z.string(),
			status: z.enum(['ok', 'failing']),
			milliseconds: z.number().optional(),
			detail: z.string().optional(),
		}),
	),
})

const appLimit = 30_000

async function healthOf(target: DeploymentTarget, { name }: Tenant, pasted: string): Promise<AppHealth> {
	const url = `${target.urlOf(name)}/health`
	const bearer = await tokenOf(target, name, pasted)
	const response = await fetch(url, {
		headers: { Authorization: `Bearer ${bearer}` },
		signal: AbortSignal.timeout(appLimit),
		redirect: 'error',
	}).catch((cause: unknown) => {
		throw new ConsoleError(`${url} does not answer: ${reasonOf(cause)}`, { status: 502, hint: 'is the app running?' })
	})
	if (response.status === 401)
		throw new ConsoleError('the app does not accept this token', { status: 400, hint: 'paste another one' })
	const { success, data } = healthAnswer.safeParse(await response.json().catch(() => undefined))
	if (!success)
		throw new ConsoleError(`${url} answered ${response.status} without its checks`, {
			status: 502,
			hint: 'is this the app?',
		})
	const checks = data.checks.map(({ milliseconds, detail, ...each }) => ({
		...each,
		...(milliseconds !== undefined && { milliseconds }),
		...(detail !== undefined && { detail }),
	}))
	return { checks }
}

const reasonOf = (error: unknown): string => {
	const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
	return cause instanceof Error ? cause.message : String(cause)
}
