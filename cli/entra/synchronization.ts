import * as z from 'zod'
import { Failure } from '../failure.ts'
import { type Graph, isReplicating, segment } from './graph.ts'

// The provisioning of one enterprise application. https://learn.microsoft.com/graph/api/resources/synchronization-overview

/** The provisioning job of an application, as Graph answers it. */
export type SynchronizationJob = z.infer<typeof job>

const quarantine = z.object({
	reason: z.string().nullish(),
	currentBegan: z.string().nullish(),
	nextAttempt: z.string().nullish(),
	error: z.object({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
})

const execution = z.object({
	state: z.string().nullish(),
	timeEnded: z.string().nullish(),
	error: z.object({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
})

const job = z.object({
	id: z.string(),
	templateId: z.string().nullish(),
	schedule: z.object({ state: z.string().nullish() }).nullish(),
	status: z
		.object({
			code: z.string().nullish(),
			quarantine: quarantine.nullish(),
			lastExecution: execution.nullish(),
			lastSuccessfulExecution: execution.nullish(),
		})
		.nullish(),
})

const template = z.object({ id: z.string() })

/** The base path of an application's provisioning. */
export const synchronizationOf = (application: string, version: 'v1.0' | 'beta' = 'v1.0'): string =>
	`/${version}/servicePrincipals/${segment(application)}/synchronization`

/** Templates that describe a SCIM server, best first. Entra has used both names for an application outside the gallery. */
const scimTemplates = ['scim', 'customappsso']

/**
 * The id of the application's template for a SCIM server.
 *
 * @throws Failure if the application has no such template, with the ids that it has
 */
export async function templateOf(graph: Graph, application: string): Promise<string> {
	const path = `${synchronizationOf(application)}/templates`
	const ids = (await graph.list(path, template, { isNew: isReplicating })).map(({ id }) => id)
	const known = scimTemplates.find((id) => ids.includes(id))
	const [only, ...others] = ids
	if (known !== undefined) return known
	if (only !== undefined && others.length === 0) return only
	throw new Failure(
		ids.length === 0
			? 'the application has no template for provisioning'
			: `the application has several templates for provisioning, and none is known: ${ids.join(', ')}`,
		{ hint: 'connect an application that was made for this: give a new name with --name' },
	)
}

/** The job of an application with this template, or its only job; undefined if it has none. */
export async function findJob(
	graph: Graph,
	application: string,
	templateId?: string,
): Promise<SynchronizationJob | undefined> {
	const jobs = await graph.list(`${synchronizationOf(application)}/jobs`, job, { isNew: isReplicating })
	return jobs.find((each) => each.templateId === templateId) ?? (jobs.length === 1 ? jobs[0] : undefined)
}

export async function createJob(graph: Graph, application: string, templateId: string): Promise<SynchronizationJob> {
	const path = `${synchronizationOf(application)}/jobs`
	return job.parse(await graph.send({ method: 'POST', path, body: { templateId }, isNew: isReplicating }))
}

export async function getJob(graph: Graph, application: string, id: string): Promise<SynchronizationJob> {
	return job.parse(await graph.send({ method: 'GET', path: jobPath(application, id) }))
}

export const deleteJob = (graph: Graph, application: string, id: string): Promise<unknown> =>
	graph.send({ method: 'DELETE', path: jobPath(application, id) })

export const startJob = (graph: Graph, application: string, id: string): Promise<unknown> =>
	graph.send({ method: 'POST', path: `${jobPath(application, id)}/start` })

/** As *Restart provisioning* in the portal: the next cycle reads every user again. */
export const restartJob = (graph: Graph, application: string, id: string): Promise<unknown> =>
	graph.send({ method: 'POST', path: `${jobPath(application, id)}/restart`, body: { criteria: { resetScope: '' } } })

export const jobPath = (application: string, id: string): string =>
	`${synchronizationOf(application)}/jobs/${segment(id)}`
