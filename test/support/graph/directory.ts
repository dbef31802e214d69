import { randomUUID } from 'node:crypto'

/** What the stand-in of Microsoft Graph knows. Tests read it, and change it as an administrator would in the portal. */
export type GraphDirectory = {
	readonly servicePrincipals: Map<string, ServicePrincipal>
	readonly groups: Map<string, { readonly id: string; readonly displayName: string }>
	readonly users: Map<string, { readonly id: string; readonly userPrincipalName: string; readonly displayName: string }>
	/** The template ids of the roles of the signed-in user. */
	roles: readonly string[]
	readonly provisioningLogs: ProvisioningLog[]
}

export type ServicePrincipal = {
	readonly id: string
	readonly appId: string
	readonly displayName: string
	readonly appRoles: readonly object[]
	readonly templates: readonly { readonly id: string }[]
	readonly jobs: Map<string, GraphJob>
	readonly assignments: { readonly id: string; readonly principalId: string; readonly appRoleId: string }[]
	/** The saved credentials, by key. */
	secrets: Readonly<Record<string, string>>
	/** How many more requests are answered as if the application did not exist yet. */
	unknownFor: number
}

export type GraphJob = {
	readonly id: string
	readonly templateId: string
	schedule: { state: string }
	status: Record<string, unknown>
	schema: Record<string, unknown>
	restarts: number
}

export type ProvisioningLog = Readonly<Record<string, unknown>> & { readonly jobId: string }

export const newDirectory = (): GraphDirectory => ({
	servicePrincipals: new Map(),
	groups: new Map(),
	users: new Map(),
	roles: [applicationAdministrator],
	provisioningLogs: [],
})

const applicationAdministrator = '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3'

export const userRole = '18d14569-c3bd-439b-9a66-3a2aee01d14f'

/** Makes the service principal of an application outside the gallery. */
export function addServicePrincipal(directory: GraphDirectory, displayName: string, unknownFor = 0): ServicePrincipal {
	const principal: ServicePrincipal = {
		id: randomUUID(),
		appId: randomUUID(),
		displayName,
		appRoles: [
			{ id: randomUUID(), displayName: 'msiam_access', isEnabled: true, allowedMemberTypes: ['User'] },
			{ id: userRole, displayName: 'User', isEnabled: true, allowedMemberTypes: ['User'] },
		],
		templates: [{ id: 'scim' }],
		jobs: new Map(),
		assignments: [],
		secrets: {},
		unknownFor,
	}
	directory.servicePrincipals.set(principal.id, principal)
	return principal
}

/** Makes a job as `POST …/synchronization/jobs` does: with the default mappings, and not started. */
export function addJob(principal: ServicePrincipal, templateId = 'scim'): GraphJob {
	const job: GraphJob = {
		id: `${templateId}.0123456789abcdef.${principal.appId}`,
		templateId,
		schedule: { state: 'Disabled' },
		status: { code: 'NotConfigured', quarantine: null, lastExecution: null },
		schema: defaultSchema(),
		restarts: 0,
	}
	principal.jobs.set(job.id, job)
	return job
}

const attribute = (name: string) => ({
	expression: `[${name}]`,
	name,
	type: 'Attribute',
	parameters: [],
})

const mapping = (target: string, source: string, matchingPriority = 0) => ({
	defaultValue: null,
	exportMissingReferences: false,
	flowBehavior: 'FlowWhenChanged',
	flowType: 'Always',
	matchingPriority,
	targetAttributeName: target,
	source: attribute(source),
})

/** The default mappings: the users' externalId is from mailNickname, that of groups from objectId. */
const defaultSchema = () => ({
	id: 'schema',
	version: 'v1.61',
	directories: [{ name: 'Azure Active Directory' }, { name: 'customappsso' }],
	synchronizationRules: [
		{
			id: '03f7d90d-bf71-41b1-bda6-aaf0ddbee5d8',
			name: 'USER_OUTBOUND_USER',
			priority: 1,
			objectMappings: [
				{
					enabled: true,
					flowTypes: 'Add, Update, Delete',
					name: 'Provision Azure Active Directory Users',
					sourceObjectName: 'User',
					targetObjectName: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
					attributeMappings: [
						mapping('userName', 'userPrincipalName', 1),
						mapping('displayName', 'displayName'),
						mapping('externalId', 'mailNickname'),
					],
				},
				{
					enabled: false,
					flowTypes: 'Add, Update, Delete',
					name: 'Provision Azure Active Directory Groups',
					sourceObjectName: 'Group',
					targetObjectName: 'urn:ietf:params:scim:schemas:core:2.0:Group',
					attributeMappings: [
						mapping('displayName', 'displayName', 1),
						mapping('externalId', 'objectId'),
						mapping('members', 'members'),
					],
				},
			],
		},
	],
})
