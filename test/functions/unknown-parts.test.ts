import { describe, expect, it } from 'vitest'
import { useHost } from '../support/host.ts'

const host = useHost()

const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const acme = 'urn:ietf:params:scim:schemas:extension:acme:2.0:User'
const patch = (...Operations: unknown[]) => ({ Operations })
const rest = { op: 'replace', path: 'active', value: false }

describe('a part that the schema does not have', () => {
	it.each<[string, string, object]>([
		['POST', 'an attribute', { userName: 'new', active: false, shoeSize: 42 }],
		['POST', 'a password', { userName: 'new', active: false, password: 'open sesame' }],
		['POST', 'an extension', { userName: 'new', active: false, [acme]: { badge: '7' } }],
		['POST', 'an attribute of an extension', { userName: 'new', active: false, [enterprise]: { badge: '7' } }],
		['POST', 'a sub-attribute', { userName: 'new', active: false, name: { nick: 'J' } }],
		['PUT', 'an attribute', { userName: 'joy', active: false, shoeSize: 42 }],
		['PUT', 'a password', { userName: 'joy', active: false, password: 'open sesame' }],
		['PATCH', 'no path and a password', patch({ op: 'replace', value: { password: 'x', active: false } })],
		['PATCH', 'a path', patch({ op: 'replace', path: 'shoeSize', value: 42 }, rest)],
		['PATCH', 'a path of an object in every language', patch({ op: 'add', path: 'constructor', value: 'x' }, rest)],
		['PATCH', 'a path of a prototype', patch({ op: 'add', path: '__proto__.title', value: 'x' }, rest)],
		['PATCH', 'a password as its path', patch({ op: 'Add', path: 'password', value: 'open sesame' }, rest)],
		['PATCH', 'a custom attribute', patch({ op: 'Add', path: `${acme}:badge`, value: '7' }, rest)],
		['PATCH', 'a custom schema', patch({ op: 'Add', path: acme, value: { badge: '7' } }, rest)],
		['PATCH', 'a removal', patch({ op: 'Remove', path: 'shoeSize' }, rest)],
		['PATCH', 'a removal with a value', patch({ op: 'Remove', path: 'password', value: 'x' }, rest)],
		['PATCH', 'a sub-attribute', patch({ op: 'add', path: 'emails[type eq "work"].color', value: 'red' }, rest)],
		['PATCH', 'a filter', patch({ op: 'replace', path: 'emails[color eq "red"].value', value: 'a@b.c' }, rest)],
	])('is left out of a %s with %s, and the rest is done', async (method, _, body) => {
		const tenant = await host()
		const user = await tenant.create('/Users', { userName: 'joy', emails: [{ value: 'joy@home' }] })
		const path = method === 'POST' ? '/Users' : `/Users/${user.id}`
		const answer = await tenant.request(method, path, { body })
		expect([answer.status, answer.body.active]).toEqual([method === 'POST' ? 201 : 200, false])
		const stored = (await tenant.request('GET', `/Users/${answer.body.id}`)).body
		expect(stored).toEqual(answer.body)
		expect(JSON.stringify(stored)).not.toMatch(/shoeSize|sesame|password|badge|nick|color/)
		const logged = tenant.events.filter((event) => event.method === method && event.quirks !== undefined)
		expect(logged.at(-1)?.quirks).toContain('unknownLeftOut')
		expect(JSON.stringify(tenant.events)).not.toContain('sesame')
	})

	it('is left out of a PATCH of a group', async () => {
		const tenant = await host()
		const joy = await tenant.create('/Users', { userName: 'joy' })
		const group = await tenant.create('/Groups', { displayName: 'Ops', members: [{ value: joy.id }] })
		const body = patch(
			{ op: 'remove', path: 'members[color eq "red"]' },
			{ op: 'replace', path: 'description', value: 'x' },
			{ op: 'replace', path: 'displayName', value: 'Dev' },
		)
		expect((await tenant.request('PATCH', `/Groups/${group.id}`, { body })).status).toBe(204)
		const { body: after } = await tenant.request('GET', `/Groups/${group.id}`)
		expect(after).toEqual({ ...group, displayName: 'Dev', meta: after.meta })
	})

	const wrong = { op: 'replace', path: 'title', value: 7 }
	const unknown = { op: 'replace', path: 'shoeSize', value: 42 }
	const detail = 'title must be a string, not the number 7; nothing of this change was made'

	it.each<[string, string, object, string]>([
		['POST', '/Users', { userName: 'new', shoeSize: 42, title: 7 }, ''],
		['PUT', '/Users/<joy>', { userName: 'joy', title: 7, shoeSize: 42 }, ''],
		['PATCH', '/Users/<joy>', patch(unknown, rest, wrong), 'Operations[2]: '],
		['PATCH', '/Users/<joy>', patch(rest, wrong, unknown), 'Operations[1]: '],
	])('does not save a %s of %s from an error, which says that nothing was done', async (method, at, body, place) => {
		const tenant = await host()
		const user = await tenant.create('/Users', { userName: 'joy' })
		const answer = await tenant.request(method, at.replace('<joy>', user.id), { body })
		expect([answer.status, answer.body.scimType, answer.body.detail]).toEqual([400, 'invalidValue', place + detail])
		expect((await tenant.request('GET', '/Users')).body.Resources).toEqual([user])
	})

	it('is not spoken of in the refusals of other operations of a bulk request', async () => {
		const tenant = await host()
		const { id } = await tenant.create('/Users', { userName: 'joy' })
		const at = { method: 'PATCH', path: `/Users/${id}` }
		const { body } = await tenant.request('POST', '/Bulk', {
			body: {
				Operations: [
					{ ...at, data: patch(unknown, rest) },
					{ ...at, data: patch(wrong) },
				],
			},
		})
		const details = body.Operations.map(({ response }: { response?: { detail: string } }) => response?.detail)
		expect(details).toEqual([undefined, 'Operations[0]: title must be a string, not the number 7'])
	})
})
