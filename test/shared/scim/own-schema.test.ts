import { describe, expect, test } from 'vitest'
import { parseOwnSchemas, requireTogether, typesWith } from '../../../shared/scim/own-schema.ts'
import { builtInTypes, findExtension, resolveAttribute } from '../../../shared/scim/resource-type.ts'
import { urn } from '../../../shared/scim/urn.ts'

const id = 'urn:example:params:scim:schemas:hr:2.0:User'
const attributes = [{ name: 'badge' }]

function refusalOf(work: () => unknown) {
	try {
		work()
	} catch (error) {
		return error
	}
	throw new Error('it is accepted')
}

describe('a schema of a tenant', () => {
	test.each<[string, unknown, string]>([
		['no object', 7, 'the schema must be an object'],
		['no URN', { attributes }, 'id must be the URN of the schema'],
		[
			'a URN of another kind',
			{ id: 'hr', attributes },
			'id must be a URN such as urn:example:params:scim:schemas:hr:2.0:User, not "hr"',
		],
		['a URN with a comma', { id: `${id},x`, attributes }, `id must be a URN such as ${id}, not "${id},x"`],
		['the URN of a message', { id: urn.patchOp, attributes }, `id ${urn.patchOp} is the URN of something else`],
		[
			'the URN of another resource type',
			{ id: urn.schema, attributes },
			`id ${urn.schema} is the URN of something else`,
		],
		[
			'an older spelling of a URN',
			{ id: 'urn:scim:schemas:extension:enterprise:1.0', attributes },
			'id urn:scim:schemas:extension:enterprise:1.0 is the URN of something else',
		],
		['no attributes', { id }, 'attributes must be a list'],
		[
			'a wrong type',
			{ id, attributes: [{ name: 'badge', type: 'text' }] },
			'attributes[0].type must be string, boolean, decimal, integer, dateTime, reference, binary or complex',
		],
		[
			'a name with a colon',
			{ id, attributes: [{ name: 'a:b' }] },
			'attributes[0].name must begin with a letter and have only letters, digits, "-" and "_", at most 100 characters',
		],
		[
			'a misspelt characteristic',
			{ id, attributes: [{ name: 'badge', multivalued: true }] },
			'attributes[0] has an unknown characteristic "multivalued"; did you mean multiValued?',
		],
		[
			'a word for a boolean',
			{ id, attributes: [{ name: 'badge', required: 'yes' }] },
			'attributes[0].required must be true or false',
		],
		[
			'one name twice',
			{ id, attributes: [{ name: 'badge' }, { name: 'Badge' }] },
			'attributes[1].name Badge is declared twice',
		],
		[
			'a password',
			{ id, attributes: [{ name: 'Password' }] },
			'attributes[0].name Password cannot be used: passwords are not kept',
		],
		[
			'a name of every object',
			{ id, attributes: [{ name: 'constructor' }] },
			'attributes[0].name constructor cannot be used',
		],
		['a reserved name', { id, attributes: [{ name: 'members' }] }, 'attributes[0].name members is reserved'],
		[
			'a name that the schema has',
			{ id: urn.user, attributes: [{ name: 'Title' }] },
			`attributes[0].name Title is an attribute of ${urn.user} already`,
		],
		[
			'parts of a simple value',
			{ id, attributes: [{ name: 'a', subAttributes: [{ name: 'b' }] }] },
			'attributes[0].type must be complex, since it has subAttributes',
		],
		[
			'a complex value without parts',
			{ id, attributes: [{ name: 'a', type: 'complex' }] },
			'attributes[0].subAttributes must have the parts of a complex value',
		],
		[
			'a complex part',
			{ id, attributes: [{ name: 'a', type: 'complex', subAttributes: [{ name: 'b', type: 'complex' }] }] },
			'attributes[0].subAttributes[0].type must not be complex (RFC 7643 section 2.3.8)',
		],
		[
			'too many parts',
			{
				id,
				attributes: [
					{
						name: 'a',
						type: 'complex',
						subAttributes: Array.from({ length: 21 }, (_, index) => ({ name: `n${index}` })),
					},
				],
			},
			'attributes[0].subAttributes has 21 names; the limit is 20',
		],
		[
			'a read-only attribute',
			{ id, attributes: [{ name: 'a', mutability: 'readOnly' }] },
			"attributes[0].mutability must be readWrite or writeOnly: clients write the attributes of a tenant's schema",
		],
		[
			'a secret that is returned',
			{ id, attributes: [{ name: 'a', mutability: 'writeOnly' }] },
			'attributes[0].returned must be never, since the attribute is writeOnly',
		],
		[
			'an attribute that is unique everywhere',
			{ id, attributes: [{ name: 'a', uniqueness: 'global' }] },
			'attributes[0].uniqueness must be none or server (RFC 7643 section 2.2)',
		],
		[
			'a unique attribute of groups',
			{ id: 'urn:example:hr:Group', attributes: [{ name: 'a', uniqueness: 'server' }] },
			'attributes[0].uniqueness must be none: only values of users can be unique',
		],
		[
			'nothing to enforce',
			{ id, attributes: [{ name: 'a', enforced: true }] },
			'attributes[0].canonicalValues must have the values to enforce',
		],
	])('is refused with %s, by its place', (_, input, detail) => {
		expect(refusalOf(() => parseOwnSchemas(input))).toMatchObject({
			status: 400,
			scimType: 'invalidValue',
			message: detail,
		})
	})

	test.each<[string, readonly unknown[], string]>([
		[
			'11 schemas',
			Array.from({ length: 11 }, (_, index) => ({ id: `${id}${index}`, attributes })),
			'the tenant would have 11 schemas; the limit is 10',
		],
		[
			'201 attributes',
			[{ id, attributes: Array.from({ length: 201 }, (_, index) => ({ name: `n${index}` })) }],
			'the schemas would have 201 attributes together; the limit is 200',
		],
		[
			'much text',
			[{ id, description: 'x'.repeat(262_144), attributes }],
			expect.stringMatching(/^the schemas would take 262\d{3} characters as JSON; the limit is 262144$/),
		],
		[
			'a URN that is a path of another',
			[
				{ id, attributes },
				{ id: `${id}:badge`, attributes },
			],
			`the schema ${id}:badge cannot be told from the attribute badge of ${id}`,
		],
	])('is refused together with others if there are %s', (_, documents, detail) => {
		expect(refusalOf(() => requireTogether(parseOwnSchemas(documents)))).toMatchObject({ status: 400, message: detail })
	})

	test('may have nulls in place of what does not apply, and is read from the answer of /Schemas', () => {
		const document = { id, name: null, attributes: [{ name: 'badge', canonicalValues: null, subAttributes: null }] }
		const [schema] = parseOwnSchemas({ totalResults: 1, Resources: [document] })
		expect(JSON.parse(JSON.stringify(schema))).toEqual({ id, attributes: [{ name: 'badge' }] })
	})

	test('extends users, or groups if its URN ends so, with the defaults of RFC 7643', () => {
		const types = typesWith(
			parseOwnSchemas([
				{ id, attributes },
				{ id: 'urn:example:hr:Group', attributes },
			]),
		)
		expect(types.User.extensions.map((extension) => extension.urn)).toEqual([urn.enterpriseUser, id])
		expect(types.Group.extensions.map((extension) => extension.urn)).toEqual(['urn:example:hr:Group'])
		expect(resolveAttribute(types.User, { uri: id.toUpperCase(), name: 'BADGE' })?.attribute).toMatchObject({
			name: 'badge',
			type: 'string',
			multiValued: false,
			required: false,
			caseExact: false,
			mutability: 'readWrite',
			returned: 'default',
			uniqueness: 'none',
		})
	})

	test('adds to a schema of the RFCs, whose own attributes stay the same objects', () => {
		const types = typesWith(
			parseOwnSchemas([
				{ id: urn.user, attributes },
				{ id: urn.enterpriseUser.toUpperCase(), attributes },
				{ id: urn.group, attributes },
			]),
		)
		expect(resolveAttribute(types.User, { name: 'title' })).toEqual(
			resolveAttribute(builtInTypes.User, { name: 'title' }),
		)
		expect(findExtension(types.User, urn.enterpriseUser)?.attributes.has('badge')).toBe(true)
		expect(types.User.extensions.length).toBe(1)
		expect([types.User, types.Group].every(({ schema }) => schema.attributes.has('badge'))).toBe(true)
		expect(builtInTypes.User.schema.attributes.has('badge')).toBe(false)
	})
})
