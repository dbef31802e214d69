import { expect, test } from 'vitest'
import { within } from '../../shared/storage/table/key-range.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'
import { type StoredSettings, settingsOf } from '../../shared/tenants/settings.ts'
import { useAzurite } from '../support/azurite.ts'
import { startEdge } from '../support/edge.ts'

const azurite = useAzurite()

async function newFixture(name: string, settings: StoredSettings = {}) {
	const edge = await startEdge({ connectionString: azurite().connectionString })
	const tenant = await edge.services.tenants.createTenant({ name, mode: 'store', settings })
	if (tenant === 'exists') throw new Error('it is new')
	const table = connectTables(azurite()).table(tenant.table, name)
	return { edge, entries: () => table.first(within('f|'), 100) }
}

const patch = (op: string, path: string, value: unknown) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
	Operations: [{ op, path, value }],
})

test('an entry of the feed names the credential, the request, the client and the time', async () => {
	const { edge, entries } = await newFixture('actors')
	const created = await edge.ask('POST', 'actors', '/Users', { body: { userName: 'joy' } })
	await edge.ask('PATCH', 'actors', `/Users/${created.body.id}`, { body: patch('Replace', 'title', 'boss') })
	await edge.ask('PATCH', 'actors', `/Users/${created.body.id}`, {
		body: patch('replace', 'title', 'chief'),
		headers: { 'user-agent': 'Okta SCIM Client 1.0.0' },
	})
	await edge.ask('DELETE', 'actors', `/Users/${created.body.id}`)
	const said = (await entries()).map(({ k, cred, cl, rq, at }) => ({ k, cred, cl, rq, at }))
	const requestIds = edge.events.map(({ requestId }) => requestId)
	expect(said.length).toBe(4)
	const at = new Date(edge.clock.now()).toISOString()
	expect(said).toEqual([
		{ k: 'create', cred: 'right', rq: requestIds[0], cl: undefined, at },
		{ k: 'update', cred: 'right', rq: requestIds[1], cl: undefined, at },
		{ k: 'update', cred: 'right', rq: requestIds[2], cl: 'Okta', at },
		// A capital letter in an earlier request has told the client of the credential.
		{ k: 'delete', cred: 'right', rq: requestIds[3], cl: 'Entra', at },
	])
})

test.each([
	['full', { title: 'boss' }],
	['names', undefined],
	['off', undefined],
] as const)('the setting history %s decides what an entry keeps', async (history, before) => {
	const { edge, entries } = await newFixture(`history-${history}`, { history })
	const at = `history-${history}`
	const created = await edge.ask('POST', at, '/Users', { body: { userName: 'joy', title: 'boss' } })
	await edge.ask('PATCH', at, `/Users/${created.body.id}`, { body: patch('replace', 'title', 'chief') })
	const [, update] = await entries()
	expect(update).toMatchObject({ k: 'update', id: created.body.id, chg: 'title', at: expect.any(String) })
	expect(update?.w).toBe(before && JSON.stringify(before))
	expect(update?.cred).toBe(history === 'off' ? undefined : 'right')
})

test('a new tenant has the history full, and a tenant without the setting has names', async () => {
	const { edge } = await newFixture('new-tenant')
	const tenant = await edge.services.tenants.getTenant('new-tenant')
	expect(tenant?.settings).toMatchObject({ history: 'full' })
	expect(settingsOf({ mode: 'store', settings: {} }).history).toBe('names')
})

test('neither /Changes nor the log has a value that a change has replaced', async () => {
	const { edge } = await newFixture('hidden')
	const created = await edge.ask('POST', 'hidden', '/Users', { body: { userName: 'joy', title: 'marker' } })
	const path = `/Users/${created.body.id}`
	await edge.ask('PATCH', 'hidden', path, { body: patch('replace', 'title', 'chief') })
	await edge.ask('DELETE', 'hidden', path)
	edge.clock.pass(120_000)
	const { body } = await edge.ask('GET', 'hidden', '/Changes')
	expect(body.changes.map(({ operation }: { operation: string }) => operation)).toEqual(['create', 'update', 'delete'])
	expect(JSON.stringify(body)).not.toMatch(/marker|right/)
	expect(JSON.stringify(edge.events)).not.toMatch(/marker|joy|chief/)
})
