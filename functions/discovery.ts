import { forbidden, notFound } from '../shared/scim/error.ts'
import { listResponse } from '../shared/scim/list-response.ts'
import { type ResourceTypes, type Schema, sameUrn, typeNames } from '../shared/scim/resource-type.ts'
import { resourceTypeDocument, schemaDocument, uniqueAttributesOf } from '../shared/scim/schema.ts'
import { limits, serviceProviderConfig } from '../shared/scim/service-provider-config.ts'
import type { Handler, ScimReply } from './call.ts'

/** A schema that extends users and groups is listed once. */
const schemasIn = (types: ResourceTypes): readonly Schema[] => [
	...new Set(typeNames.flatMap((name) => [types[name].schema, ...types[name].extensions])),
]

/**
 * RFC 7644 section 4: a filter is refused, so that no client takes the whole list for the matches. All other parameters
 * are ignored. A 403 would suspend an Entra job, but Entra does not filter here.
 */
const discovery =
	(answer: Handler): Handler =>
	async (call) => {
		for (const name of call.query.keys()) {
			if (name.toLowerCase() === 'filter') throw forbidden('filter is not supported here')
		}
		return answer(call)
	}

export const getServiceProviderConfig = discovery(async ({ baseUrl, tenant: { hasClients } }) => ({
	status: 200,
	body: serviceProviderConfig({ baseUrl, ...(hasClients && { hasClients }) }, limits),
}))

export const listSchemas = discovery(async ({ baseUrl, types }) =>
	completeList(schemasIn(types).map((schema) => schemaDocument(schema, baseUrl, uniqueAttributesOf(types.User)))),
)

export const getSchema = discovery(async ({ baseUrl, params, types }) => {
	const schema = schemasIn(types).find(({ urn }) => sameUrn(urn, params.id ?? ''))
	if (schema === undefined) throw notFound(`there is no schema "${params.id}"`)
	return { status: 200, body: schemaDocument(schema, baseUrl, uniqueAttributesOf(types.User)) }
})

export const listResourceTypes = discovery(async ({ baseUrl, types }) =>
	completeList(typeNames.map((name) => resourceTypeDocument(types[name], baseUrl))),
)

export const getResourceType = discovery(async ({ baseUrl, params, types }) => {
	const name = typeNames.find((each) => each === params.id)
	if (name === undefined) throw notFound(`there is no resource type "${params.id}"`)
	return { status: 200, body: resourceTypeDocument(types[name], baseUrl) }
})

const completeList = (resources: readonly unknown[]): ScimReply => ({
	status: 200,
	body: listResponse({
		resources,
		totalResults: resources.length,
		startIndex: 1,
		itemsPerPage: resources.length,
	}),
})
