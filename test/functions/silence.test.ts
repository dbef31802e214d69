import { setImmediate as turn } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Send } from '../../shared/storage/table/tables.ts'
import { useAzurite } from '../support/azurite.ts'
import { startEdge } from '../support/edge.ts'

const azurite = useAzurite()
const names = { ann: '', joy: '', ops: '' }

beforeAll(async () => {
	const { ask, services } = await startEdge(azurite())
	await services.tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	const create = async (path: string, body: unknown) => (await ask('POST', 'acme', path, { body })).body.id
	names.ann = await create('/Users', { userName: 'ann', title: 'Dr' })
	names.joy = await create('/Users', { userName: 'joy' })
	names.ops = await create('/Groups', { displayName: 'Ops', members: [{ value: names.ann }] })
})

/** A process whose storage answers so many requests from now on and then accepts requests and never answers. */
async function start({ isWarm = true } = {}) {
	let left = Number.POSITIVE_INFINITY
	const intercept =
		(send: Send): Send =>
		(request) =>
			left-- > 0 ? send(request) : new Promise(() => {})
	const edge = await startEdge({ ...azurite(), intercept })
	if (isWarm) await edge.ask('GET', 'acme', '/Users/none')
	const silenceAfter = (answers: number) => {
		left = answers
	}
	const isSilent = () => left < 0
	return { ...edge, silenceAfter, isSilent }
}

const placed = (text: string) =>
	Object.entries(names).reduce((all, [name, id]) => all.replaceAll(`<${name}>`, id), text)

const patch = (...Operations: unknown[]) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
	Operations,
})
const requests: [method: string, path: string, body?: unknown][] = [
	['GET', '/Users/<ann>'],
	['GET', '/Users'],
	['GET', '/Users?filter=userName+eq+%22ann%22'],
	['GET', '/Groups?filter=members.value+eq+%22<ann>%22'],
	['GET', '/Changes'],
	['GET', '/health'],
	['POST', '/Users', { userName: 'new' }],
	['PUT', '/Users/<ann>', { userName: 'anna' }],
	['PUT', '/Groups/<ops>', { displayName: 'Dev', members: [{ value: '<joy>' }] }],
	['PATCH', '/Users/<ann>', patch({ op: 'replace', path: 'title', value: 'Prof' })],
	['PATCH', '/Groups/<ops>', patch({ op: 'add', path: 'members', value: [{ value: '<joy>' }] })],
	['DELETE', '/Users/<ann>'],
	['DELETE', '/Groups/<ops>'],
]

describe('a storage that accepts requests and never answers', () => {
	test.each(requests)('is a 503 with Retry-After within 15 seconds: %s %s', async (method, path, body) => {
		const options = body === undefined ? {} : { body: JSON.parse(placed(JSON.stringify(body))) }
		for (const isWarm of [false, true]) {
			const { ask, clock, silenceAfter } = await start({ isWarm })
			silenceAfter(0)
			const answer = ask(method, 'acme', placed(path), options)
			expect(await clock.advanceUntil(answer)).toBeLessThanOrEqual(15_000)
			const { status, headers } = await answer
			expect(status).toBe(503)
			expect(headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
		}
	})

	test.each(requests)(
		'in the middle of a request is never a 500, and takes 15 seconds at most: %s %s',
		async (...row) => {
			const [method, path, body] = row
			const options = body === undefined ? {} : { body: JSON.parse(placed(JSON.stringify(body))) }
			for (let answered = 1; ; answered++) {
				const { ask, clock, silenceAfter, isSilent } = await start()
				silenceAfter(answered)
				let isDone = false
				const answer = ask(method, 'acme', placed(path), options).finally(() => {
					isDone = true
				})
				while (!isDone && !isSilent()) await turn()
				expect(await clock.advanceUntil(answer)).toBeLessThanOrEqual(15_000)
				const { status } = await answer
				expect(status === 503 || status < 300 || status === 404, String(status)).toBe(true)
				if (!isSilent()) break
			}
		},
	)

	test('gives a bulk request a 503 for each operation within 15 seconds', async () => {
		const { ask, clock, silenceAfter } = await start()
		silenceAfter(0)
		const operations = Array.from({ length: 100 }, (_, index) => ({
			method: 'POST',
			path: '/Users',
			bulkId: String(index),
			data: { userName: `user-${index}` },
		}))
		const answer = ask('POST', 'acme', '/Bulk', { body: { Operations: operations } })
		expect(await clock.advanceUntil(answer)).toBeLessThanOrEqual(15_000)
		const { status, body } = await answer
		expect(status).toBe(200)
		expect(body.Operations.map((result: { status: string }) => result.status)).toEqual(Array(100).fill('503'))
	})

	test('fails the health check of tables, which says so', async () => {
		const { ask, clock, silenceAfter } = await start()
		silenceAfter(0)
		const answer = ask('GET', 'acme', '/health')
		expect(await clock.advanceUntil(answer)).toBeLessThanOrEqual(15_000)
		expect(await answer).toMatchObject({ status: 503, body: { checks: [{ name: 'tables', status: 'failing' }, {}] } })
	})

	test('does not fail the next request of a client once it answers again', async () => {
		const { ask, clock, silenceAfter } = await start()
		silenceAfter(0)
		await clock.advanceUntil(ask('GET', 'acme', '/Users'))
		silenceAfter(Number.POSITIVE_INFINITY)
		expect(await ask('GET', 'acme', '/Users')).toMatchObject({ status: 200 })
	})
})
