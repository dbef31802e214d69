import * as z from 'zod'

const resource = z.object({
	id: z.string(),
	type: z.string(),
	name: z.string(),
	sku: z.unknown().optional(),
	identity: z.unknown().optional(),
	properties: z.record(z.string(), z.unknown()).default({}),
})

/** A resource as Azure would receive it. */
export type Resource = z.infer<typeof resource>

/** The output of `bicep snapshot` for a deployment. Expressions that only Azure can evaluate stay in `[…]`. */
export const deployment = z.object({
	predictedResources: z.array(resource),
	diagnostics: z.array(z.unknown()).length(0),
})

export type Deployment = z.infer<typeof deployment>

/** All resources of a type. */
export const all = ({ predictedResources }: Deployment, type: string): readonly Resource[] =>
	predictedResources.filter((each) => each.type === type)

/** The one resource of a type. */
export function the(deployed: Deployment, type: string): Resource {
	const [found, second] = all(deployed, type)
	if (found === undefined || second !== undefined) throw new Error(`there is not one ${type}`)
	return found
}

/** The resource that an extension resource belongs to, such as `vaults/rollcall`. */
export function scopeOf({ id }: Resource): string {
	const scope = /^.*\/providers\/Microsoft\.\w+\/(.+)\/providers\/Microsoft\.\w+\/[^/]+\/[^/]+$/.exec(id)?.[1]
	if (scope === undefined) throw new Error(`${id} belongs to no other resource`)
	return scope
}

/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
const roles: Readonly<Record<string, string>> = {
	'0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3': 'Storage Table Data Contributor',
	'26baccc8-eea7-41f1-98f4-1762cc7f685d': 'Azure Relay Sender',
	'2787bf04-f1f5-4bfe-8383-c8a24483ee38': 'Azure Relay Owner',
	'26e0b698-aa6d-4085-9386-aadae190014d': 'Azure Relay Listener',
	'3913510d-42f4-4e42-8a64-420c390055eb': 'Monitoring Metrics Publisher',
	'4633458b-17de-408a-b874-0445c86b69e6': 'Key Vault Secrets User',
	'b7e6dc6d-f1e8-4753-8033-0f276bb0955b': 'Storage Blob Data Owner',
	'ba92f5b4-2d11-453d-a403-e96b0029c9fe': 'Storage Blob Data Contributor',
	'b86a8fe4-44ce-4948-aee5-eccb2c155cd7': 'Key Vault Secrets Officer',
}

const assignment = z.object({ principalId: z.string(), principalType: z.string(), roleDefinitionId: z.string() })

/** Every role assignment: the role, the resource and the identity. */
export const grants = (deployed: Deployment): readonly { role: string | undefined; on: string; to: string }[] =>
	all(deployed, 'Microsoft.Authorization/roleAssignments').map((each) => {
		const { principalId, principalType, roleDefinitionId } = assignment.parse(each.properties)
		const [, own] = /format\('(identity|publisher)-.*outputs\.principalId/.exec(principalId) ?? []
		return {
			role: roles[roleDefinitionId.split('/').at(-1) ?? ''],
			on: scopeOf(each),
			to: own === undefined ? `${principalType} ${principalId}` : own === 'identity' ? 'app' : own,
		}
	})

/** The app settings. */
export const settingsOf = (deployed: Deployment): Readonly<Record<string, string>> =>
	z.record(z.string(), z.string()).parse(the(deployed, 'Microsoft.Web/sites/config').properties)

const publicAzure: readonly (readonly [expression: string, value: string])[] = [
	["replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')", '.vaultcore.azure.net'],
	['environment().suffixes.keyvaultDns', '.vault.azure.net'],
	['environment().suffixes.storage', 'core.windows.net'],
]

/** Evaluates expressions that are constant in public Azure: `[format('https://{0}{1}', 'x', environment()…)]`. */
export function inPublicAzure(expression: string): string {
	const known = publicAzure.reduce((text, [from, to]) => text.replaceAll(from, `'${to}'`), expression)
	const format = /^\[format\('([^']*)', ('.*')\)\]$/.exec(known)
	if (format === null) return expression
	const [, text = '', list = ''] = format
	const values = list.slice(1, -1).split("', '")
	return text.replace(/\{(\d)\}/g, (_, index) => values[Number(index)] ?? '')
}

const described = z.object({
	type: z.string().optional(),
	defaultValue: z.unknown().optional(),
	metadata: z.object({ description: z.string() }).optional(),
})

/** A resource of a template. A module is a resource that holds a template. */
type Part = {
	readonly dependsOn: readonly string[]
	readonly properties?: string | { readonly template?: Template | undefined } | undefined
}

export type Template = {
	readonly parameters: Readonly<Record<string, z.infer<typeof described>>>
	readonly outputs: Readonly<Record<string, z.infer<typeof described>>>
	/** The resources by their symbolic names, or by numbers if the template has no symbolic names. */
	readonly resources: Readonly<Record<string, Part>>
}

const part: z.ZodType<Part> = z.lazy(() =>
	z.object({
		dependsOn: z.array(z.string()).default([]),
		properties: z.union([z.string(), z.object({ template: template.optional() })]).optional(),
	}),
)

/** A compiled template. */
export const template: z.ZodType<Template> = z.object({
	parameters: z.record(z.string(), described).default({}),
	outputs: z.record(z.string(), described).default({}),
	resources: z.union([
		z.record(z.string(), part),
		z.array(part).transform((parts) => Object.fromEntries(parts.map((each, index) => [String(index), each]))),
	]),
})

/** A template and all those inside it. */
export const templates = (outer: Template): readonly Template[] => [
	outer,
	...Object.values(outer.resources).flatMap(({ properties }) =>
		typeof properties === 'object' && properties.template !== undefined ? templates(properties.template) : [],
	),
]
