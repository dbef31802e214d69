import { expect, test } from 'vitest'
import type { RequestEvent } from '../../functions/respond.ts'
import { useHost } from '../support/host.ts'

const events: RequestEvent[] = []
const host = useHost({ log: (event) => events.push(event) })

const patch = (path: string, value: unknown) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
	Operations: [{ op: 'replace', path, value }],
})

test('every answer has the id that the log has, and the log of a refusal has its sentence without values', async () => {
	const { request } = await host()
	const { body: user } = await request('POST', '/Users', { body: { userName: 'marker@example.com' } })
	const etag = user.meta.version
	const calls = [
		['GET', '/Users', {}, 200],
		['HEAD', '/Users', {}, 200],
		['GET', `/Users/${user.id}`, { headers: { 'If-None-Match': etag } }, 304],
		['GET', `/Users/${user.id}`, { headers: { Authorization: 'Bearer marker-token' } }, 401],
		['POST', '/Users', { body: { userName: 'marker@example.com' } }, 409],
		['POST', '/Users', { body: '{"userName":"marker' }, 400],
		['GET', '/Marker', {}, 404],
		['GET', '/Users/marker', {}, 404],
		['GET', `/Users?filter=${encodeURIComponent('userName eq marker@example.com x')}`, {}, 400],
		['GET', `/Users?filter=${encodeURIComponent('active eq 271828')}`, {}, 400],
		['PATCH', `/Users/${user.id}`, { body: patch('active', 'marker') }, 400],
		['PATCH', `/Users/${user.id}`, { body: patch('active', 271828) }, 400],
		['PATCH', `/Users/${user.id}`, { body: patch('emails[value eq "marker"].value', 'a') }, 400],
		['PATCH', `/Users/${user.id}`, { body: patch('userName[value eq 271828]', 'a') }, 400],
		['OPTIONS', '/Users', {}, 405],
		['DELETE', `/Users/${user.id}`, {}, 204],
		['GET', '/%zz', {}, 400],
	] as const
	for (const [method, path, options, status] of calls) {
		const answer = await request(method, path, options)
		expect([method, path, answer.status]).toEqual([method, path, status])
		const event = events.at(-1)
		expect([method, path, answer.headers.get('x-request-id')]).toEqual([method, path, event?.requestId])
		expect(event?.status).toBe(status)
		if (status < 400) expect(event?.detail).toBeUndefined()
		else expect(event?.detail).toMatch(/^(?!.*(marker|271828)).+$/is)
	}
})
