import { describe, expect, it } from 'vitest'
import { matchPath } from '../../functions/match.ts'
import { routes } from '../../functions/routes.ts'

/**
 * The choice of the Functions host: the first matching route, with the triggers in the alphabetical order of their names,
 * ignoring case (azure-functions-host FunctionMetadataManager, WebScriptHostHttpRoutesManager).
 */
function hostChoice(path: string): string | undefined {
	const segments = path.split('/')
	const ordered = [...routes].sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
	return ordered.find((route) => {
		const pattern = `scim/{tenant}/${route.path}`.replace(/\/$/, '').split('/')
		return (
			pattern.length === segments.length &&
			pattern.every((part, index) => part.startsWith('{') || part.toLowerCase() === segments[index]?.toLowerCase())
		)
	})?.name
}

const addresses: readonly [path: string, name: string][] = [
	['scim/demo', 'root'],
	['scim/demo/Users', 'users'],
	['scim/demo/users', 'users'],
	['scim/demo/Users/2819c223', 'user'],
	['scim/demo/Users/.search', 'dotSearchUsers'],
	['scim/demo/Groups', 'groups'],
	['scim/demo/Groups/e9e30dba', 'group'],
	['scim/demo/Groups/.search', 'dotSearchGroups'],
	['scim/demo/.search', 'dotSearch'],
	['scim/demo/Bulk', 'bulk'],
	['scim/demo/Changes', 'changes'],
	['scim/demo/health', 'health'],
	['scim/demo/Me', 'me'],
	['scim/demo/Schemas', 'schemas'],
	['scim/demo/Schemas/urn:ietf:params:scim:schemas:core:2.0:User', 'schema'],
	['scim/demo/ResourceTypes', 'resourceTypes'],
	['scim/demo/ResourceTypes/User', 'resourceType'],
	['scim/demo/ServiceProviderConfig', 'serviceProviderConfig'],
	['scim/demo/oauth2/token', 'token'],
	['scim/demo/agent/enrol', 'agentEnrol'],
	['scim/demo/agent/token', 'agentToken'],
]

describe('matchPath', () => {
	it.each(addresses)('maps /%s to %s, as the Functions host does', (path, name) => {
		expect(matchPath(`/${path}`)?.route?.name).toBe(name)
		expect(hostChoice(path)).toBe(name)
	})

	it('is tested with an address for every route', () => {
		expect(new Set(addresses.map(([, name]) => name))).toEqual(new Set(routes.map(({ name }) => name)))
	})

	it('has the route for all other paths last', () => {
		expect(routes.every(({ name }) => name.toLowerCase() < 'wildcard')).toBe(true)
	})

	it.each(['/scim/demo/Users/', '/scim/demo//Users', '//scim//demo//Users//'])(
		'reads %s as /scim/demo/Users',
		(path) => {
			expect(matchPath(path)).toMatchObject({ tenant: 'demo', route: { name: 'users' } })
		},
	)

	it('decodes each segment once', () => {
		expect(matchPath('/scim/demo/Users/a%252Fb')?.params).toEqual({ id: 'a%2Fb' })
		expect(matchPath('/scim/demo/Users/a%2Fb')?.params).toEqual({ id: 'a/b' })
	})

	it('refuses a broken percent encoding', () => {
		expect(() => matchPath('/scim/demo/Users/%zz')).toThrow(
			expect.objectContaining({ status: 400, scimType: 'invalidSyntax' }),
		)
	})

	it.each(['/', '/scim', '/scim/', '/api/demo/Users', '/favicon.ico'])('finds no tenant in %s', (path) => {
		expect(matchPath(path)).toBeUndefined()
	})

	it.each(['/scim/demo/Nothing', '/scim/demo/Users/a/b', '/scim/demo/Me/x'])(
		'finds the tenant but no endpoint in %s',
		(path) => {
			const match = matchPath(path)
			expect(match?.tenant).toBe('demo')
			expect(match?.route).toBeUndefined()
		},
	)
})
