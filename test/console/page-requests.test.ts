import { expect, test } from 'vitest'
import type { DeploymentTarget } from '../../cli/target.ts'
import { matchRoute } from '../../console/route.ts'
import { consoleRoutes } from '../../console/routes.ts'
import { builtInTypes, groupType } from '../../shared/scim/resource-type.ts'
import { readLastUses } from '../../shared/storage/last-use.ts'
import { openLedger } from '../../shared/storage/ledger/ledger.ts'
import { openLookup } from '../../shared/storage/lookup.ts'
import { connectTables, type Send } from '../../shared/storage/table/tables.ts'
import { openDirectories } from '../../shared/storage/table-store.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { newDirectory } from '../support/directory.ts'
import { everyone, personId, storeFewRows, withManyPeople } from '../support/large-directory.ts'
import { createMeter } from '../support/meter.ts'
import { connectionString, simulateTableService } from '../support/simulator/table-service.ts'

const now = () => Date.parse('2026-06-01T08:00:00Z')

const readOnly =
	(send: Send): Send =>
	async (request) => {
		if (request.method !== 'GET') throw new Error(`${request.method} ${request.path} would write`)
		return send(request)
	}

/** The pages of a tenant with 200,000 people and a group of a million members. Nothing can be written. */
async function largeTenant() {
	const simulator = simulateTableService()
	const { tenant, ids, table, feed, store } = await newDirectory(simulator, { feed: 'epochs' })
	await storeFewRows(table)
	await store.create(groupType, { attributes: { displayName: 'Staff' } })
	const meter = createMeter()
	const intercept = () => meter.intercept(readOnly(withManyPeople(simulator.send)))
	const tables = connectTables({ connectionString }, { intercept })
	const options = { tables, tenant, ids, feed, now, random: () => 1, types: builtInTypes }
	// sound: the routes of these pages use nothing else
	const target = {
		lookup: () => openLookup(options),
		ledger: () => openLedger(options),
		open: () => openDirectories(options)(tenant, { feed, writtenFormat: 1, history: 'full' }),
		lastUses: () => readLastUses(tables.table(tenant.table, tenant.name)),
		tokens: { list: async () => [] },
		relay: { missing: '' },
	} as unknown as DeploymentTarget
	const stored = { ...tenant, mode: 'store', schemas: [], indexes: [], settings: {} } as unknown as Tenant // sound: likewise
	return (path: string) =>
		meter.measure(() => {
			const { pathname, searchParams: query } = new URL(path, 'http://localhost')
			const match = matchRoute(consoleRoutes, { method: 'GET', path: pathname })
			if ('allowed' in match) throw new Error(`there is no ${path}`)
			const { route, params } = match
			return route.answer({ params, query, body: undefined, tenant: stored }, { target, place: '', now })
		})
}

const person = `/tenants/acme/resources/${personId(7)}`
const group = `/tenants/acme/resources/${everyone}`

test.each([
	{ page: 'the row of a tenant', path: '/tenants/acme/summary', requests: 14 },
	{ page: 'what happens, at first', path: '/tenants/acme/activity', requests: 9 },
	{ page: 'what happens, again', path: '/tenants/acme/activity?after=0~f|000000000001|~f|f', requests: 3 },
	{ page: 'a search', path: '/tenants/acme/search?text=person-1', requests: 11 },
	{ page: 'more of a search', path: '/tenants/acme/search/User/emails?text=mail-1', requests: 1 },
	{ page: 'a person', path: person, requests: 1 },
	{ page: 'the groups of a person', path: `${person}/groups`, requests: 2 },
	{ page: 'the timeline of a person', path: `${person}/history`, requests: 9 },
	{ page: 'a group', path: group, requests: 1 },
	{ page: 'the first members', path: `${group}/members`, requests: 3 },
	{ page: 'members in the middle', path: `${group}/members?after=${personId(100_000)}`, requests: 3 },
	{ page: 'the members before them', path: `${group}/members?before=${personId(100_000)}`, requests: 4 },
	{ page: 'the timeline of a group', path: `${group}/history`, requests: 8 },
	{ page: 'failures', path: '/tenants/acme/failures', requests: 1 },
])('of a tenant with 200,000 people, $page takes $requests requests to storage', async ({ path, requests }) => {
	const read = await largeTenant()
	expect((await read(path)).requests).toBe(requests)
})
