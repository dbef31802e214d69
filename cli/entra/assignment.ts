import * as z from 'zod'
import { Failure } from '../failure.ts'
import type { EnterpriseApplication } from './application.ts'
import { type Graph, GraphError, isReplicating, odataText, segment } from './graph.ts'

// https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignedto

/** A group that is assigned to the application. */
export type AssignedGroup = { readonly id: string; readonly displayName: string }

const group = z.object({ id: z.string(), displayName: z.string() })

const assignment = z.object({ principalId: z.string() })

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const isGuid = (text: string): boolean => guid.test(text)

/** The role of an application that declares none. */
const noRole = '00000000-0000-0000-0000-000000000000'

/**
 * Finds a group by its id or its name.
 *
 * @throws Failure if there is none, or more than one
 */
export async function findGroup(graph: Graph, nameOrId: string): Promise<AssignedGroup> {
	const filter = isGuid(nameOrId) ? `id%20eq%20'${nameOrId}'` : `displayName%20eq%20${odataText(nameOrId)}`
	const [found, ...others] = await graph.list(`/v1.0/groups?$filter=${filter}&$select=id,displayName`, group)
	if (found === undefined) {
		throw new Failure(`Entra has no group ${nameOrId}`, {
			hint: 'give the name or the object id of a group: --assign GROUP',
		})
	}
	if (others.length === 0) return found
	throw new Failure(`Entra has ${others.length + 1} groups called ${nameOrId}`, {
		hint: 'give the object id of the group: --assign ID',
	})
}

/** Whether the application is assigned to someone with this id, or to anyone. */
export async function isAssigned(graph: Graph, application: string, principal?: string): Promise<boolean> {
	const path = `/v1.0/servicePrincipals/${segment(application)}/appRoleAssignedTo?$select=principalId`
	const assigned = await graph.list(path, assignment, { isNew: isReplicating })
	return principal === undefined ? assigned.length > 0 : assigned.some(({ principalId }) => principalId === principal)
}

/**
 * Assigns a group to the application, with the role that users have.
 *
 * @throws Failure if Entra refuses, with what that usually means
 */
export async function assign(
	graph: Graph,
	{ id, appRoles }: EnterpriseApplication,
	group: AssignedGroup,
): Promise<void> {
	const forUsers = appRoles.filter(
		({ isEnabled, allowedMemberTypes }) => isEnabled && allowedMemberTypes.includes('User'),
	)
	const role = forUsers.find(({ displayName }) => displayName === 'User') ?? forUsers[0]
	const body = { principalId: group.id, resourceId: id, appRoleId: role?.id ?? noRole }
	const path = `/v1.0/servicePrincipals/${segment(id)}/appRoleAssignedTo`
	try {
		await graph.send({ method: 'POST', path, body, isNew: ({ code }) => code === 'Request_ResourceNotFound' })
	} catch (error) {
		if (!(error instanceof GraphError)) throw error
		// Another administrator may have assigned it just now.
		if (error.status === 409 || /already exists/.test(error.message)) return
		throw new Failure(`Entra refused to assign the group ${group.displayName}: ${error.message || error.code}`, {
			hint: 'groups can be assigned with an Entra ID P1 license only; without it, assign users in the portal, and run this again without --assign',
			cause: error,
		})
	}
}
