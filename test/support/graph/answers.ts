import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { addJob, addServicePrincipal, type GraphJob, type ServicePrincipal } from './directory.ts'
import type { GraphAnswer, GraphCall, GraphStandIn } from './stand-in.ts'

// The calls of Microsoft Graph that Rollcall makes, with the bodies that its documentation and Microsoft's tools show.
// A path, a version or a body that they do not show is a mistake of the caller: it is recorded and refused.

export const graphError = (status: number, code: string, message: string): GraphAnswer => ({
	status,
	body: { error: { code, message, innerError: { 'request-id': randomUUID() } } },
})

const notFound = graphError(
	404,
	'Request_ResourceNotFound',
	'Resource does not exist or one of its queried reference-property objects are not present.',
)

type Answering = GraphCall & { readonly graph: GraphStandIn; readonly ids: readonly string[] }

type Endpoint = readonly [
	method: string,
	/** The path, with `*` for an identifier. */
	path: string,
	body: z.ZodType | undefined,
	answer: (answering: Answering, body: never) => GraphAnswer,
]

const endpoint = <T>(
	method: string,
	path: string,
	body: z.ZodType<T>,
	answer: (answering: Answering, body: T) => GraphAnswer,
): Endpoint => [method, path, body, answer]

const read = (path: string, answer: (answering: Answering) => GraphAnswer): Endpoint => ['GET', path, undefined, answer]

const listOf = (value: readonly unknown[]): GraphAnswer => ({ status: 200, body: { value } })

/** The text of an OData filter `property eq 'text'`. */
function equalTo(url: URL, property: string): string | undefined {
	const [, name, value] = /^(\w+) eq '(.*)'$/.exec(url.searchParams.get('$filter') ?? '') ?? []
	return name === property ? value?.replaceAll("''", "'") : undefined
}

const publicPart = ({ id, appId, displayName, appRoles }: ServicePrincipal) => ({ id, appId, displayName, appRoles })

const publicJob = ({ id, templateId, schedule, status }: GraphJob) => ({ id, templateId, schedule, status })

const noBody = z.undefined()
const keyValues = z.array(z.strictObject({ key: z.string(), value: z.string() }))

/** Answers with the service principal of the path, if Entra's servers know it by now. */
const withPrincipal =
	(answer: (principal: ServicePrincipal, answering: Answering) => GraphAnswer) =>
	(answering: Answering): GraphAnswer => {
		const principal = answering.graph.directory.servicePrincipals.get(answering.ids[0] ?? '')
		if (principal === undefined) return notFound
		if (principal.unknownFor > 0) {
			principal.unknownFor--
			return notFound
		}
		return answer(principal, answering)
	}

const withJob = (answer: (job: GraphJob, principal: ServicePrincipal, answering: Answering) => GraphAnswer) =>
	withPrincipal((principal, answering) => {
		const job = principal.jobs.get(answering.ids[1] ?? '')
		return job === undefined
			? graphError(404, 'NotFound', 'The job does not exist.')
			: answer(job, principal, answering)
	})

/** What Entra answers when it has tried credentials. */
function validated(graph: GraphStandIn, secrets: Readonly<Record<string, string>>): GraphAnswer {
	const { BaseAddress = secrets.baseAddress, SecretToken = secrets.oauth2ClientSecret } = secrets
	if (BaseAddress === undefined || SecretToken === undefined) {
		return graphError(400, 'RequestMissingRequiredParameter', 'The credentials are not complete.')
	}
	if (graph.accepts(BaseAddress, SecretToken)) return { status: 204 }
	return graphError(
		400,
		'CredentialValidationUnavailable',
		'You appear to have entered invalid credentials. Please confirm you are using the correct information for an administrative account. StatusCode: Unauthorized',
	)
}

const secretsOf = (pairs: z.infer<typeof keyValues>) => Object.fromEntries(pairs.map(({ key, value }) => [key, value]))

const oauthKeys = [
	...['authenticationType', 'baseAddress', 'oauth2ClientId', 'oauth2ClientSecret', 'oauth2TokenExchangeUri'],
	'credentialLocationInRequest',
]

const sp = '/v1.0/servicePrincipals/*'
const jobs = `${sp}/synchronization/jobs`

const endpoints: readonly Endpoint[] = [
	read('/v1.0/me/transitiveMemberOf/microsoft.graph.directoryRole', ({ graph }) =>
		listOf(graph.directory.roles.map((roleTemplateId) => ({ displayName: 'A role', roleTemplateId }))),
	),
	read('/v1.0/servicePrincipals', ({ graph, url }) => {
		const name = equalTo(url, 'displayName')
		const all = [...graph.directory.servicePrincipals.values()]
		return listOf(all.filter(({ displayName }) => displayName === name).map(publicPart))
	}),
	endpoint(
		'POST',
		'/v1.0/applicationTemplates/8adf8e6e-67b2-4cf2-a259-e3dc5476c621/instantiate',
		z.strictObject({ displayName: z.string().min(1) }),
		({ graph }, { displayName }) => {
			const principal = addServicePrincipal(graph.directory, displayName, 3)
			return {
				status: 201,
				body: { application: { id: randomUUID(), appId: principal.appId }, servicePrincipal: publicPart(principal) },
			}
		},
	),
	read(
		sp,
		withPrincipal((principal) => ({ status: 200, body: publicPart(principal) })),
	),
	read(
		`${sp}/synchronization/templates`,
		withPrincipal(({ templates }) => listOf(templates)),
	),
	read(
		jobs,
		withPrincipal((principal) => listOf([...principal.jobs.values()].map(publicJob))),
	),
	endpoint('POST', jobs, z.strictObject({ templateId: z.string() }), (answering, { templateId }) =>
		withPrincipal((principal) => ({ status: 201, body: publicJob(addJob(principal, templateId)) }))(answering),
	),
	endpoint(
		'POST',
		`${jobs}/validateCredentials`,
		z.strictObject({ templateId: z.string(), useSavedCredentials: z.literal(true) }),
		withPrincipal(({ secrets }, { graph }) => validated(graph, secrets)),
	),
	read(
		`${jobs}/*`,
		withJob((job) => ({ status: 200, body: publicJob(job) })),
	),
	endpoint(
		'DELETE',
		`${jobs}/*`,
		noBody,
		withJob((job, principal) => {
			principal.jobs.delete(job.id)
			return { status: 204 }
		}),
	),
	endpoint(
		'POST',
		`${jobs}/*/validateCredentials`,
		z.strictObject({ credentials: keyValues }),
		(answering, { credentials }) => withJob(() => validated(answering.graph, secretsOf(credentials)))(answering),
	),
	read(
		`${jobs}/*/schema`,
		withJob(({ schema }) => ({ status: 200, body: schema })),
	),
	endpoint(
		'PUT',
		`${jobs}/*/schema`,
		z.looseObject({ directories: z.array(z.unknown()).min(1), synchronizationRules: z.array(z.unknown()).min(1) }),
		(answering, schema) =>
			withJob((job) => {
				job.schema = schema
				return { status: 204 }
			})(answering),
	),
	endpoint(
		'POST',
		`${jobs}/*/start`,
		noBody,
		withJob((job, { secrets }, { graph }) => {
			job.schedule = { state: 'Active' }
			const isBad = validated(graph, secrets).status !== 204
			job.status = isBad
				? {
						code: 'Quarantine',
						quarantine: { reason: 'EncounteredQuarantineException', currentBegan: '2026-11-30T08:00:00Z' },
					}
				: { code: 'NotRun', quarantine: null, lastExecution: null }
			return { status: 204 }
		}),
	),
	endpoint(
		'POST',
		`${jobs}/*/restart`,
		z.strictObject({ criteria: z.strictObject({ resetScope: z.string() }) }),
		withJob((job) => {
			job.restarts++
			return { status: 204 }
		}),
	),
	endpoint(
		'POST',
		`${jobs}/*/provisionOnDemand`,
		z.strictObject({
			parameters: z.tuple([
				z.strictObject({
					ruleId: z.string(),
					subjects: z.tuple([z.strictObject({ objectId: z.string(), objectTypeName: z.literal('User') })]),
				}),
			]),
		}),
		withJob((job) => (job.status.code === 'Quarantine' ? graphError(401, 'UnknownError', '') : provisioned)),
	),
	endpoint('PUT', `${sp}/synchronization/secrets`, z.strictObject({ value: keyValues }), (answering, { value }) =>
		withPrincipal((principal) => {
			principal.secrets = secretsOf(value)
			return { status: 204 }
		})(answering),
	),
	endpoint(
		'PATCH',
		'/beta/servicePrincipals/*/synchronization/connectivityParameters',
		z.strictObject({ value: z.array(z.strictObject({ key: z.enum(oauthKeys), value: z.string() })).length(6) }),
		(answering, { value }) =>
			withPrincipal((principal) => {
				principal.secrets = secretsOf(value)
				return { status: 204 }
			})(answering),
	),
	endpoint(
		'POST',
		'/beta/servicePrincipals/*/synchronization/jobs/validateCredentials',
		z.strictObject({ templateId: z.string(), useSavedCredentials: z.literal(true) }),
		withPrincipal(({ secrets }, { graph }) => validated(graph, secrets)),
	),
	read(
		`${sp}/appRoleAssignedTo`,
		withPrincipal(({ assignments }) => listOf(assignments)),
	),
	endpoint(
		'POST',
		`${sp}/appRoleAssignedTo`,
		z.strictObject({ principalId: z.string(), resourceId: z.string(), appRoleId: z.string() }),
		(answering, { principalId, resourceId, appRoleId }) =>
			withPrincipal((principal) => {
				if (resourceId !== principal.id) return graphError(400, 'Request_BadRequest', 'The resource is another one.')
				if (principal.assignments.some((each) => each.principalId === principalId)) {
					return graphError(400, 'Request_BadRequest', 'Permission being assigned already exists on the object')
				}
				principal.assignments.push({ id: randomUUID(), principalId, appRoleId })
				return { status: 201, body: { id: randomUUID(), principalType: 'Group' } }
			})(answering),
	),
	read('/v1.0/groups', ({ graph, url }) => {
		const [id, name] = [equalTo(url, 'id'), equalTo(url, 'displayName')]
		return listOf([...graph.directory.groups.values()].filter((each) => each.id === id || each.displayName === name))
	}),
	read('/v1.0/users/*', ({ graph, ids: [key] }) => {
		const users = [...graph.directory.users.values()]
		const user = users.find(({ id, userPrincipalName }) => id === key || userPrincipalName === key)
		return user === undefined ? notFound : { status: 200, body: user }
	}),
	read('/v1.0/auditLogs/provisioning', ({ graph, url }) => {
		const jobId = equalTo(url, 'jobId')
		const logs = graph.directory.provisioningLogs.filter((each) => each.jobId === jobId)
		return listOf(logs.slice(0, Number(url.searchParams.get('$top') ?? 50)))
	}),
]

const provisioned: GraphAnswer = {
	status: 200,
	body: {
		key: JSON.stringify({ result: 'Success', details: {} }),
		value: JSON.stringify({
			action: 'Create',
			provisioningSteps: [
				{ name: 'EntryImport', type: 'Import', status: 'Success', description: 'Retrieved User from Azure AD' },
				{
					name: 'EntrySynchronizationScoping',
					type: 'Scoping',
					status: 'Success',
					description: 'The user is in scope',
				},
				{
					name: 'EntryExportAdd',
					type: 'Export',
					status: 'Success',
					description: "User 'ada@contoso.com' was created",
				},
			],
			modifiedProperties: [{ displayName: 'userName', newValue: 'ada@contoso.com' }],
		}),
	},
}

const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll('.', '\\.').replaceAll('*', '([^/]+)')}$`)

/** Answers as the documentation says. */
export function answerGraph(graph: GraphStandIn, call: GraphCall): GraphAnswer {
	const { method, url, content, contentType } = call
	const mistake = (problem: string): GraphAnswer => {
		graph.mistakes.push(`${method} ${url.pathname}: ${problem}`)
		return graphError(400, 'BadRequest', problem)
	}
	for (const [itsMethod, path, schema, answer] of endpoints) {
		const match = patternOf(path).exec(url.pathname)
		if (match === null || method !== itsMethod) continue
		if (content !== '' && contentType !== 'application/json') return mistake(`content type ${contentType}`)
		const body = content === '' ? undefined : JSON.parse(content)
		const parsed = (schema ?? noBody).safeParse(body)
		if (!parsed.success) return mistake(z.prettifyError(parsed.error))
		const ids = match.slice(1).map(decodeURIComponent)
		return answer({ ...call, graph, ids }, parsed.data as never) // sound: the endpoint's own schema has parsed it
	}
	return mistake('there is no such call')
}
