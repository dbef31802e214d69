import { beforeEach, expect, test } from 'vitest'
import type { Send } from '../../shared/storage/table/tables.ts'
import { useConsole } from '../support/console.ts'

let requests = 0
const intercept =
	(send: Send): Send =>
	(request) => {
		requests++
		return send(request)
	}
const started = useConsole({ intercept })

beforeEach(async () => {
	const { addTenant } = started()
	const client = await addTenant('acme', { settings: { history: 'full' } })
	for (const name of ['joy', 'ada', 'kim']) await client.send('POST', '/Users', { userName: name })
	await addTenant('remote', { mode: 'relay' })
})

// The row of a tenant is read by the connection of the server, which remembers it for some time.
test.each([
	['/tenants/acme/credentials', 3],
	['/tenants/acme/forms/credentials', 0],
	['/access', 1],
	['/actions?tenant=acme', 0],
	['/tenants/acme/schema', 3],
	['/tenants/acme/settings', 0],
	['/tenants/acme/safety', 8],
	['/tenants/acme/relay', 0],
	['/tenants/remote/relay', 2],
	['/tenants/remote/safety', 2],
])('GET %s costs %i requests to storage', async (path, cost) => {
	const { ask } = started()
	requests = 0
	expect(await ask('GET', path)).toMatchObject({ status: 200 })
	expect(requests).toBe(cost)
})
