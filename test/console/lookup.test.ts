import { expect, test } from 'vitest'
import { useConsole } from '../support/console.ts'

const started = useConsole()

const patchOp = (...Operations: unknown[]) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
	Operations,
})

/** A person with a new title who joined a group, was refused once, and is deleted if the test wants it. */
async function story() {
	const acme = await started().addTenant('acme')
	const made = async (path: string, body: unknown) => ((await acme.send('POST', path, body)).body as { id: string }).id // sound: a resource
	const joy = await made('/Users', {
		userName: 'joy@example.com',
		displayName: 'Joy Li',
		title: 'boss',
		emails: [{ value: 'joy@work.example', type: 'work', primary: true }],
	})
	const staff = await made('/Groups', { displayName: 'Staff', members: [{ value: joy }] })
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'title', value: 'chief' }))
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'active', value: 'perhaps' }))
	await started().services.refusals.flush()
	const ask = async (path: string) => (await started().ask('GET', `/tenants/acme${path}`)).body
	return { acme, joy, staff, ask }
}

test('a search tells hits by attribute', async () => {
	const { joy, ask } = await story()
	const hit = { id: joy, type: 'User', name: 'joy@example.com', displayName: 'Joy Li', isInactive: false }
	expect(await ask('/search?text=JOY')).toEqual({
		pages: [
			{ type: 'User', by: 'userName', hits: [{ ...hit, value: 'joy@example.com' }] },
			{ type: 'User', by: 'emails', hits: [{ ...hit, value: 'joy@work.example' }] },
			{ type: 'User', by: 'displayName', hits: [{ ...hit, value: 'Joy Li' }] },
		],
		former: [],
	})
	expect(await ask('/search?text=')).toEqual({ error: 'the search has no text', hint: 'type the beginning of a name' })
	expect(await ask('/search/User/title?text=boss')).toEqual({ error: 'there is no search of User by title' })
})

test('a person has values, groups and a timeline with what was there before and after', async () => {
	const { joy, staff, ask } = await story()
	expect(await ask(`/resources/${joy}`)).toMatchObject({
		name: 'joy@example.com',
		present: {
			isInactive: false,
			values: expect.arrayContaining([{ path: 'emails', value: 'joy@work.example (work, primary)' }]),
		},
	})
	expect(await ask(`/resources/${joy}/groups`)).toEqual({ groups: [{ id: staff, name: 'Staff' }], total: 1 })
	const { lines } = (await ask(`/resources/${joy}/history`)) as { lines: Record<string, unknown>[] } // sound: the console's answer
	expect(
		lines.map(({ what, values, isRefusal, undo }) => ({ what, values, isRefusal, canUndo: undo !== undefined })),
	).toEqual([
		{
			what: expect.stringMatching(/^refused: PATCH \/Users\/\{id\} 400 invalidValue: /),
			values: [],
			isRefusal: true,
			canUndo: false,
		},
		{
			what: 'title changed',
			values: [{ path: 'title', was: '"boss"', is: '"chief"' }],
			isRefusal: false,
			canUndo: true,
		},
		{ what: 'joined Staff', values: [], isRefusal: false, canUndo: true },
		{ what: 'created', values: [], isRefusal: false, canUndo: false },
	])
	expect(await ask(`/resources/${staff}/members`)).toEqual({
		members: [{ id: joy, name: 'joy@example.com', displayName: 'Joy Li' }],
		hasEarlier: false,
		hasLater: false,
	})
	expect(await ask('/resources/joy')).toEqual({ error: 'joy is the id of no user or group' })
	expect(await ask(`/resources/${staff}/groups`)).toEqual({ error: `${staff} is the id of no user` })
	expect(await ask(`/resources/${joy}/history?before=x`)).toEqual({
		error: 'before=x is no place of a history',
		hint: 'reload the page',
	})
})

test('what happens is told from the latest lines on', async () => {
	const { acme, joy, ask } = await story()
	type Lines = { lines: { what: string; about?: { name: string } }[]; cursor: string } // the console's answer
	const first = (await ask('/activity')) as Lines
	expect(first.lines.map(({ what, about }) => [about?.name, what])).toEqual([
		['joy@example.com', 'created'],
		['Staff', 'created with 1 member'],
		['joy@example.com', 'title changed'],
		[joy, expect.stringContaining('refused: PATCH /Users/{id} 400')],
	])
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'active', value: false }))
	const next = (await ask(`/activity?after=${encodeURIComponent(first.cursor)}`)) as Lines
	expect(next.lines.at(-1)).toMatchObject({ what: 'active changed: deactivated', about: { name: 'joy@example.com' } })
	expect(await ask('/activity?after=x')).toEqual({
		error: 'after=x is no cursor of an answer',
		hint: 'reload the page',
	})
})

test('failures are grouped by sentence, with people and a remedy', async () => {
	const { joy, ask } = await story()
	expect(await ask('/failures')).toMatchObject({
		groups: [{ status: 400, count: 1, subjects: 1, examples: [{ id: joy, type: 'User' }], page: 'docs/schema.md' }],
		others: 0,
		isPartial: false,
	})
	expect(await ask('/failures?since=0s')).toEqual({ groups: [], others: 0, isPartial: false })
	expect(await ask('/failures?since=soon')).toMatchObject({ error: 'since=soon is not a time' })
})

test('one change is taken back, and others stay', async () => {
	const { acme, joy, ask } = await story()
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'active', value: false }))
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'displayName', value: 'J. Li' }))
	const history = (await ask(`/resources/${joy}/history`)) as {
		lines: { what: string; undo?: { operation: string; epoch: string } }[]
	} // sound: the console's answer
	const undo = history.lines.find(({ what }) => what === 'active changed')?.undo
	const preview = await ask(`/resources/${joy}/undo?operation=${undo?.operation}&epoch=${undo?.epoch}`)
	expect(preview).toEqual({
		activated: 1,
		kinds: [{ title: 'People to make active again', names: ['joy@example.com'] }],
		left: [],
		isPossible: true,
	})
	const path = `/tenants/acme/resources/${joy}/undo`
	expect(await started().ask('POST', path, { ...undo, expected: 2 })).toMatchObject({
		status: 409,
		body: { error: 'nothing was undone: 2 people were expected to become active again, and it would be 1' },
	})
	expect(await started().ask('POST', path, { ...undo, expected: 1 })).toMatchObject({ status: 200, body: { left: [] } })
	expect((await acme.send('GET', `/Users/${joy}`)).body).toMatchObject({
		active: true,
		title: 'chief',
		displayName: 'J. Li',
	})
	expect(await started().ask('POST', path, { ...undo, expected: 0 })).toMatchObject({ status: 409 })
})

test('a tenant behind a relay has no directory to look at', async () => {
	await started().addTenant('far', { mode: 'relay' })
	for (const path of ['/activity', '/search?text=x', `/resources/${'0'.repeat(12)}70008${'0'.repeat(15)}`]) {
		expect(await started().ask('GET', `/tenants/far${path}`)).toEqual({
			status: 409,
			body: {
				error: 'the tenant far has no directory in Rollcall',
				hint: 'its mode is relay: its users and groups are in the SCIM server behind the relay',
			},
		})
	}
	expect(await started().ask('GET', '/tenants/far/failures')).toMatchObject({ status: 200 })
})
