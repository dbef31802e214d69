import { describe, expect, test } from 'vitest'
import { groupType, type Schema, userType } from '../../../shared/scim/resource-type.ts'
import {
	type AttributeDocument,
	resourceTypeDocument,
	type SchemaDocument,
	schemaDocument,
} from '../../../shared/scim/schema.ts'

const baseUrl = 'https://rollcall.example/scim/contoso'
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

const documents = [userType, groupType]
	.flatMap((type): readonly Schema[] => [type.schema, ...type.extensions])
	.map((schema) => schemaDocument(schema, baseUrl))

const attribute = (schema: Schema, name: string): AttributeDocument | undefined =>
	schemaDocument(schema, baseUrl).attributes.find((attribute) => attribute.name === name)

describe('the document of a schema', () => {
	test('has the id, the name and the location of the schema', () => {
		const { attributes, ...document } = schemaDocument(groupType.schema, baseUrl)
		expect(document).toEqual({
			schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
			id: 'urn:ietf:params:scim:schemas:core:2.0:Group',
			name: 'Group',
			description: 'Group',
			meta: {
				resourceType: 'Schema',
				location: `${baseUrl}/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group`,
			},
		})
		expect(attributes.map(({ name }) => name)).toEqual(['displayName', 'externalId', 'members'])
	})

	test('writes a simple attribute without lists', () => {
		expect(attribute(userType.schema, 'userName')).toEqual({
			name: 'userName',
			type: 'string',
			multiValued: false,
			description: 'The identifier by which the user signs in. Unique in any letter case within the tenant.',
			required: true,
			caseExact: false,
			mutability: 'readWrite',
			returned: 'default',
			uniqueness: 'server',
		})
	})

	test('writes a complex attribute with its sub-attributes, labels and references', () => {
		const members = attribute(groupType.schema, 'members')
		expect(members).toMatchObject({ type: 'complex', multiValued: true, mutability: 'readWrite' })
		expect(members?.subAttributes?.map(({ name, type }) => [name, type])).toEqual([
			['value', 'string'],
			['$ref', 'reference'],
			['type', 'string'],
			['display', 'string'],
		])
		expect(members?.subAttributes?.[1]).toEqual({
			name: '$ref',
			type: 'reference',
			multiValued: false,
			description: 'The address of the user.',
			required: false,
			caseExact: false,
			mutability: 'immutable',
			returned: 'default',
			uniqueness: 'none',
			referenceTypes: ['User'],
		})
		expect(members?.subAttributes?.[2]).toMatchObject({ name: 'type', canonicalValues: ['User'] })
	})

	test('has no null and no empty list anywhere, and is JSON', () => {
		const empty: string[] = []
		const text = JSON.stringify(documents, (key, value: unknown) => {
			if (value === null || (Array.isArray(value) && value.length === 0)) empty.push(key)
			return value
		})
		expect(empty).toEqual([])
		expect(JSON.parse(text)).toEqual(documents)
	})

	test('lists externalId of users and groups, because the Entra validator looks for it there', () => {
		expect(attribute(userType.schema, 'externalId')).toMatchObject({ caseExact: true })
		expect(attribute(groupType.schema, 'externalId')).toMatchObject({ caseExact: true })
	})
})

test('the document of a resource type names its schema and extensions', () => {
	expect(resourceTypeDocument(userType, baseUrl)).toEqual({
		schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
		id: 'User',
		name: 'User',
		description: 'User Account',
		endpoint: '/Users',
		schema: 'urn:ietf:params:scim:schemas:core:2.0:User',
		schemaExtensions: [{ schema: enterprise, required: false }],
		meta: { resourceType: 'ResourceType', location: `${baseUrl}/ResourceTypes/User` },
	})
	expect(resourceTypeDocument(groupType, baseUrl)).toEqual({
		schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
		id: 'Group',
		name: 'Group',
		description: 'Group',
		endpoint: '/Groups',
		schema: 'urn:ietf:params:scim:schemas:core:2.0:Group',
		meta: { resourceType: 'ResourceType', location: `${baseUrl}/ResourceTypes/Group` },
	})
})

/**
 * The names under which Microsoft's Logic App validator looks for the targets of a mapping ("Schema Discoverability").
 * https://github.com/AzureAD/SCIMReferenceCode/tree/master/Microsoft.SCIM.LogicAppValidationTemplate
 */
function discoverable({ id, attributes }: SchemaDocument): readonly string[] {
	const prefix = /:core:2\.0:(?:User|Group)$/.test(id) ? '' : `${id}:`
	return attributes.flatMap(flatten).map((name) => `${prefix}${name}`.toLowerCase())
}

function flatten({ name, type, multiValued, subAttributes = [] }: AttributeDocument): readonly string[] {
	if (name === 'manager' || name === 'members') return [name]
	if (type !== 'complex') return type === 'reference' ? [] : [name]
	if (!multiValued) {
		const simple = subAttributes.filter((sub) => sub.type !== 'reference' && sub.type !== 'complex')
		return simple.map((sub) => `${name}.${sub.name}`)
	}
	const labels = subAttributes.find((sub) => sub.name === 'type')?.canonicalValues ?? []
	const others = subAttributes.filter((sub) => sub.name !== 'primary' && (sub.name !== 'type' || labels.length === 0))
	const brackets = labels.length > 0 ? labels.map((label) => `[type eq "${label}"]`) : ['[primary eq "True"]']
	return brackets.flatMap((filter) => others.map((sub) => `${name}${filter}.${sub.name}`))
}

describe("every target of Entra's mappings can be discovered", () => {
	const names = new Set(documents.flatMap(discoverable))

	test.each([
		'userName',
		'active',
		'displayName',
		'title',
		'emails[type eq "work"].value',
		'emails[type eq "other"].Value',
		'preferredLanguage',
		'name.givenName',
		'name.familyName',
		'name.formatted',
		'addresses[type eq "work"].formatted',
		'addresses[type eq "other"].Formatted',
		'addresses[type eq "work"].streetAddress',
		'addresses[type eq "work"].locality',
		'addresses[type eq "work"].region',
		'addresses[type eq "work"].postalCode',
		'addresses[type eq "work"].country',
		'phoneNumbers[type eq "work"].value',
		'phoneNumbers[type eq "mobile"].value',
		'phoneNumbers[type eq "fax"].value',
		'externalId',
		`${enterprise}:employeeNumber`,
		`${enterprise}:department`,
		`${enterprise}:manager`,
		'members',
		'roles[primary eq "True"].value',
		'roles[primary eq "True"].display',
		'roles[primary eq "True"].type',
	])('%s', (target) => {
		expect(names).toContain(target.toLowerCase())
	})
})
