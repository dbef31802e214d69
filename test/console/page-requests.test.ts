import { expect, test } from 'vitest'
import type { DeploymentTarget } from '../../cli/target.ts'
import type { LiveLines } from '../../console/answers/activity.ts'
import type { ChangedMembersAnswer, ShownMember, TimelineAnswer } from '../../console/answers/lookup.ts'
import { matchRoute } from '../../console/route.ts'
import { consoleRoutes } from '../../console/routes.ts'
import type { ResourceId } from '../../shared/scim/resource.ts'
import { builtInTypes, groupType, userType } from '../../shared/scim/resource-type.ts'
import { readLastUses } from '../../shared/storage/last-use.ts'
import { openLedger } from '../../shared/storage/ledger/ledger.ts'
import { openLookup } from '../../shared/storage/lookup.ts'
import { type RefusalCount, storeRefusals } from '../../shared/storage/refusals.ts'
import { connectTables, type Send } from '../../shared/storage/table/tables.ts'
import { openDirectory } from '../../shared/storage/table-store.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { newDirectory, type TestDirectory } from '../support/directory.ts'
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
	const directory = await newDirectory(simulator, { feed: 'epochs' })
	await storeFewRows(directory.table)
	await directory.store.create(groupType, { attributes: { displayName: 'Staff' } })
	return pagesOf(directory, withManyPeople(simulator.send))
}

/** What the pages of a tenant answer, and what that costs. Nothing can be written. */
function pagesOf({ tenant, ids, feed }: TestDirectory, send: Send) {
	const meter = createMeter()
	const intercept = () => meter.intercept(readOnly(send))
	const tables = connectTables({ connectionString }, { intercept })
	const options = { tables, tenant, ids, feed, now, random: () => 1, types: builtInTypes }
	// sound: the routes of these pages use nothing else
	const target = {
		lookup: () => openLookup(options),
		ledger: () => openLedger(options),
		open: () => openDirectory(options),
		lastUses: () => readLastUses(tables.table(tenant.table, tenant.name)),
		tokens: { list: async () => [] },
	} as unknown as DeploymentTarget
	// sound: likewise
	const stored = {
		...tenant,
		mode: 'store',
		settings: {},
		schemas: [],
		indexes: [],
		hasClients: false,
	} as unknown as Tenant
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
	{ page: 'how it is doing', path: '/tenants/acme/summary', requests: 11 },
	{ page: 'what it has lost', path: '/tenants/acme/losses', requests: 6 },
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

/** A group of 300 people: five large changes remove 60 of them, and add 60 others. */
async function changedGroup() {
	const simulator = simulateTableService()
	const directory = await newDirectory(simulator, { feed: 'epochs' })
	const { store } = directory
	const people: ResourceId[] = []
	for (let index = 0; index < 600; index++) {
		people.push((await store.create(userType, { attributes: { userName: `person-${index}` } })).id)
	}
	const team = (index: number) => people.slice(60 * index, 60 * index + 60)
	const members = people.slice(0, 300).map((value) => ({ value }))
	const { id } = await store.create(groupType, { attributes: { displayName: 'Staff' }, members })
	for (let index = 0; index < 5; index++) {
		await store.changeMembers(id, { add: team(5 + index).map((value) => ({ value })), remove: team(index) })
	}
	await directory.sweep(60_000)
	return { read: pagesOf(directory, simulator.send), history: `/tenants/acme/resources/${id}` }
}

test('the names of members take 35 more requests in the timeline of a group, and a page of them takes 22 at most', async () => {
	const { read, history } = await changedGroup()
	const timeline = await read(`${history}/history`)
	const ofNames = 5 + 5 * 6
	expect(timeline.requests).toBe(8 + ofNames)
	const { lines } = timeline.result as TimelineAnswer // sound: the console's answer
	const names = (team: number, count: number) => [...Array(count).keys()].map((index) => `person-${60 * team + index}`)
	const signed = ({ name, isAdded }: ShownMember) => `${isAdded ? '+' : '-'}${name}`
	const change = (index: number, count: number) => [
		...names(5 + index, count).map((name) => `+${name}`),
		...names(index, count).map((name) => `-${name}`),
	]
	expect(lines.map(({ what, members }) => members?.some.map(signed) ?? what)).toEqual([
		...[4, 3, 2, 1, 0].map((index) => change(index, 3)),
		'created',
	])
	const told: string[] = []
	const costs: number[] = []
	for (let behind: string | undefined = ''; behind !== undefined; ) {
		const path = `${history}/changes/${lines[0]?.members?.change}/members?behind=${behind}`
		const { requests, result } = await read(path)
		const { members, next } = result as ChangedMembersAnswer // sound: the console's answer
		costs.push(requests)
		told.push(...members.map(signed))
		behind = next
	}
	expect(Math.max(...costs)).toBe(22)
	expect(told.toSorted()).toEqual(change(4, 60).toSorted())
})

/** Looks at a thousand rows for a page, whether they meet a condition or not, as the service does. */
const scanning =
	(send: Send): Send =>
	async (request) => {
		const condition = / and la ge '([^']*)'/
		const path = decodeURIComponent(request.path)
		const [, since] = condition.exec(path) ?? []
		if (since === undefined) return send(request)
		const [resource = '', query = ''] = path.replace(condition, '').split('?')
		const answer = await send({ ...request, path: `${resource}?${encodeURI(query)}` })
		const { value } = JSON.parse(answer.text) as { value: { la: string }[] } // sound: the simulator's answer
		return { ...answer, text: JSON.stringify({ value: value.filter(({ la }) => la >= since) }) }
	}

test.each([
	{ kept: 9_900, requests: 10, isPartial: false },
	{ kept: 11_100, requests: 11, isPartial: true },
])('with $kept refusals that are kept, a look at what happens takes $requests requests for them', async (kept) => {
	const simulator = simulateTableService()
	const directory = await newDirectory(simulator, { feed: 'epochs' })
	const old = now() - 3_600_000
	const refusal = (index: number): RefusalCount => ({
		...{ operation: `${index}`.padStart(32, '0'), count: 1, first: old, last: old, method: 'POST', path: '/Users' },
		...{ name: `person-${`${index}`.padStart(6, '0')}`, status: 409, sentence: 'taken' },
	})
	for (let index = 0; index < kept.kept; index += 100) {
		await storeRefusals(
			directory.table,
			[...Array(100).keys()].map((each) => refusal(index + each)),
		)
	}
	// The newest refusal has one of the last keys that are looked at.
	await storeRefusals(directory.table, [
		{ ...refusal(9_850), operation: `${kept.kept}`.padStart(32, '0'), last: now() },
	])
	const read = pagesOf(directory, scanning(simulator.send))
	const place = `/tenants/acme/activity?after=${now() - 60_000}~f~f`
	const { requests, result } = await read(place)
	const { lines, isPartial } = result as LiveLines // sound: the console's answer
	expect({ ofRefusals: requests - 1, isPartial, names: lines.map(({ name }) => name) }).toEqual({
		ofRefusals: kept.requests,
		isPartial: kept.isPartial,
		names: ['person-009850'],
	})
})
