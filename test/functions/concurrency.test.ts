import { describe, expect, it } from 'vitest'
import { type Host, type ScimAnswer, useHost } from '../support/host.ts'

const host = useHost()

const patch = (...Operations: unknown[]) => ({
	body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations },
})

const times = <T>(count: number, make: (index: number) => T): T[] =>
	Array.from({ length: count }, (_, index) => make(index))

/** The number of answers by status. */
function statuses(answers: readonly ScimAnswer[]): Record<number, number> {
	const counts: Record<number, number> = {}
	for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
	return counts
}

/** The same name in one of many letter cases and Unicode forms. The bits of `index` choose the form. */
function spelling(name: string, index: number): string {
	const cased = Array.from(name, (character, at) =>
		(index >> (at % 5)) & 1 ? character.toUpperCase() : character,
	).join('')
	return cased.normalize(index & 32 ? 'NFD' : 'NFC')
}

const createUsers = (tenant: Host, count: number): Promise<string[]> =>
	Promise.all(times(count, async (index) => (await tenant.create('/Users', { userName: `user-${index}` })).id))

const membersOf = ({ body }: ScimAnswer): string[] =>
	(body.members ?? []).map(({ value }: { value: string }) => value).sort()

describe('parallel creations', () => {
	it.each([
		['/Users', 'userName', { externalId: 'joy' }],
		['/Groups', 'displayName', {}],
	] as const)('at %s of one %s in a hundred spellings make exactly one resource', async (endpoint, name, others) => {
		const tenant = await host()
		const spellings = times(100, (index) => spelling('ångström.müller@exämple.com', index))
		expect(new Set(spellings).size).toBeGreaterThan(60)
		const answers = await Promise.all(
			spellings.map((value) => tenant.request('POST', endpoint, { body: { [name]: value, ...others } })),
		)
		expect(statuses(answers)).toEqual({ 201: 1, 409: 99 })
		const created = answers.find(({ status }) => status === 201)?.body
		const winner = endpoint === '/Groups' ? { ...created, members: [] } : created
		for (const [index, { status, body }] of answers.entries()) {
			if (status !== 409) continue
			expect(body).toEqual({
				schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
				status: '409',
				scimType: 'uniqueness',
				detail: `${name} ${JSON.stringify(spellings[index])} is already taken by the ${winner.meta.resourceType} with the id "${winner.id}"`,
			})
		}
		expect((await tenant.request('GET', endpoint)).body).toMatchObject({ totalResults: 1, Resources: [winner] })
		for (const value of [spellings[0], spellings[63]]) {
			const filter = encodeURIComponent(`${name} eq "${value}"`)
			expect((await tenant.request('GET', `${endpoint}?filter=${filter}`)).body.Resources).toEqual([winner])
		}
	})

	it('of different users are all stored and counted', async () => {
		const tenant = await host()
		const ids = await createUsers(tenant, 100)
		const { body } = await tenant.request('GET', '/Users?count=1000')
		expect(body).toMatchObject({ totalResults: 100, itemsPerPage: 100 })
		expect(body.Resources.map(({ id }: { id: string }) => id).sort()).toEqual(ids.sort())
	})
})

describe('parallel changes', () => {
	it('of different members of one group lose no member', async () => {
		const tenant = await host()
		const ids = await createUsers(tenant, 200)
		const [staying, leaving, coming] = [ids.slice(0, 10), ids.slice(10, 100), ids.slice(100)]
		const { id } = await tenant.create('/Groups', {
			displayName: 'Ops',
			members: [...staying, ...leaving].map((value) => ({ value })),
		})
		const operations = [
			...leaving.map((value) => ({ op: 'remove', path: `members[value eq "${value}"]` })),
			...coming.map((value) => ({ op: 'add', path: 'members', value: [{ value }] })),
			...staying.map((value) => ({ op: 'add', path: 'members', value: [{ value }] })),
		]
		const answers = await Promise.all(
			operations.map((operation) => tenant.request('PATCH', `/Groups/${id}`, patch(operation))),
		)
		expect(statuses(answers)).toEqual({ 204: 200 })
		expect(membersOf(await tenant.request('GET', `/Groups/${id}`))).toEqual([...staying, ...coming].sort())
		const groupsOf = async (user: string) =>
			(await tenant.request('GET', `/Users/${user}?attributes=groups`)).body.groups
		expect(await groupsOf(leaving[0] ?? '')).toBeUndefined()
		expect(await groupsOf(coming[0] ?? '')).toMatchObject([{ value: id, display: 'Ops' }])
	})

	it('that add and remove one member leave the group and the user consistent', async () => {
		const tenant = await host()
		const [value = ''] = await createUsers(tenant, 1)
		const { id } = await tenant.create('/Groups', { displayName: 'Ops' })
		const answers = await Promise.all(
			times(40, (index) =>
				tenant.request(
					'PATCH',
					`/Groups/${id}`,
					patch(
						index % 2 === 0
							? { op: 'add', path: 'members', value: [{ value }] }
							: { op: 'remove', path: `members[value eq "${value}"]` },
					),
				),
			),
		)
		expect(Object.keys(statuses(answers)).filter((status) => !['204', '503'].includes(status))).toEqual([])
		const group = await tenant.request('GET', `/Groups/${id}`)
		const user = await tenant.request('GET', `/Users/${value}?attributes=groups`)
		expect(user.body.groups?.map((of: { value: string }) => of.value) ?? []).toEqual(
			membersOf(group).length === 0 ? [] : [id],
		)
	})

	it('of different attributes of one user are never lost silently', async () => {
		const tenant = await host()
		const { id } = await tenant.create('/Users', { userName: 'joy' })
		const names = [
			'displayName',
			'nickName',
			'title',
			'userType',
			'locale',
			'timezone',
			'preferredLanguage',
			'externalId',
		]
		const answers = await Promise.all(
			names.map((name) =>
				tenant.request('PATCH', `/Users/${id}`, patch({ op: 'replace', path: name, value: `a ${name}` })),
			),
		)
		const { body } = await tenant.request('GET', `/Users/${id}`)
		const kept: string[] = []
		for (const [index, { status, body: answer, headers }] of answers.entries()) {
			const name = names[index] ?? ''
			if (status === 200) {
				expect(answer[name]).toBe(`a ${name}`)
				expect(body[name]).toBe(`a ${name}`)
				kept.push(name)
				continue
			}
			// A request that waited too long is a 503, and its change is not stored.
			expect(status).toBe(503)
			expect(headers.get('retry-after')).toMatch(/^\d+$/)
			expect(body[name]).toBeUndefined()
		}
		expect(kept.length).toBeGreaterThan(0)
	})

	it('of userName to the same value succeed for one user', async () => {
		const tenant = await host()
		const ids = await createUsers(tenant, 20)
		const answers = await Promise.all(
			ids.map((id, index) =>
				tenant.request(
					'PATCH',
					`/Users/${id}`,
					patch({ op: 'replace', path: 'userName', value: spelling('bjørn@example.com', index) }),
				),
			),
		)
		expect(statuses(answers)).toEqual({ 200: 1, 409: 19 })
		const { body } = await tenant.request('GET', '/Users?filter=userName+eq+%22BJ%C3%98RN@example.com%22')
		expect(body.Resources).toEqual([answers.find(({ status }) => status === 200)?.body])
		// The other users still have their old names.
		const all = await tenant.request('GET', '/Users?filter=userName+sw+%22user-%22')
		expect(all.body.totalResults).toBe(19)
	})
})

describe('parallel requests with one If-Match', () => {
	const replace = (userName: string, index: number) => ({ body: { userName, title: `title ${index}` } })

	it.each([
		['PUT', (index: number) => replace('joy', index), 200],
		['PATCH', (index: number) => patch({ op: 'replace', path: 'title', value: `title ${index}` }), 200],
		['DELETE', () => ({}), 204],
	] as const)('let one %s of a user through', async (method, options, success) => {
		const tenant = await host()
		const { id, meta } = await tenant.create('/Users', { userName: 'joy' })
		const answers = await Promise.all(
			times(20, (index) =>
				tenant.request(method, `/Users/${id}`, { ...options(index), headers: { 'If-Match': meta.version } }),
			),
		)
		const counts = statuses(answers)
		expect(counts[success]).toBe(1)
		if (method === 'DELETE') {
			// The other requests find another version, or no resource.
			expect((counts[412] ?? 0) + (counts[404] ?? 0)).toBe(19)
			expect((await tenant.request('GET', `/Users/${id}`)).status).toBe(404)
			expect((await tenant.request('GET', '/Users')).body.totalResults).toBe(0)
			return
		}
		expect(counts[412]).toBe(19)
		const winner = answers.find(({ status }) => status === success)
		expect((await tenant.request('GET', `/Users/${id}`)).body).toEqual(winner?.body)
	})

	it('let one change of members through', async () => {
		const tenant = await host()
		const ids = await createUsers(tenant, 20)
		const group = await tenant.create('/Groups', { displayName: 'Ops' })
		const headers = { 'If-Match': group.meta.version }
		const answers = await Promise.all(
			ids.map((value) =>
				tenant.request('PATCH', `/Groups/${group.id}`, {
					...patch({ op: 'add', path: 'members', value: [{ value }] }),
					headers,
				}),
			),
		)
		expect(statuses(answers)).toEqual({ 204: 1, 412: 19 })
		const winner = answers.findIndex(({ status }) => status === 204)
		expect(membersOf(await tenant.request('GET', `/Groups/${group.id}`))).toEqual([ids[winner]])
		expect(answers[(winner + 1) % 20]?.body).toEqual({
			schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
			status: '412',
			detail: 'the current version of the resource does not match If-Match: read the resource again',
		})
	})
})

describe('a deletion of users while they are added to groups', () => {
	it('leaves no member without a user', async () => {
		const tenant = await host()
		const ids = await createUsers(tenant, 30)
		const { id } = await tenant.create('/Groups', { displayName: 'Ops' })
		const answers = await Promise.all(
			ids.flatMap((value) => [
				tenant.request('PATCH', `/Groups/${id}`, patch({ op: 'add', path: 'members', value: [{ value }] })),
				tenant.request('DELETE', `/Users/${value}`),
			]),
		)
		const additions = answers.filter((_, index) => index % 2 === 0)
		const deletions = answers.filter((_, index) => index % 2 === 1)
		expect(statuses(deletions)).toEqual({ 204: 30 })
		for (const { status, body } of additions) {
			expect([204, 400]).toContain(status)
			if (status === 400) expect(body).toMatchObject({ scimType: 'invalidValue' })
		}
		expect(membersOf(await tenant.request('GET', `/Groups/${id}`))).toEqual([])
		expect((await tenant.request('GET', '/Users')).body.totalResults).toBe(0)
	})
})
