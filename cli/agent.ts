import { randomBytes, randomUUID } from 'node:crypto'
import { version as ownVersion } from '../shared/cli/version.ts'
import {
	type AgentList,
	type ListedAgent,
	parseAgents,
	rotationLife,
	stateOfAgent,
	withNewAgent,
	withNewCode,
	withOfflineAgent,
	withoutAgent,
	withoutRotation,
	withRotation,
} from '../shared/relay/agent-list.ts'
import {
	codeLife,
	keyFingerprint,
	listenTokenLife,
	maxAgents,
	writeCode,
	writeOfflineCode,
} from '../shared/relay/enrolment.ts'
import { shownVersion } from '../shared/relay/versions.ts'
import { settingsOf } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { RelayRules } from './azure.ts'
import type { CommandResult, TargetCommand } from './command.ts'
import { labelOf } from './credential-options.ts'
import { Failure } from './failure.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { tenantNamed } from './tenant.ts'

// The agents that enrol with a code: shared/relay/enrolment.ts. The command line never sees a key of Azure Relay.

export const addAgent: TargetCommand = ({ args: [name = ''], values }) => {
	const label = labelOf(values)
	return async (target) => {
		const tenant = await relayTenantNamed(target, name)
		const id = randomUUID()
		if (values.offline) return addOffline(target, tenant, { id, ...label })
		const secret = newSecret()
		await changeAgents(target, tenant, (list) => {
			const next = withNewAgent(list, { id, secret, ...label }, Date.now())
			return next === 'full' ? refuseFull(target, name) : next
		})
		return codeResult(target, name, { id, secret })
	}
}

/** The agent has a key rule of its own, so that it can be removed alone. */
async function addOffline(
	target: DeploymentTarget,
	tenant: Tenant,
	agent: { readonly id: string; readonly label?: string },
): Promise<CommandResult> {
	const { name } = tenant
	const { relay } = target
	const rules = relayRulesOf(target, `agent add ${name} --offline`)
	const namespace = 'namespace' in relay ? relay.namespace : ''
	const hybridConnection = connectionOf(tenant)
	const rule = `offline-${agent.id.slice(0, 8)}`
	await changeAgents(target, tenant, (list) => {
		const next = withOfflineAgent(list, { ...agent, offlineRule: rule }, Date.now())
		return next === 'full' ? refuseFull(target, name) : next
	})
	const key = await rules.add(hybridConnection, rule).catch(async (error: unknown) => {
		await changeAgents(target, tenant, (list) => withoutAgent(list, agent.id, Date.now()))
		throw error
	})
	const code = writeOfflineCode({ agent: agent.id, namespace, hybridConnection, keyName: rule, key })
	return {
		text: [
			table([
				['Agent', agent.id],
				['Code', code],
			]),
			'The code has a key of Azure Relay, which works until you remove the agent. Carry it as you carry a password.\nOn the server, type rollcall-relay enrol --offline and give it the code on standard input.',
		].join('\n\n'),
		json: { name, agent: agent.id, code, isOffline: true },
	}
}

/** The agents of a tenant that have a key of Azure Relay. */
export async function offlineAgents(target: DeploymentTarget, tenant: Tenant): Promise<readonly ListedAgent[]> {
	const { agents } = parseAgents(await target.agents.read(tenant))
	return agents.filter((agent) => stateOfAgent(agent, Date.now()) === 'offline')
}

const connectionOf = (tenant: Tenant): string => settingsOf(tenant).hybridConnection ?? tenant.name

function relayRulesOf({ relayRules }: DeploymentTarget, command: string): RelayRules {
	if (relayRules !== undefined) return relayRules
	throw new Failure('keys of Azure Relay can be changed only in a deployment that is found by its resource group', {
		hint: `rollcall ${command} --resource-group GROUP`,
	})
}

const newSecret = (): string => randomBytes(32).toString('base64url')

function refuseFull(target: DeploymentTarget, name: string): never {
	throw new Failure(`the tenant ${name} has ${maxAgents} agents and codes, and a hybrid connection takes no more`, {
		hint: `remove one of them: ${target.commandLine(`agent list ${name}`)}`,
	})
}

function codeResult(
	target: DeploymentTarget,
	name: string,
	{ id, secret }: { readonly id: string; readonly secret: string },
): CommandResult {
	const code = writeCode({ url: target.urlOf(name), agent: id, secret })
	const expires = new Date(Date.now() + codeLife).toISOString()
	const { relay } = target
	const missing = 'missing' in relay ? { missing: relay.missing } : {}
	return {
		text: [
			table([
				['Agent', id],
				['Code', code],
				['Expires', expires],
			]),
			'The code works once. On the server, type rollcall-relay enrol and give it the code on standard input.',
			...Object.values(missing).map((what) => `Missing: ${what}`),
		].join('\n\n'),
		json: { name, agent: id, code, expires, ...missing },
	}
}

export const listAgents: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const listed = await listedAgents(target, await relayTenantNamed(target, name))
		const rows = listed.map(({ id, state, label = '', host = '', version = '', ...agent }) => [
			...[id, state, label, host, version],
			...[agent.fingerprint ?? '', agent.enrolled ?? '', agent.lastToken ?? ''],
		])
		return {
			text: rows.length === 0 ? `No agent of the tenant ${name} has a code.` : table([columns, ...rows]),
			json: listed,
		}
	}

/** The agents of a tenant that have enrolled, or may enrol. Times are RFC 3339. */
export async function listedAgents(target: DeploymentTarget, tenant: Tenant) {
	const [json, lastUses] = await Promise.all([target.agents.read(tenant), target.lastUses(tenant)])
	const now = Date.now()
	return parseAgents(json).agents.map((agent) => {
		const { id, label, created, host, version, publicKey, enrolled, removed, code } = agent
		const lastToken = lastUses.get(id)
		return {
			id,
			state: stateOfAgent(agent, now),
			...(label !== undefined && { label }),
			...(host !== undefined && { host }),
			...(version !== undefined && { version: shownVersion(version, ownVersion) }),
			...(publicKey !== undefined && { fingerprint: keyFingerprint(publicKey) }),
			created,
			...(code !== undefined && removed === undefined && { codeExpires: code.expires }),
			...(enrolled !== undefined && { enrolled }),
			...(removed !== undefined && { removed }),
			...(lastToken !== undefined && { lastToken }),
		}
	})
}

const columns = ['AGENT', 'STATE', 'LABEL', 'HOST', 'VERSION', 'FINGERPRINT', 'ENROLLED', 'LAST TOKEN']

export const removeAgent: TargetCommand =
	({ args: [name = '', id = ''] }) =>
	async (target) => {
		const tenant = await relayTenantNamed(target, name)
		const { offlineRule: rule } = agentNamed(target, { name, id, list: parseAgents(await target.agents.read(tenant)) })
		// The key goes first: an agent that is still listed can be removed again.
		if (rule !== undefined) await relayRulesOf(target, `agent remove ${name} ${id}`).remove(connectionOf(tenant), rule)
		// After a lost answer the agent is removed already.
		await changeAgents(target, tenant, (list) => withoutAgent(list, id, Date.now()))
		if (rule !== undefined) {
			return {
				text: `The agent ${id} was removed, and its key of Azure Relay deleted. Tokens that it has made end within an hour.`,
				json: { name, agent: id, state: 'removed' },
			}
		}
		const lastEnds = new Date(Date.now() + listenTokenLife).toISOString()
		return {
			text: `The agent ${id} was removed. It gets no more tokens. Its last one ends at ${lastEnds} at the latest.\nTo end the tokens of all agents now, so that only the others get new ones: ${target.commandLine(`agent rotate ${name} --now`)}`,
			json: { name, agent: id, state: 'removed', lastTokenEnds: lastEnds },
		}
	}

/** With an agent, lets that agent make another key. Without one, renews the key of Azure Relay by which the app signs. */
export const rotateAgents: TargetCommand = ({ args: [name = '', id], values: { now: isNow = false } }) =>
	id === undefined
		? (target) => rotateListenKey(target, name, isNow)
		: async (target) => {
				const tenant = await relayTenantNamed(target, name)
				const secret = newSecret()
				await changeAgents(target, tenant, (list) => {
					const { offlineRule } = agentNamed(target, { name, id, list })
					if (offlineRule !== undefined) refuseOffline(target, name, id)
					return withNewCode(list, { id, secret }, Date.now())
				})
				return codeResult(target, name, { id, secret })
			}

function refuseOffline(target: DeploymentTarget, name: string, id: string): never {
	throw new Failure(`the agent ${id} is offline: its key is one of Azure Relay`, {
		hint: `add another agent, then: ${target.commandLine(`agent remove ${name} ${id}`)}`,
	})
}

/** Milliseconds for which a token may still be in use that was signed before a rotation, with those in a request. */
const tokensEnd = listenTokenLife + 10 * 60_000

async function rotateListenKey(target: DeploymentTarget, name: string, isNow: boolean): Promise<CommandResult> {
	const tenant = await relayTenantNamed(target, name)
	const { renew } = relayRulesOf(target, `agent rotate ${name}`)
	const hybridConnection = connectionOf(tenant)
	return rotating(target, tenant, isNow, async (signer) => {
		const next = signer === 'primary' ? 'secondary' : 'primary'
		await renew(hybridConnection, next)
		const time = new Date().toISOString()
		await changeAgents(target, tenant, (list) => ({ ...list, signer: next, renewed: time }))
		if (isNow) await renew(hybridConnection, signer)
		const ended = isNow ? 'All tokens that agents had are void' : 'Tokens that agents have still work until they end'
		return {
			text: `From now on the ${next} key of Azure Relay signs. ${ended}, and agents get new ones by themselves.`,
			json: { name, hybridConnection, signer: next, renewed: time, isImmediate: isNow },
		}
	})
}

/** Renews keys while no other process does: it would make the new key void. The work gets the key that signs now. */
async function rotating<T>(
	target: DeploymentTarget,
	tenant: Tenant,
	isNow: boolean,
	work: (signer: AgentList['signer']) => Promise<T>,
): Promise<T> {
	const id = randomUUID()
	const { signer } = await changeAgents(target, tenant, (list) => {
		if (!isNow) refuseEarly(list)
		const started = withRotation(list, id, Date.now())
		return 'list' in started ? started.list : refuseBusy(started.busySince)
	})
	try {
		return await work(signer)
	} finally {
		// If storage is away, the note lapses after ten minutes, and the outcome of the work is still told.
		await changeAgents(target, tenant, (list) => withoutRotation(list, id)).catch(() => undefined)
	}
}

function refuseEarly({ renewed }: AgentList): void {
	const safe = Date.parse(renewed ?? '') + tokensEnd
	if (!(Date.now() < safe)) return
	throw new Failure(`the key was renewed at ${renewed}, and tokens of the other key may be in use`, {
		hint: `wait until ${new Date(safe).toISOString()}, or end those tokens now with --now`,
	})
}

function refuseBusy(since: string): never {
	throw new Failure(`another rollcall agent rotate has been renewing the key since ${since}`, {
		hint: `wait until it has ended; if it was interrupted, repeat the command after ${new Date(Date.parse(since) + rotationLife).toISOString()}`,
	})
}

const changeAgents = (
	target: DeploymentTarget,
	tenant: Tenant,
	revise: (list: AgentList) => AgentList,
): Promise<AgentList> =>
	target.agents.update(tenant, (json) => {
		const list = revise(parseAgents(json))
		return { json: JSON.stringify(list), answer: list }
	})

type NamedAgent = { readonly name: string; readonly id: string; readonly list: AgentList }

function agentNamed(target: DeploymentTarget, { name, id, list }: NamedAgent): ListedAgent {
	const agent = list.agents.find((each) => each.id === id && each.removed === undefined)
	if (agent !== undefined) return agent
	throw new Failure(`the tenant ${name} has no agent ${id}`, { hint: target.commandLine(`agent list ${name}`) })
}

async function relayTenantNamed(target: DeploymentTarget, name: string): Promise<Tenant> {
	const tenant = await tenantNamed(target, name)
	if (tenant.mode === 'relay') return tenant
	throw new Failure(`the tenant ${name} has no agents`, {
		hint: 'its mode is store: its users and groups are in Rollcall, and not in a SCIM server behind the relay',
	})
}
