import { notFound } from '../shared/scim/error.ts'
import { listResponse } from '../shared/scim/list-response.ts'
import { resourceTypes, sameUrn } from '../shared/scim/resource-type.ts'
import { resourceTypeDocument, schemaDocument } from '../shared/scim/schema.ts'
import { limits, serviceProviderConfig } from '../shared/scim/service-provider-config.ts'
import type { Handler, Reply } from './call.ts'

// RFC 7644 section 4. Filters are not refused with 403, as it allows: Entra's client would take that for bad credentials.

const schemas = resourceTypes.flatMap(({ schema, extensions }) => [schema, ...extensions])

export const getServiceProviderConfig: Handler = async ({ baseUrl }) => ({
	status: 200,
	body: serviceProviderConfig(baseUrl, limits),
})

export const listSchemas: Handler = async ({ baseUrl }) =>
	whole(schemas.map((schema) => schemaDocument(schema, baseUrl)))

export const getSchema: Handler = async ({ baseUrl, params }) => {
	const schema = schemas.find(({ urn }) => sameUrn(urn, params.id ?? ''))
	if (schema === undefined) throw notFound(`there is no schema "${params.id}"`)
	return { status: 200, body: schemaDocument(schema, baseUrl) }
}

export const listResourceTypes: Handler = async ({ baseUrl }) =>
	whole(resourceTypes.map((type) => resourceTypeDocument(type, baseUrl)))

export const getResourceType: Handler = async ({ baseUrl, params }) => {
	const type = resourceTypes.find(({ name }) => name === params.id)
	if (type === undefined) throw notFound(`there is no resource type "${params.id}"`)
	return { status: 200, body: resourceTypeDocument(type, baseUrl) }
}

const whole = (resources: readonly unknown[]): Reply => ({
	status: 200,
	body: listResponse({
		resources,
		totalResults: resources.length,
		startIndex: 1,
		itemsPerPage: resources.length,
	}),
})
