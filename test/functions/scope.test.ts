import { describe, expect, test } from 'vitest'
import { handlers } from '../../functions/handlers.ts'
import { type Method, type Route, routes } from '../../functions/routes.ts'
import { requireScope } from '../../functions/scope.ts'
import type { Services } from '../../functions/services.ts'
import type { Credential } from '../../shared/auth/credential.ts'
import { useAzurite } from '../support/azurite.ts'
import { type Edge, startEdge } from '../support/edge.ts'

const azurite = useAzurite()

const reader: Credential = { id: 'reader', label: 'HR application', scope: 'scim.read' }
const writer: Credential = { id: 'writer', scope: 'scim' }

let tenants = 0

/** A process in which the token is the name of the credential. */
async function start(mode: 'store' | 'relay' = 'store'): Promise<Edge & { readonly sent: readonly string[] }> {
	const sent: string[] = []
	const revise = (services: Services): Services => ({
		...services,
		authenticate: async (_, token) => [reader, writer].find(({ id }) => id === token),
		senderOf: () =>
			Object.assign(
				async ({ method }: { method: string }) => {
					sent.push(method)
					return { status: 200, headers: {}, body: new Uint8Array() }
				},
				{ outdatedAgents: async () => [] },
			) as never,
	})
	const edge = await startEdge({ connectionString: azurite().connectionString, revise })
	const name = `tenant-${++tenants}`
	await edge.services.tenants.createTenant({ name, mode, settings: {} })
	const ask: typeof edge.ask = (method, _, path, options) => edge.ask(method, name, path, options)
	return { ...edge, sent, ask }
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Every method of every route for which there is a handler. */
const asked = routes.flatMap((route) =>
	methods.filter((method) => handlers[route.name][method] !== undefined).map((method) => [method, route] as const),
)

const pathOf = ({ path }: Route) => `/${path.replace('{id}', 'some-id')}`.replace(/\/$/, '')

/** What changes nothing, as RFC 7644 has it, written down apart from the route table. */
const isRead = (method: Method, { path }: Route) => method === 'GET' || path.endsWith('.search')

const body = (method: Method) => (method === 'GET' || method === 'DELETE' ? {} : { body: {} })

describe('a credential that may only read', () => {
	test('is refused with every write of the route table, and answered like a full one for every read', async () => {
		const { ask } = await start()
		for (const [method, route] of asked) {
			const options = body(method)
			const of = (token: string) => ask(method, 'acme', pathOf(route), { ...options, token })
			const [reads, writes] = [await of('reader'), await of('writer')]
			const name = `${method} ${route.path}`
			expect([name, writes.status === 403]).toEqual([name, false])
			if (isRead(method, route)) expect([name, reads.status]).toEqual([name, writes.status])
			else {
				expect([name, reads.status, reads.headers.get('www-authenticate'), reads.body]).toEqual([
					name,
					403,
					'Bearer realm="scim", error="insufficient_scope", scope="scim"',
					{
						schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
						status: '403',
						detail: `the credential may only read, and ${method} is not a request that only reads here`,
					},
				])
			}
		}
	})

	test('reads, searches and asks for changes', async () => {
		const { ask } = await start()
		const statuses = []
		for (const [method, path, sent] of [
			['GET', '/Users', undefined],
			['HEAD', '/Users', undefined],
			['GET', '/Changes', undefined],
			['POST', '/.search', { schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'] }],
			['POST', '/Users/.search', { schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'] }],
			['GET', '/ServiceProviderConfig', undefined],
		] as const) {
			statuses.push((await ask(method, 'acme', path, { token: 'reader', ...(sent && { body: sent }) })).status)
		}
		expect(statuses).toEqual([200, 200, 200, 200, 200, 200])
	})

	test('is refused with a bulk request', async () => {
		const { ask, events } = await start()
		const Operations = [{ method: 'POST', path: '/Users', bulkId: '1', data: { userName: 'joy' } }]
		const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
		const answer = await ask('POST', 'acme', '/Bulk', { token: 'reader', body: { schemas, Operations } })
		expect(answer.status).toBe(403)
		expect((await ask('GET', 'acme', '/Users', { token: 'writer' })).body.totalResults).toBe(0)
		expect(events[0]).toMatchObject({ status: 403, path: '/Bulk' })
	})

	test('has the usual answer for an endpoint or a method that does not exist', async () => {
		const { ask } = await start()
		expect((await ask('GET', 'acme', '/Nope', { token: 'reader' })).status).toBe(404)
		expect((await ask('DELETE', 'acme', '/Users', { token: 'reader' })).status).toBe(405)
	})

	test('sends nothing but reads of known endpoints through a relay', async () => {
		const { ask, sent } = await start('relay')
		const statuses: Record<string, number> = {}
		for (const [method, path] of [
			['GET', '/Users'],
			['HEAD', '/Users'],
			['POST', '/Users/.search'],
			['POST', '/Users'],
			['PATCH', '/Users/1'],
			['DELETE', '/Users/1'],
			['POST', '/Bulk'],
			['OPTIONS', '/Users'],
			['GET', '/Nope'],
			['POST', '/Nope'],
		] as const) {
			statuses[`${method} ${path}`] = (await ask(method, 'acme', path, { token: 'reader' })).status
		}
		expect(Object.values(statuses)).toEqual([200, 200, 200, 403, 403, 403, 403, 403, 403, 403])
		expect(sent).toEqual(['GET', 'GET', 'POST'])
	})
})

test('a route that is not declared to read is refused', () => {
	const [route] = routes
	if (route === undefined) throw new Error('there are routes')
	expect(() => requireScope(reader, { route: { ...route, reads: [] }, method: 'GET' })).toThrow(/may only read/)
	expect(() => requireScope(reader, { route: undefined, method: 'GET' })).toThrow(/may only read/)
	expect(() => requireScope(writer, { route: undefined, method: 'DELETE' })).not.toThrow()
})
