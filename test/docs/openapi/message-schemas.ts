import { builtInTypes } from '../../../shared/scim/resource-type.ts'
import { limits } from '../../../shared/scim/service-provider-config.ts'
import { urn } from '../../../shared/scim/urn.ts'
import { componentName, type JsonSchema, propertiesOf } from './resource-schemas.ts'

const resourceTypes = Object.values(builtInTypes)

export const refTo = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })

const text: JsonSchema = { type: 'string' }
const texts: JsonSchema = { type: 'array', items: text }
const count: JsonSchema = { type: 'integer', minimum: 0 }
const flag: JsonSchema = { type: 'boolean' }
const time: JsonSchema = { type: 'string', format: 'date-time' }

type Properties = Readonly<Record<string, JsonSchema>>

const object = (properties: Properties, required: readonly string[] = Object.keys(properties)): JsonSchema => ({
	type: 'object',
	required,
	...propertiesOf(properties),
})

/** A message of the service provider: its `schemas` has one URN, and it has no other properties than these. */
const message = (urn: string, properties: Properties, optional: Properties = {}): JsonSchema => ({
	...object({ schemas: { const: [urn] }, ...properties, ...optional }, ['schemas', ...Object.keys(properties)]),
	additionalProperties: false,
})

/** One page of a result. */
const listOf = (resources: JsonSchema): JsonSchema =>
	message(
		urn.listResponse,
		{ itemsPerPage: count, Resources: { type: 'array', items: resources } },
		{ totalResults: count, startIndex: { type: 'integer', minimum: 1 }, nextCursor: text },
	)

/** A request has any URNs in `schemas`, in any letter case, or none. */
const request = (properties: Properties, required: readonly string[]): JsonSchema =>
	object({ schemas: { type: ['array', 'null'], items: text }, ...properties }, required)

/** A word in any letter case: Entra writes `Add` and `Replace`. */
const inAnyCase = (...words: readonly string[]): string => {
	const letters = (word: string) => [...word].map((letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`)
	return `^(${words.map((word) => letters(word).join('')).join('|')})$`
}

const patchOperation: JsonSchema = object(
	{
		op: { type: 'string', pattern: inAnyCase('add', 'replace', 'remove') },
		path: { type: ['string', 'null'], description: 'RFC 7644 section 3.5.2, figure 7.' },
		value: { description: 'Required but for `remove`.' },
	},
	['op'],
)

const names: JsonSchema = { anyOf: [texts, text] }
const wholeNumber: JsonSchema = { type: ['integer', 'string'] }

const errorMessage: JsonSchema = message(
	urn.error,
	{ status: { type: 'string', pattern: '^[45][0-9]{2}$' }, detail: text },
	{ scimType: text },
)

const supported = (more: Properties = {}): JsonSchema => object({ supported: flag, ...more })

const meta: JsonSchema = object({ resourceType: text, location: text })

/** The schemas of the messages of RFC 7643, RFC 7644 and RFC 9865, and of ours. */
export const messageSchemas = (): Readonly<Record<string, JsonSchema>> => ({
	...Object.fromEntries(
		resourceTypes.map((type) => [`${type.name}List`, listOf(refTo(componentName(type, 'answer')))]),
	),
	ResourceList: listOf({ anyOf: resourceTypes.map((type) => refTo(componentName(type, 'answer'))) }),
	SchemaList: listOf(refTo('Schema')),
	ResourceTypeList: listOf(refTo('ResourceType')),
	Error: errorMessage,
	PatchRequest: request({ Operations: { type: 'array', minItems: 1, items: patchOperation } }, ['Operations']),
	SearchRequest: request(
		{
			attributes: names,
			excludedAttributes: names,
			filter: text,
			sortBy: text,
			sortOrder: { type: 'string', pattern: inAnyCase('ascending', 'descending') },
			startIndex: wholeNumber,
			count: wholeNumber,
			cursor: text,
		},
		[],
	),
	BulkRequest: request(
		{
			failOnErrors: { type: 'integer', minimum: 1 },
			Operations: {
				type: 'array',
				minItems: 1,
				maxItems: limits.maxOperations,
				items: object(
					{
						method: { type: 'string', pattern: inAnyCase('POST', 'PUT', 'PATCH', 'DELETE') },
						path: { type: 'string', maxLength: 1024 },
						bulkId: { type: 'string', maxLength: 256, description: 'Required for POST.' },
						version: { type: 'string', maxLength: 256, description: 'As the header If-Match.' },
						data: { description: 'The body of the operation.' },
					},
					['method', 'path'],
				),
			},
		},
		['Operations'],
	),
	BulkResponse: message(urn.bulkResponse, {
		Operations: {
			type: 'array',
			items: {
				...object(
					{
						method: { enum: ['POST', 'PUT', 'PATCH', 'DELETE'] },
						status: { type: 'string', pattern: '^[2345][0-9]{2}$' },
						bulkId: text,
						location: text,
						version: text,
						response: refTo('Error'),
					},
					['method', 'status'],
				),
				additionalProperties: false,
			},
		},
	}),
	Schema: message(urn.schema, {
		id: text,
		name: text,
		description: text,
		attributes: { type: 'array', items: refTo('Attribute') },
		meta,
	}),
	Attribute: {
		...object(
			{
				name: text,
				type: { enum: ['string', 'boolean', 'decimal', 'integer', 'dateTime', 'binary', 'reference', 'complex'] },
				multiValued: flag,
				description: text,
				required: flag,
				caseExact: flag,
				mutability: { enum: ['readOnly', 'readWrite', 'immutable', 'writeOnly'] },
				returned: { enum: ['always', 'never', 'default', 'request'] },
				uniqueness: { enum: ['none', 'server', 'global'] },
				canonicalValues: texts,
				referenceTypes: texts,
				subAttributes: { type: 'array', items: refTo('Attribute') },
			},
			['name', 'type', 'multiValued', 'description', 'required', 'caseExact', 'mutability', 'returned', 'uniqueness'],
		),
		additionalProperties: false,
	},
	ResourceType: message(
		urn.resourceType,
		{ id: text, name: text, description: text, endpoint: text, schema: text, meta },
		{ schemaExtensions: { type: 'array', items: object({ schema: text, required: flag }) } },
	),
	ServiceProviderConfig: message(
		urn.serviceProviderConfig,
		{
			patch: supported(),
			bulk: supported({ maxOperations: count, maxPayloadSize: count }),
			filter: supported({ maxResults: count }),
			changePassword: supported(),
			sort: supported(),
			etag: supported(),
			pagination: object({
				cursor: flag,
				index: flag,
				defaultPaginationMethod: { enum: ['cursor', 'index'] },
				defaultPageSize: count,
				maxPageSize: count,
				cursorTimeout: count,
			}),
			authenticationSchemes: {
				type: 'array',
				items: object({ type: text, name: text, description: text, specUri: text, primary: flag }, [
					'type',
					'name',
					'description',
				]),
			},
			meta,
		},
		{ documentationUri: text },
	),
	ChangeList: message(
		urn.changeList,
		{
			itemsPerPage: count,
			nextCursor: { type: 'string', description: 'The cursor for the next request. Every answer has one.' },
			changes: { type: 'array', items: refTo('Change') },
		},
		{ snapshot: { const: true, description: 'The answer is a page of a snapshot.' } },
	),
	Change: {
		...object(
			{
				id: text,
				timestamp: time,
				operation: { enum: ['create', 'update', 'delete'] },
				resourceType: { enum: resourceTypes.map(({ name }) => name) },
				resourceId: text,
				$ref: text,
				attributes: texts,
				userName: text,
				displayName: text,
				externalId: text,
				addedMembers: texts,
				removedMembers: texts,
				leftGroups: texts,
			},
			['id', 'timestamp', 'operation', 'resourceType', 'resourceId'],
		),
		additionalProperties: false,
	},
	Health: object(
		{
			status: { enum: ['ok', 'failing'] },
			checks: {
				type: 'array',
				items: object(
					{
						name: { enum: ['tables', 'tokens', 'scimServer'] },
						status: { enum: ['ok', 'failing'] },
						milliseconds: { type: 'number', minimum: 0 },
						detail: text,
					},
					['name', 'status', 'milliseconds'],
				),
			},
		},
		['status', 'checks'],
	),
})
