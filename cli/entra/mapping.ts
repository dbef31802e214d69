import * as z from 'zod'
import { Failure } from '../failure.ts'
import { type Graph, isReplicating } from './graph.ts'
import { jobPath } from './synchronization.ts'

// The mapping of attributes of a job. https://learn.microsoft.com/graph/api/synchronization-synchronizationschema-get
// A schema is written whole, so everything in it that is not named here is kept as it came.

const attributeMapping = z.looseObject({
	targetAttributeName: z.string().nullish(),
	source: z.looseObject({ expression: z.string().nullish(), name: z.string().nullish() }).nullish(),
})

const objectMapping = z.looseObject({
	sourceObjectName: z.string().nullish(),
	enabled: z.boolean().nullish(),
	attributeMappings: z.array(attributeMapping).default([]),
})

const rule = z.looseObject({ id: z.string(), objectMappings: z.array(objectMapping).default([]) })

const schema = z.looseObject({ synchronizationRules: z.array(rule) })

/** The mappings of a job, with everything else that Graph answered. */
export type MappingSchema = z.infer<typeof schema>

export async function getMappings(graph: Graph, application: string, jobId: string): Promise<MappingSchema> {
	const path = `${jobPath(application, jobId)}/schema`
	return schema.parse(await graph.send({ method: 'GET', path, isNew: isReplicating }))
}

export const putMappings = (graph: Graph, application: string, jobId: string, mappings: MappingSchema) =>
	graph.send({ method: 'PUT', path: `${jobPath(application, jobId)}/schema`, body: mappings })

type ObjectMapping = z.infer<typeof objectMapping>

/** The kinds of objects that Entra provisions. */
export type SourceObject = 'User' | 'Group'

/** The id of the rule that maps these objects, and their mapping. */
export function ruleOf(mappings: MappingSchema, source: SourceObject): { id: string; mapping: ObjectMapping } {
	for (const { id, objectMappings } of mappings.synchronizationRules) {
		const mapping = objectMappings.find(({ sourceObjectName }) => sourceObjectName === source)
		if (mapping !== undefined) return { id, mapping }
	}
	throw new Failure(`the provisioning job has no mapping of ${source.toLowerCase()}s`, {
		hint: 'restore the default mappings in the portal: Provisioning, Edit attribute mappings',
	})
}

/** Where the users' externalId is from: the name or the expression of its source; undefined if it is not mapped. */
export function externalIdSource(mappings: MappingSchema): string | undefined {
	const { mapping } = ruleOf(mappings, 'User')
	const source = mapping.attributeMappings.find(
		({ targetAttributeName }) => targetAttributeName === 'externalId',
	)?.source
	return source?.name ?? source?.expression ?? undefined
}

/** The source that never changes, so that a user stays the same one after a change of name. */
export const stableSource = 'objectId'

/** The mappings with the users' externalId from objectId. */
export const withStableExternalId = (mappings: MappingSchema): MappingSchema =>
	mapObjects(mappings, 'User', (mapping) => ({
		...mapping,
		attributeMappings: [
			...mapping.attributeMappings.filter(({ targetAttributeName }) => targetAttributeName !== 'externalId'),
			{
				...mapping.attributeMappings.find(({ targetAttributeName }) => targetAttributeName === 'externalId'),
				defaultValue: null,
				flowType: 'Always',
				flowBehavior: 'FlowWhenChanged',
				matchingPriority: 0,
				exportMissingReferences: false,
				targetAttributeName: 'externalId',
				source: { type: 'Attribute', name: stableSource, expression: `[${stableSource}]`, parameters: [] },
			},
		],
	}))

/** Whether groups are provisioned. */
export const areGroupsMapped = (mappings: MappingSchema): boolean => ruleOf(mappings, 'Group').mapping.enabled === true

export const withGroups = (mappings: MappingSchema, enabled: boolean): MappingSchema =>
	mapObjects(mappings, 'Group', (mapping) => ({ ...mapping, enabled }))

const mapObjects = (
	mappings: MappingSchema,
	source: SourceObject,
	change: (mapping: ObjectMapping) => ObjectMapping,
): MappingSchema => ({
	...mappings,
	synchronizationRules: mappings.synchronizationRules.map((rule) => ({
		...rule,
		objectMappings: rule.objectMappings.map((mapping) =>
			mapping.sourceObjectName === source ? change(mapping) : mapping,
		),
	})),
})
