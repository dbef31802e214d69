import { describe, expect, it } from 'vitest'
import { useHost } from '../support/host.ts'

const host = useHost()

const urn = (name: string) => `urn:ietf:params:scim:${name}`
const [user, enterpriseUser, group] = ['core:2.0:User', 'extension:enterprise:2.0:User', 'core:2.0:Group'].map((name) =>
	urn(`schemas:${name}`),
)

const absent = (detail: string) => ({
	status: 404,
	body: { schemas: [urn('api:messages:2.0:Error')], status: '404', detail },
})

describe('/ServiceProviderConfig', () => {
	it('lists what is supported, and the limits', async () => {
		const tenant = await host()
		const { status, headers, body } = await tenant.request('GET', '/ServiceProviderConfig')
		expect([status, headers.get('content-type')]).toEqual([200, 'application/scim+json; charset=utf-8'])
		expect(body).toMatchObject({
			schemas: [urn('schemas:core:2.0:ServiceProviderConfig')],
			patch: { supported: true },
			bulk: { supported: true, maxOperations: 1000, maxPayloadSize: 4_194_304 },
			filter: { supported: true, maxResults: 1000 },
			changePassword: { supported: false },
			sort: { supported: true },
			etag: { supported: true },
			pagination: {
				cursor: true,
				index: true,
				defaultPaginationMethod: 'index',
				defaultPageSize: 100,
				maxPageSize: 1000,
				cursorTimeout: 3600,
			},
			authenticationSchemes: [
				{
					type: 'oauthbearertoken',
					name: 'OAuth Bearer Token',
					primary: true,
					description: 'The secret token of the tenant, in the Authorization header.',
					specUri: 'https://www.rfc-editor.org/info/rfc6750',
				},
			],
			meta: { resourceType: 'ServiceProviderConfig', location: `${tenant.baseUrl}/ServiceProviderConfig` },
		})
	})
})

describe.each([
	['/Schemas', [user, enterpriseUser, group]],
	['/ResourceTypes', ['User', 'Group']],
])('%s', (endpoint, ids) => {
	it('lists all documents, each the same as at its id and its location', async () => {
		const tenant = await host()
		const { status, body } = await tenant.request('GET', endpoint)
		expect([status, body]).toEqual([
			200,
			{
				schemas: [urn('api:messages:2.0:ListResponse')],
				totalResults: ids.length,
				startIndex: 1,
				itemsPerPage: ids.length,
				Resources: ids.map((id) => expect.objectContaining({ id })),
			},
		])
		for (const document of body.Resources) {
			const path = `${endpoint}/${document.id}`
			expect(document.meta.location).toBe(`${tenant.baseUrl}${path}`)
			for (const spelled of [path, path.replaceAll(':', '%3A')]) {
				expect(await tenant.request('GET', spelled)).toMatchObject({ status: 200, body: document })
			}
		}
	})

	it('has no other document', async () => {
		const tenant = await host()
		const kind = endpoint === '/Schemas' ? 'schema' : 'resource type'
		for (const id of ['urn:x', 'constructor', 'Users']) {
			expect(await tenant.request('GET', `${endpoint}/${id}`)).toMatchObject(absent(`there is no ${kind} "${id}"`))
		}
	})
})

describe('/ResourceTypes', () => {
	it('have the endpoints and the schemas of the resources', async () => {
		const tenant = await host()
		const meta = (name: string) => ({
			resourceType: 'ResourceType',
			location: `${tenant.baseUrl}/ResourceTypes/${name}`,
		})
		const schemas = [urn('schemas:core:2.0:ResourceType')]
		const { body } = await tenant.request('GET', '/ResourceTypes')
		expect(body.Resources).toEqual([
			{
				schemas,
				id: 'User',
				name: 'User',
				description: 'User Account',
				endpoint: '/Users',
				schema: user,
				schemaExtensions: [{ schema: enterpriseUser, required: false }],
				meta: meta('User'),
			},
			{
				schemas,
				id: 'Group',
				name: 'Group',
				description: 'Group',
				endpoint: '/Groups',
				schema: group,
				meta: meta('Group'),
			},
		])
	})
})

type Attribute = {
	readonly name: string
	readonly type: string
	readonly multiValued: boolean
	readonly mutability: string
	readonly subAttributes?: readonly Attribute[]
}

/** A value that fits the declaration of the attribute. */
function valueFor({ name, type, multiValued, subAttributes = [] }: Attribute): unknown {
	const value = type === 'complex' ? valuesOf(subAttributes) : type === 'boolean' ? true : `a ${name}`
	return multiValued ? [value] : value
}

const valuesOf = (attributes: readonly Attribute[]) =>
	Object.fromEntries(
		attributes
			.filter(({ mutability }) => mutability !== 'readOnly')
			.map((attribute) => [attribute.name, valueFor(attribute)]),
	)

describe('what the schemas declare', () => {
	it('is stored and returned under each of its names', async () => {
		const tenant = await host()
		const attributesOf = async (id = ''): Promise<Attribute[]> =>
			(await tenant.request('GET', `/Schemas/${id}`)).body.attributes
		const core = await attributesOf(user)
		const extension = await attributesOf(enterpriseUser)
		expect([core.length, extension.length]).toEqual([21, 6])
		const values = { ...valuesOf(core), [String(enterpriseUser)]: valuesOf(extension) }
		const { id } = await tenant.create('/Users', values)
		const { body } = await tenant.request('GET', `/Users/${id}`)
		const { schemas, meta, id: _, ...returned } = body
		expect(returned).toEqual(values)
		for (const { name } of core.filter(({ mutability }) => mutability !== 'readOnly')) {
			const selected = await tenant.request('GET', `/Users/${id}?attributes=${name}`)
			expect(selected.body).toEqual({ schemas, id, [name]: body[name] })
			expect((await tenant.request('GET', `/Users?filter=${name}+pr&attributes=id`)).body.totalResults, name).toBe(1)
		}
		for (const { name } of extension) {
			const path = `${enterpriseUser}:${name}`
			const selected = await tenant.request('GET', `/Users/${id}?attributes=${path}`)
			expect(selected.body).toEqual({
				schemas,
				id,
				[String(enterpriseUser)]: { [name]: body[String(enterpriseUser)][name] },
			})
			expect((await tenant.request('GET', `/Users?filter=${path}+pr`)).body.totalResults, name).toBe(1)
		}
	})
})

describe('the parameters', () => {
	it.each(['/ServiceProviderConfig', '/Schemas', `/Schemas/${user}`, '/ResourceTypes', '/ResourceTypes/User'])(
		'of %s are ignored, except a filter, which is refused',
		async (path) => {
			const tenant = await host()
			const { body } = await tenant.request('GET', path)
			const ignored = 'attributes=id&excludedAttributes=id&count=none&startIndex=7&sortBy=x&aadOptscim062020'
			expect(await tenant.request('GET', `${path}?${ignored}`)).toMatchObject({ status: 200, body })
			for (const filter of ['filter=id+pr', 'FILTER=']) {
				expect(await tenant.request('GET', `${path}?${filter}`)).toMatchObject({
					status: 403,
					body: {
						schemas: [urn('api:messages:2.0:Error')],
						status: '403',
						detail: 'filter is not supported here',
					},
				})
			}
		},
	)

	it('need the token of the tenant', async () => {
		const tenant = await host()
		for (const path of ['/ServiceProviderConfig', '/Schemas', '/ResourceTypes']) {
			const { status } = await tenant.request('GET', path, { headers: { authorization: 'Bearer x' } })
			expect(status).toBe(401)
		}
	})
})
