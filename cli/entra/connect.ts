import { UsageError } from '../../shared/cli/usage-error.ts'
import type { EntraConnection } from '../../shared/tenants/entra-connection.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { addedClient, clientsOf, endClient, lastsOf, tokenEndpointOf } from '../client.ts'
import type { CommandResult, TargetCommand } from '../command.ts'
import { Failure } from '../failure.ts'
import { table } from '../table.ts'
import type { DeploymentTarget } from '../target.ts'
import { tenantNamed } from '../tenant.ts'
import { addedToken } from '../token.ts'
import { statesOf } from '../token-store.ts'
import { createApplication, type EnterpriseApplication, findApplication, getApplication } from './application.ts'
import { assign, findGroup, isAssigned } from './assignment.ts'
import { saveCredentials, trySavedCredentials } from './credentials.ts'
import { answerIn, type Graph, GraphError, openGraph } from './graph.ts'
import {
	areGroupsMapped,
	externalIdSource,
	getMappings,
	putMappings,
	stableSource,
	withGroups,
	withStableExternalId,
} from './mapping.ts'
import { checkOperator, findOperator, OperatorRefused } from './operator.ts'
import { portalSteps } from './portal-steps.ts'
import { createJob, findJob, restartJob, type SynchronizationJob, startJob, templateOf } from './synchronization.ts'

/** What the administrator asks for. */
type ConnectPlan = {
	readonly name: string
	/** The name or the id of a group to assign. */
	readonly assign?: string
	/** Whether groups are provisioned; undefined leaves a job that exists as it is. */
	readonly groups?: boolean
	/** Gives Entra an OAuth client, and not a token; undefined leaves what it has. */
	readonly oauth?: true
	/** Changes the mapping of externalId in a job that exists. */
	readonly fixExternalId: boolean
	/** Only says what it would do. */
	readonly isDry: boolean
}

/** One line of the report: what was looked at, and what was done with it. */
type Step = { readonly what: string; readonly outcome: string }

type Connecting = {
	readonly graph: Graph
	readonly target: DeploymentTarget
	readonly tenant: Tenant
	readonly plan: ConnectPlan
	readonly report: (what: string, outcome: string) => void
	readonly say: (text: string) => void
}

/**
 * `rollcall connect entra TENANT`: from a tenant to a provisioning job that runs, with the operator's own sign-in. A second
 * run changes nothing, and an interrupted run is continued.
 */
export const connectEntra: TargetCommand = ({ args: [name = ''], values, environment }) => {
	const plan = {
		name: values.name ?? `Rollcall - ${name}`,
		...(values.assign !== undefined && { assign: values.assign }),
		...groupsOf(values.groups),
		...(values.oauth === true && { oauth: true as const }),
		fixExternalId: values['fix-externalid'] === true,
		isDry: values['dry-run'] === true,
	}
	return async (target) => {
		const tenant = await tenantNamed(target, name)
		const url = requirePublicUrl(target, name)
		const steps: Step[] = []
		const report = (what: string, outcome: string): void => {
			steps.push({ what, outcome })
		}
		const operator = await findOperator()
		const graph = openGraph(operator.token, environment.err)
		const connecting = { graph, target, tenant, plan, report, say: environment.err }
		try {
			await checkOperator(graph, operator, plan.assign === undefined ? [] : ['AppRoleAssignment.ReadWrite.All'])
			await connect(connecting, operator.directory)
		} catch (error) {
			if (!isRefusal(error)) throw withSteps(error, steps)
			return inThePortal(connecting, { error, steps, url })
		}
		return { text: `${textOf(steps)}\n\n${endOf(plan, target, name)}`, json: { tenant: name, steps } }
	}
}

function groupsOf(text: string | undefined): Pick<ConnectPlan, 'groups'> {
	if (text === undefined) return {}
	if (text === 'on' || text === 'off') return { groups: text === 'on' }
	throw new UsageError(`--groups ${text} is not a valid value`, { hint: 'use on or off' })
}

/** @throws Failure if Entra cannot reach the tenant */
function requirePublicUrl(target: DeploymentTarget, name: string): string {
	const url = target.urlOf(name)
	if (new URL(url).protocol === 'https:') return url
	throw new Failure(`Entra cannot reach ${url}`, {
		hint: 'connect a deployment in Azure: add --resource-group GROUP; docs/entra.md says how to try npm start with Entra',
	})
}

async function connect(connecting: Connecting, directory: string): Promise<void> {
	const { graph, target, tenant, plan, report } = connecting
	const application = await applicationOf(connecting, directory)
	if (application === undefined) return reportAll(connecting)
	const templateId = await templateOf(graph, application.id)
	const existing = await findJob(graph, application.id, templateId)
	if (existing === undefined && plan.isDry) return reportAll(connecting)
	const job = existing ?? (await createJob(graph, application.id, templateId))
	report('Provisioning job', existing === undefined ? `created ${job.id}` : `is there: ${job.id}`)
	await giveCredentials(connecting, { directory, application: application.id, job: job.id, templateId })
	const changed = await map(connecting, { application: application.id, job, isNew: existing === undefined })
	await assignGroup(connecting, application)
	await start(connecting, { application: application.id, job, changed })
	if (!plan.isDry && !(await isAssigned(graph, application.id))) {
		report('Note', `assign users or groups, or run again with --assign GROUP: no user is provisioned yet`)
	}
	await target.tenants.getTenant(tenant.name)
}

/** In a dry run without an application or a job, everything that follows would be done. */
function reportAll({ plan, report }: Connecting): void {
	report('Provisioning job', 'would be created')
	report('Credentials', 'would be made, given to Entra, and tried')
	report('externalId', `would be mapped from ${stableSource}`)
	report('Groups', plan.groups === false ? 'would be switched off' : 'would be provisioned')
	if (plan.assign !== undefined) report('Assignment', `${plan.assign} would be assigned`)
	report('Provisioning', 'would be started')
}

/** The application that this tenant was connected with, or the one with the name; undefined in a dry run if there is none. */
async function applicationOf(connecting: Connecting, directory: string): Promise<EnterpriseApplication | undefined> {
	const { graph, tenant, plan, report } = connecting
	const { entra } = tenant
	const remembered = entra?.directory === directory ? await getApplication(graph, entra.application) : undefined
	const found = remembered ?? (await findApplication(graph, plan.name))
	if (found !== undefined) {
		report('Enterprise application', `is there: ${found.displayName}`)
		return found
	}
	if (plan.isDry) {
		report('Enterprise application', `${plan.name} would be created`)
		return undefined
	}
	const created = await createApplication(graph, plan.name)
	report('Enterprise application', `created ${created.displayName}`)
	return created
}

/** What Entra is to have: what the administrator asks for, or else what it has. */
const kindOf = ({ oauth }: ConnectPlan, { entra }: Tenant): EntraConnection['kind'] =>
	oauth ? 'oauth' : (entra?.kind ?? 'token')

type JobPlace = Pick<EntraConnection, 'directory' | 'application' | 'job'> & { readonly templateId: string }

/** Gives Entra credentials if it has none of ours that are accepted, and lets Entra try them before anything starts. */
async function giveCredentials(connecting: Connecting, { templateId, ...place }: JobPlace): Promise<void> {
	const { graph, target, tenant, plan, report } = connecting
	const { application } = place
	const kind = kindOf(plan, tenant)
	const noun = kind === 'oauth' ? 'an OAuth client' : 'a token'
	if (tenant.entra?.kind === kind && (await hasCredential(target, tenant, place))) {
		report('Credentials', `Entra has ${noun} of this tenant`)
	} else if (plan.isDry) {
		report('Credentials', `${noun} would be made, given to Entra, and tried`)
		return
	} else {
		const { credential, credentials, withdraw } = await newCredentials(target, tenant, kind)
		await saveCredentials(graph, application, credentials).catch(async (error: unknown) => {
			// No one has the credential, so that it would only use up a place.
			await withdraw()
			throw error
		})
		await target.tenants.updateEntra(tenant.name, { ...place, credential, kind })
		report(
			'Credentials',
			`the ${kind === 'oauth' ? 'OAuth client' : 'token'} ${credential} was made and given to Entra`,
		)
	}
	await trySavedCredentials(graph, { application, templateId, kind })
	report('Test Connection', 'succeeded')
}

/** Makes a token or an OAuth client that is labelled for Entra. `withdraw` disables it. */
async function newCredentials(target: DeploymentTarget, tenant: Tenant, kind: EntraConnection['kind']) {
	const url = target.urlOf(tenant.name)
	if (kind === 'token') {
		const added = await addedToken(target, tenant, { label: 'Entra' })
		return {
			credential: added.version,
			credentials: { kind, url, token: added.value } as const,
			withdraw: () => target.tokens.change(tenant.name, added, { enabled: false }),
		}
	}
	const { client, value } = await addedClient(target, tenant, { label: 'Entra', scope: 'scim', lasts: lastsOf() })
	const tokenEndpoint = tokenEndpointOf(target, tenant.name)
	return {
		credential: client.id,
		credentials: { kind, url, tokenEndpoint, clientId: client.id, clientSecret: value } as const,
		withdraw: () => endClient(target, tenant, { id: client.id }),
	}
}

/** Whether the token or the OAuth client that this application was given is still accepted. */
async function hasCredential(target: DeploymentTarget, tenant: Tenant, place: Omit<JobPlace, 'templateId'>) {
	const { name, entra } = tenant
	if (entra?.application !== place.application || entra.job !== place.job) return false
	if (entra.kind === 'oauth') {
		const clients = await clientsOf(target, tenant)
		return clients.some(({ id, isDisabled }) => id === entra.credential && isDisabled !== true)
	}
	const tokens = await target.tokens.list(name)
	const states = statesOf(tokens, Date.now())
	return tokens.some(({ version }, index) => version === entra.credential && states[index] === 'accepted')
}

type JobOf = { readonly application: string; readonly job: SynchronizationJob }

/** Maps externalId, and switches groups on or off. Answers whether a job that exists got other mappings. */
async function map(connecting: Connecting, { application, job, isNew }: JobOf & { readonly isNew: boolean }) {
	const { graph, plan, report } = connecting
	const before = await getMappings(graph, application, job.id)
	let after = before
	const source = externalIdSource(before)
	if (source === stableSource) report('externalId', `is mapped from ${stableSource}`)
	else if (isNew || plan.fixExternalId) {
		after = withStableExternalId(after)
		report('externalId', `${done(plan, 'mapped')} from ${stableSource}, not from ${source ?? 'nothing'}`)
	} else {
		const change = 'add --fix-externalid to change it, which writes every user anew'
		report('externalId', `is mapped from ${source ?? 'nothing'}, and should be from ${stableSource}: ${change}`)
	}
	const groups = plan.groups ?? (isNew ? true : undefined)
	if (groups !== undefined && groups !== areGroupsMapped(before)) {
		after = withGroups(after, groups)
		report('Groups', `${done(plan, 'switched')} ${groups ? 'on' : 'off'}`)
	} else report('Groups', areGroupsMapped(before) ? 'are provisioned' : 'are not provisioned')
	if (after === before || plan.isDry) return false
	await putMappings(graph, application, job.id, after)
	return !isNew
}

const done = ({ isDry }: ConnectPlan, participle: string): string => (isDry ? `would be ${participle}` : participle)

async function assignGroup({ graph, plan, report }: Connecting, application: EnterpriseApplication): Promise<void> {
	if (plan.assign === undefined) return
	const group = await findGroup(graph, plan.assign)
	if (await isAssigned(graph, application.id, group.id)) {
		report('Assignment', `${group.displayName} is assigned`)
		return
	}
	if (!plan.isDry) await assign(graph, application, group)
	report('Assignment', `${group.displayName} ${plan.isDry ? 'would be' : 'was'} assigned`)
}

type StartOf = JobOf & {
	/** The mappings of a job that exists were changed: every user is read again. */
	readonly changed: boolean
}

async function start({ graph, plan, report }: Connecting, { application, job, changed }: StartOf): Promise<void> {
	const isActive = job.schedule?.state === 'Active'
	if (plan.isDry) return report('Provisioning', isActive ? 'runs' : 'would be started')
	if (changed) await restartJob(graph, application, job.id)
	if (!isActive || changed) await startJob(graph, application, job.id)
	if (!isActive) report('Provisioning', 'started; the first cycle may take some hours')
	else report('Provisioning', changed ? 'restarted: the next cycle reads every user again' : 'runs')
}

/** Whether Entra refuses this operator. Its provisioning answers 401 to a token that it accepts elsewhere. */
const isRefusal = (error: unknown): error is OperatorRefused | GraphError =>
	error instanceof OperatorRefused || (error instanceof GraphError && [401, 403].includes(error.status))

const textOf = (steps: readonly Step[]): string => table(steps.map(({ what, outcome }) => [what, outcome]))

/** An error that says what was done before it. */
function withSteps(error: unknown, steps: readonly Step[]): unknown {
	const before = steps.length === 0 ? '' : `\n\nBefore that:\n${textOf(steps)}`
	if (error instanceof Failure) return new Failure(`${error.message}${before}`, { hint: error.hint, cause: error })
	if (!(error instanceof GraphError)) return error
	return new Failure(`${answerIn(error)}${before}`, {
		hint: 'run the same command again: it does what is left',
		cause: error,
	})
}

type RefusedOperator = { readonly error: Error; readonly steps: readonly Step[]; readonly url: string }

/** The result if Entra refuses the operator: what it said, and the steps in the portal. */
function inThePortal({ target, tenant, plan }: Connecting, { error, steps, url }: RefusedOperator): CommandResult {
	const reason =
		error instanceof GraphError
			? `Entra refused this sign-in: ${`${error.status} ${error.code}`.trim()}. It needs the role Application Administrator or Cloud Application Administrator.`
			: `${error.message}${error instanceof Failure ? `; ${error.hint}` : ''}`
	const isOAuth = kindOf(plan, tenant) === 'oauth'
	const portal = portalSteps({
		name: plan.name,
		url,
		isOAuth,
		credentialCommand: target.commandLine(`${isOAuth ? 'client' : 'token'} add ${tenant.name}`),
		groups: plan.groups !== false,
	})
	const before = steps.length === 0 ? [] : [textOf(steps)]
	return {
		text: [...before, reason, portal].join('\n\n'),
		json: { tenant: tenant.name, steps, refused: reason },
		isFailure: true,
	}
}

const endOf = ({ isDry }: ConnectPlan, target: DeploymentTarget, name: string): string =>
	isDry ? 'Nothing was changed.' : `See how it goes: ${target.commandLine(`entra status ${name}`)}`
