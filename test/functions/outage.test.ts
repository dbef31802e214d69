import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { TableRequest } from '../../shared/storage/table/tables.ts'
import { type Fate, serverBusy, withFaults } from '../support/faults.ts'
import { type Host, type RequestOptions, useHost } from '../support/host.ts'
import { type KeyVault, useKeyVault } from '../support/key-vault.ts'

const useVault = useKeyVault()
let vault: KeyVault
beforeAll(() => {
	vault = useVault()
})

let fateOf: (request: TableRequest) => Fate
beforeEach(() => {
	fateOf = () => 'answered'
	vault.faultOf = () => undefined
})

const host = useHost({
	intercept: withFaults((request) => fateOf(request)),
	pause: async () => {},
	vault: () => vault,
})

const error = 'urn:ietf:params:scim:api:messages:2.0:Error'
const patch = (...Operations: unknown[]) => ({
	body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations },
})

const unavailable = (detail: string) => ({ schemas: [error], status: '503', detail })

/** A group that has one of two users as a member. */
async function populated() {
	const tenant = await host()
	const { id: ann } = await tenant.create('/Users', { userName: 'ann', title: 'Dr' })
	const { id: joy } = await tenant.create('/Users', { userName: 'joy' })
	const { id: ops } = await tenant.create('/Groups', { displayName: 'Ops', members: [{ value: ann }] })
	const names = { '<ann>': ann, '<joy>': joy, '<ops>': ops }
	const replaced = (text: string, [from, to]: [string, string]) => text.replaceAll(from, to)
	const place = (text: string) => Object.entries(names).reduce(replaced, text)
	return {
		tenant,
		ask: (method: string, path: string, { body, ...options }: RequestOptions = {}) =>
			tenant.request(method, place(path), {
				...options,
				...(body !== undefined && { body: place(JSON.stringify(body)) }),
			}),
		/** The stored rows, in words that are the same for every tenant. */
		async described() {
			const text = Object.entries(names)
				.map(([name, id]): [string, string] => [id, name])
				.reduce(replaced, JSON.stringify(await stored(tenant)))
			return JSON.parse(text.replaceAll(/[0-9a-f]{32}|http[^"]*tenant-\d+|\d{4}-\d\d-\d\dT[^"]*/g, '…'))
		},
	}
}

const outcomes = new Map<string, Promise<unknown>>()

/** The stored rows after a request without failures. */
function withoutFaults(row: Row): Promise<unknown> {
	const ask = async () => {
		const { ask, described } = await populated()
		await ask(...row)
		return described()
	}
	const outcome = outcomes.get(JSON.stringify(row)) ?? ask()
	outcomes.set(JSON.stringify(row), outcome)
	return outcome
}

async function stored(tenant: Host): Promise<unknown> {
	const users = await tenant.request('GET', '/Users?attributes=userName,title,groups,meta.version')
	const groups = await tenant.request('GET', '/Groups')
	return [users.body, groups.body]
}

type Row = [method: string, path: string, options: RequestOptions]

const reads: Row[] = [
	['GET', '/Users/<ann>', {}],
	['GET', '/Users', {}],
	['GET', '/Users?filter=userName+eq+%22ann%22', {}],
	['GET', '/Users?filter=title+co+%22D%22&sortBy=title', {}],
	['GET', '/Groups?filter=members.value+eq+%22<ann>%22', {}],
	['POST', '/.search', { body: { count: 1 } }],
]
const writes: Row[] = [
	['POST', '/Users', { body: { userName: 'new' } }],
	['POST', '/Groups', { body: { displayName: 'new', members: [{ value: '<joy>' }] } }],
	['PUT', '/Users/<ann>', { body: { userName: 'anna' } }],
	['PUT', '/Groups/<ops>', { body: { displayName: 'Dev', members: [{ value: '<joy>' }] } }],
	['PATCH', '/Users/<ann>', patch({ op: 'replace', path: 'title', value: 'Prof' })],
	['PATCH', '/Groups/<ops>', patch({ op: 'add', path: 'members', value: [{ value: '<joy>' }] })],
	['PATCH', '/Groups/<ops>', patch({ op: 'remove', path: 'members[value eq "<ann>"]' })],
	['PATCH', '/Groups/<ops>', patch({ op: 'replace', path: 'displayName', value: 'Dev' })],
	['DELETE', '/Users/<ann>', {}],
	['DELETE', '/Groups/<ops>', {}],
]

const rowsWith = <T>(values: readonly T[]) =>
	[...reads, ...writes].flatMap((row) => values.map((value) => [...row, value] as const))

describe('while the table service cannot be reached', () => {
	it.each(rowsWith(['busy', 'unsent'] as const))('%s %s %j is a 503 after a few attempts (%s)', async (...row) => {
		const [method, path, options, reason] = row
		const { tenant, ask } = await populated()
		const before = await stored(tenant)
		fateOf = () => (reason === 'busy' ? serverBusy : reason)
		const { result, requests } = await tenant.meter.measure(() => ask(method, path, options))
		fateOf = () => 'answered'
		expect(result.status).toBe(503)
		expect(result.headers.get('retry-after')).toBe('5')
		expect(result.headers.get('content-type')).toBe('application/scim+json; charset=utf-8')
		expect(result.body).toEqual(unavailable('the directory is not available at the moment'))
		expect(requests).toBeGreaterThanOrEqual(4)
		expect(requests).toBeLessThanOrEqual(16)
		expect(tenant.events.find(({ status }) => status === 503)).toMatchObject({ method, error: expect.anything() })
		expect(await stored(tenant)).toEqual(before)
	})

	it.each(writes)('%s %s %j works after three failed attempts', async (method, path, options) => {
		const { ask, described } = await populated()
		let failed = 0
		fateOf = () => (failed++ < 3 ? serverBusy : 'answered')
		expect((await ask(method, path, options)).status).toBeLessThan(300)
		fateOf = () => 'answered'
		expect(await described()).toEqual(await withoutFaults([method, path, options]))
	})

	it('a bulk request has a 503 for each operation', async () => {
		const { tenant, ask } = await populated()
		fateOf = ({ path }) => (path === '$batch' ? serverBusy : 'answered')
		const { status, body } = await ask('POST', '/Bulk', {
			body: { Operations: [{ method: 'DELETE', path: '/Users/<ann>' }] },
		})
		fateOf = () => 'answered'
		expect(status).toBe(200)
		expect(body.Operations).toMatchObject([
			{ status: '503', response: unavailable('the directory is not available at the moment') },
		])
		expect((await tenant.request('GET', '/Users')).body.totalResults).toBe(2)
	})

	it('neither a known nor an unknown tenant has a 401', async () => {
		const { tenant } = await populated()
		fateOf = () => serverBusy
		const nobody = await fetch(tenant.baseUrl.replace(/tenant-\d+$/, 'nobody'), {
			headers: { authorization: 'Bearer x' },
		})
		expect([nobody.status, nobody.headers.get('retry-after')]).toEqual([503, '5'])
	})
})

describe('lost answers of the table service', () => {
	it.each(rowsWith([1, 2]))('%s %s %j runs once, although %i are lost', async (method, path, options, losses) => {
		const { ask, described } = await populated()
		let lost = 0
		fateOf = (request) => {
			const isMeant = method === 'GET' || path === '/.search' || request.path === '$batch'
			return isMeant && lost++ < losses ? 'lost' : 'answered'
		}
		const { status } = await ask(method, path, options)
		fateOf = () => 'answered'
		expect(lost).toBeGreaterThan(0)
		expect(status).toBe(
			{ POST: path === '/.search' ? 200 : 201, DELETE: 204 }[method] ??
				(path.startsWith('/Groups/') && method === 'PATCH' ? 204 : 200),
		)
		expect(await described()).toEqual(await withoutFaults([method, path, options]))
	})

	it('do not make a creation conflict with itself, but with a client that sends it again', async () => {
		const tenant = await host()
		let lost = 0
		fateOf = ({ path }) => (path === '$batch' && lost++ === 0 ? 'lost' : 'answered')
		const user = { body: { userName: 'joy' } }
		const statuses = [
			(await tenant.request('POST', '/Users', user)).status,
			(await tenant.request('POST', '/Users', user)).status,
		]
		expect(statuses).toEqual([201, 409])
		expect((await tenant.request('GET', '/Users')).body.totalResults).toBe(1)
	})
})

describe('a table service that refuses', () => {
	const refusal = (status: number, code: string): Fate => ({
		status,
		headers: { get: () => undefined },
		text: JSON.stringify({ 'odata.error': { code, message: { lang: 'en-US', value: 'a secret of the service' } } }),
	})

	it.each([...reads, ...writes])(
		'a request because the table is gone is a 503 and never a 404: %s %s %j',
		async (...row) => {
			const { ask } = await populated()
			fateOf = () => refusal(404, 'TableNotFound')
			const { status, headers, body } = await ask(...row)
			expect([status, headers.get('retry-after')]).toEqual([503, '5'])
			expect(body).toEqual(unavailable('the directory is not available at the moment'))
		},
	)

	it('a request because of its credentials is a constant 500 and a line in the log', async () => {
		const { tenant, ask } = await populated()
		fateOf = () => refusal(403, 'AuthorizationFailure')
		const { status, body } = await ask('GET', '/Users/<ann>')
		const event = tenant.events.at(-1)
		expect(event).toMatchObject({
			method: 'GET',
			status: 500,
			error: expect.objectContaining({ message: expect.stringContaining('AuthorizationFailure') }),
		})
		expect([status, body]).toEqual([
			500,
			{
				schemas: [error],
				status: '500',
				detail: `Something failed on our side. It is logged as request ${event?.requestId}.`,
			},
		])
	})
})

describe('while Key Vault cannot be reached', () => {
	const away = unavailable('the tokens cannot be read at the moment')

	it.each<[string, ReturnType<KeyVault['faultOf']>]>([
		['breaks connections', 'reset'],
		['is too busy', { status: 429, code: 'Throttled' }],
		['fails', { status: 500, code: 'InternalServerError' }],
		['refuses us', { status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' }],
	])('because it %s, a tenant whose tokens were never read has a 503, and other tenants work', async (_, fault) => {
		const [known, fresh] = [await host(), await host()]
		expect((await known.request('GET', '/Users')).status).toBe(200)
		vault.faultOf = () => fault
		for (const token of [fresh.token, 'wrong']) {
			const { status, headers, body } = await fresh.request('GET', '/Users', {
				headers: { authorization: `Bearer ${token}` },
			})
			expect([status, headers.get('www-authenticate'), body]).toEqual([503, null, away])
			expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
		}
		expect((await known.request('GET', '/Users')).status).toBe(200)
		vault.faultOf = () => undefined
		const later = await host()
		expect((await later.request('GET', '/Users')).status).toBe(200)
	})
})
