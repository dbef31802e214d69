import * as z from 'zod'
import { Failure } from '../failure.ts'
import { type Graph, GraphError, isReplicating, odataText, segment } from './graph.ts'

// https://learn.microsoft.com/graph/api/applicationtemplate-instantiate

/** An enterprise application of Entra: its service principal. */
export type EnterpriseApplication = {
	/** The object id of the service principal. */
	readonly id: string
	readonly appId: string
	readonly displayName: string
	readonly appRoles: readonly AppRole[]
}

type AppRole = z.infer<typeof appRole>

const appRole = z.object({
	id: z.string(),
	displayName: z.string().nullish(),
	isEnabled: z.boolean(),
	allowedMemberTypes: z.array(z.string()),
})

const servicePrincipal = z.object({
	id: z.string(),
	appId: z.string(),
	displayName: z.string(),
	appRoles: z.array(appRole).default([]),
})

const instantiated = z.object({ servicePrincipal: z.object({ id: z.string() }) })

/** The template of an application that is not in the gallery. */
const nonGalleryTemplate = '8adf8e6e-67b2-4cf2-a259-e3dc5476c621'

const selected = '$select=id,appId,displayName,appRoles'

/** The enterprise application of this id; undefined if Entra has none. */
export async function getApplication(graph: Graph, id: string): Promise<EnterpriseApplication | undefined> {
	try {
		const path = `/v1.0/servicePrincipals/${segment(id)}?${selected}`
		return servicePrincipal.parse(await graph.send({ method: 'GET', path }))
	} catch (error) {
		if (error instanceof GraphError && error.status === 404) return undefined
		throw error
	}
}

/**
 * The enterprise application of this name; undefined if Entra has none.
 *
 * @throws Failure if several have the name
 */
export async function findApplication(graph: Graph, name: string): Promise<EnterpriseApplication | undefined> {
	const path = `/v1.0/servicePrincipals?$filter=displayName%20eq%20${odataText(name)}&${selected}`
	const [found, ...others] = await graph.list(path, servicePrincipal)
	if (others.length === 0) return found
	throw new Failure(`Entra has ${others.length + 1} enterprise applications called ${name}`, {
		hint: 'rename one of them in Entra, or give a name of its own with --name',
	})
}

/** Makes an enterprise application from the template, and waits until Entra can read it. */
export async function createApplication(graph: Graph, name: string): Promise<EnterpriseApplication> {
	const path = `/v1.0/applicationTemplates/${nonGalleryTemplate}/instantiate`
	const made = instantiated.parse(await graph.send({ method: 'POST', path, body: { displayName: name } }))
	const { id } = made.servicePrincipal
	const read = {
		method: 'GET',
		path: `/v1.0/servicePrincipals/${segment(id)}?${selected}`,
		isNew: isReplicating,
	} as const
	return servicePrincipal.parse(await graph.send(read))
}
