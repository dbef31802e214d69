import { expect, test } from 'vitest'
import { within } from '../../shared/storage/table/key-range.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'
import { useAzurite } from '../support/azurite.ts'
import { startEdge } from '../support/edge.ts'

const azurite = useAzurite()

async function newFixture(name: string) {
	const edge = await startEdge({ connectionString: azurite().connectionString })
	const tenant = await edge.services.tenants.createTenant({ name, mode: 'store', settings: {} })
	if (tenant === 'exists') throw new Error('it is new')
	const table = connectTables(azurite()).table(tenant.table, name)
	return { edge, entries: () => table.first(within('c|'), 100) }
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
	const at = new Date(edge.clock.now()).toISOString()
	expect(said).toEqual([
		{ k: 'create', cred: 'right', rq: requestIds[0], cl: undefined, at },
		{ k: 'update', cred: 'right', rq: requestIds[1], cl: undefined, at },
		{ k: 'update', cred: 'right', rq: requestIds[2], cl: 'Okta', at },
		// A capital letter in an earlier request has told the client of the credential.
		{ k: 'delete', cred: 'right', rq: requestIds[3], cl: 'Entra', at },
	])
})
