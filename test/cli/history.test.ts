import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { respondWith } from '../../functions/respond.ts'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { startServer } from '../../local/server.ts'
import { jsonOf, rollcall } from '../support/rollcall.ts'

let data = ''
const run = (line: string) => rollcall([...line.split(' '), '--data', data])
const json = async (line: string) => jsonOf(await run(`${line} --json`))

type Ids = { readonly joy: string; readonly staff: string }
let ids: Ids

const patchOp = (...Operations: unknown[]) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
	Operations,
})

/** What happened: a person with a new title, in a group, refused twice, deactivated and deleted; and another one. */
async function story(url: string, token: string): Promise<Ids> {
	const ask = async (method: string, path: string, body?: unknown) => {
		const headers = {
			authorization: `Bearer ${token}`,
			'content-type': 'application/scim+json',
			'user-agent': 'Okta SCIM Client 1.0.0',
		}
		const response = await fetch(`${url}${path}`, {
			method,
			headers,
			...(body !== undefined && { body: JSON.stringify(body) }),
		})
		const text = await response.text()
		return text === '' ? {} : JSON.parse(text)
	}
	const { id: joy } = await ask('POST', '/Users', { userName: 'joy', title: 'boss', active: true })
	const { id: staff } = await ask('POST', '/Groups', { displayName: 'Staff', members: [{ value: joy }] })
	for (let times = 0; times < 2; times++) await ask('POST', '/Users', { userName: 'JOY' })
	await ask('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'title', value: 'chief' }))
	await ask('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'active', value: 'maybe' }))
	await ask('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'active', value: false }))
	await ask('DELETE', `/Users/${joy}`)
	await ask('POST', '/Users', { userName: 'ann' })
	await ask('POST', '/Users', { userName: 'bob', active: 'maybe' })
	await ask('PATCH', '/Users/unknown', patchOp({ op: 'replace', path: 'active', value: false }))
	return { joy, staff }
}

beforeAll(async () => {
	data = join(await mkdtemp(join(tmpdir(), 'rollcall-history-')), 'data')
	const { token } = await json('tenant add acme')
	await run('tenant add behind --mode relay')
	const azurite = await startAzurite({ folder: data })
	const { connectionString } = azurite
	const services = await createServices({ tables: { connectionString }, tokens: { file: join(data, 'tokens.json') } })
	const server = await startServer({ port: 0, respond: respondWith(services), log: () => {} })
	try {
		ids = await story(`${server.url}/scim/acme`, token)
	} finally {
		await server.close()
		await services.lastUses.flush()
		await services.refusals.flush()
		await azurite.close()
	}
})
afterAll(() => rm(join(data, '..'), { recursive: true }))

describe('rollcall history', () => {
	test('tells what happened to a person, what was refused, and who did it', async () => {
		const { code, out } = await run(`history acme ${ids.joy}`)
		expect(code).toBe(0)
		const lines = out.trimEnd().split('\n')
		expect(lines[0]).toBe(`User joy, ${ids.joy}, deleted`)
		const what = lines
			.slice(1)
			.map((line) => line.replace(/^20\S+Z {2}/, '').replace(/ {2,}Okta, credential [0-9a-f]{12}, request \S+$/, ''))
		expect(what).toEqual([
			'created',
			'joined Staff',
			expect.stringMatching(
				/^refused 2 times until \S+: POST \/Users 409 uniqueness: userName "JOY" is already taken by /,
			),
			'title: "boss" → "chief"',
			expect.stringMatching(/^refused: PATCH \/Users\/\{id\} 400 invalidValue: /),
			'active: true → false',
			'deleted; left 1 groups',
		])
	})

	test('finds a deleted person by the name, and prints JSON', async () => {
		const [history] = await json('history acme joy')
		expect(history).toMatchObject({ id: ids.joy, type: 'User', name: 'joy', isDeleted: true })
		expect(history.events.map(({ kind }: { kind: string }) => kind)).toEqual([
			'create',
			'joined',
			'update',
			'update',
			'delete',
		])
		expect(history.refusals.map(({ count }: { count: number }) => count)).toEqual([2, 1])
	})

	test('tells of a group, and only of the time that is asked for', async () => {
		expect((await run('history acme staff')).out).toMatch(
			/^Group Staff, .*\n20\S+Z {2}created with 1 member: [0-9a-f]{32} .*\n20\S+Z {2}lost the member \S+, who was deleted .*\n$/,
		)
		expect((await run('history acme staff --since 0s')).out).toMatch(/\nNothing is known of this time\.\n$/)
	})

	test('tells why a person was never created', async () => {
		expect((await run('history acme bob')).out).toMatch(
			/^bob is no user and no group\.\n20\S+Z {2}refused: POST \/Users 400 invalidValue: active must be .* {2}Okta, credential \S+, request \S+\n$/,
		)
	})

	test.each([
		[
			'history acme stranger',
			1,
			'error: the tenant acme has no user or group "stranger", and none that was deleted lately\n',
		],
		['history acme joy --since soon', 2, 'error: --since soon is not a time\n'],
		['history acne joy', 1, 'error: there is no tenant acne\n'],
	])('refuses %s', async (line, code, message) => {
		expect(await run(line)).toEqual({ code, out: '', err: expect.stringContaining(message) })
	})
})

test('rollcall failures groups refusals by their sentence, with what helps', async () => {
	const { failures, others } = await json('failures acme')
	expect(others).toBe(0)
	expect(
		failures.map(({ status, sentence, count, subjects, examples }: Record<string, unknown>) => ({
			status,
			sentence,
			count,
			subjects,
			examples,
		})),
	).toEqual([
		expect.objectContaining({ status: 400, count: 2, subjects: 2, examples: [ids.joy, 'bob'] }),
		{ status: 409, sentence: 'userName "…" is already taken', count: 2, subjects: 1, examples: ['JOY'] },
		{ status: 404, sentence: 'there is no User with the id "…"', count: 1, subjects: 1, examples: ['unknown'] },
	])
	const { out } = await run('failures acme')
	expect(out).toMatch(
		/\n409 uniqueness: userName "…" is already taken\n {2}2 requests \(POST \/Users\) about 1 person or group: JOY\n {2}first 20\S+, last 20\S+\n {2}Two resources have one value\./,
	)
	expect((await run('failures acme --since 0s')).out).toBe('Nothing was refused in this time.\n')
})

const noLosses = {
	...{ setting: 'alert', deletedPeople: 0, deletedGroups: 0, deactivatedPeople: 0 },
	...{ allowedPeople: 50, allowedGroups: 50, isBeyond: false },
}

test('rollcall status tells people, the last request and write, and failures', async () => {
	expect(await json('status acme')).toEqual({
		name: 'acme',
		mode: 'store',
		users: 1,
		groups: 1,
		lastRequest: expect.stringMatching(/^20/),
		lastWrite: expect.stringMatching(/^20/),
		failuresToday: 5,
		guard: noLosses,
		history: 'full',
	})
	expect((await run('status behind')).out).toMatch(
		/^People {10}in the SCIM server\n[\s\S]*\nRelay {11}npm start has no relay/,
	)
})

test('rollcall guard status tells losses of the last hour, without what is younger than a day', async () => {
	expect(await json('guard status acme')).toEqual({ name: 'acme', mode: 'store', ...noLosses })
	expect((await run('guard status acme')).out).toMatch(
		/^Guard {30,}0 people and 0 groups deleted, 0 people deactivated in the last hour\n[\s\S]*\nGroups deleted in the last hour +0 of 50 that are allowed\n/,
	)
	expect((await run('guard status behind')).out).toMatch(/^The people of this tenant are in the SCIM server/)
})

test('rollcall guard allow lets all deletions through for a while, and says if the guard holds none back anyway', async () => {
	expect((await run('guard allow acme --for 2h')).out).toMatch(
		/^The guard allows all deletions until 20\S+Z\. It holds none back in any case, because its setting is alert\. All apps follow within a minute\.\n$/,
	)
	await run('tenant set acme --guard hold')
	const { allowedUntil } = await json('guard allow acme --for 2h')
	expect(Date.parse(allowedUntil) - Date.now()).toBeGreaterThan(60 * 60_000)
	expect(await json('guard status acme')).toMatchObject({ setting: 'hold', allowedUntil })
	expect((await run('guard status acme')).out).toMatch(/\nAll deletions are allowed until +20\S+Z\n/)
	expect((await run('guard allow acme --for 0s')).out).toMatch(/^The guard goes on as its setting says\. /)
	expect(await json('guard status acme')).not.toHaveProperty('allowedUntil')
	await run('tenant set acme --guard alert')
	for (const line of ['guard allow acme', 'guard allow acme --for 15d', 'guard allow acme --for soon']) {
		expect(await run(line)).toMatchObject({ code: 2, err: expect.stringMatching(/^error: .*for.*\nhint: .*--for 2h/) })
	}
	expect(await run('guard allow behind --for 2h')).toMatchObject({
		...{ code: 1, err: expect.stringContaining('behind the relay, which the guard does not see') },
	})
})

test('rollcall erase takes a person out of the ledger, and says that it was done', async () => {
	expect((await run('erase acme Staff')).err).toMatch(/^error: "Staff" is a group\n/)
	const erased = await json('erase acme joy')
	expect(erased).toMatchObject({ name: 'acme', id: ids.joy, entries: 3, refusals: 2 })
	const { out } = await run(`history acme ${ids.joy}`)
	expect(out).toMatch(/ taken out of the ledger/)
	expect(out).not.toMatch(/joy|boss|chief/i)
	expect(await run('history acme joy')).toMatchObject({ code: 1 })
})
