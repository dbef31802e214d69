import { afterAll, expect, test, vi } from 'vitest'
import { consoleRoutes } from '../../console/routes.ts'
import type { Send } from '../../shared/storage/table/tables.ts'
import { useConsole, usePage } from '../support/console.ts'

let writes: string[] = []
const intercept =
	(send: Send): Send =>
	(request) => {
		if (request.method !== 'GET') writes.push(`${request.method} ${request.path}`)
		return send(request)
	}
// No creation folds the counts.
const random = vi.spyOn(Math, 'random').mockReturnValue(0.99)
afterAll(() => random.mockRestore())
const started = useConsole({ intercept, page: usePage() })

/** The routes that answer GET, but for the one that finds out by a write that changes nothing whether it may write. */
const reading = consoleRoutes.filter(({ method, path }) => method === 'GET' && path !== '/access')

test('no page writes, even when very many counts wait to be folded', async () => {
	const { ask, addTenant } = started()
	const acme = await addTenant('acme')
	const ids = new Map<string, string>()
	for (let index = 0; index < 66; index++) {
		for (const [path, body] of [
			['/Users', { userName: `person-${index}` }],
			['/Groups', { displayName: `group-${index}` }],
		] as const) {
			const { id } = (await acme.send('POST', path, body)).body as { id: string } // sound: the answer to a creation
			ids.set(path, id)
		}
	}
	writes = []
	const values: Readonly<Record<string, string>> = {
		...{ tenant: 'acme', type: 'User', by: 'userName', page: 'safety', epoch: '0'.repeat(12) },
		operation: '0'.repeat(32),
	}
	for (const { path } of reading) {
		for (const id of ids.values()) {
			const address = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'id' ? id : (values[name] ?? name)))
			const { status } = await ask('GET', `${address}?text=person&since=1h`)
			expect({ address, status }).toEqual({ address, status: expect.toSatisfy((code: number) => code < 500) })
		}
	}
	expect(reading.length).toBeGreaterThan(15)
	expect(writes).toEqual([])
})
