import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ActionForms, ActionState, FieldValues } from '../../console/answers/actions.ts'
import type { TenantSafety } from '../../console/answers/safety.ts'
import { type TestConsole, useConsole } from '../support/console.ts'

const started = useConsole()

/** Runs an action until it ends. */
async function act({ ask }: TestConsole, path: string, fields: FieldValues) {
	const first = await ask('POST', path, { fields })
	let state = first.body as ActionState // sound: the console's answer
	while (state.state === 'running') {
		state = (await ask('GET', `/actions/${state.id}`)).body as ActionState // sound: the same
	}
	return { status: first.status, state }
}

const actionOn = (tenant: string, words: string) => `/tenants/${tenant}/actions/${encodeURIComponent(words)}`

const lastDeed = async ({ target }: TestConsole, name: string) => {
	const tenant = await target.tenants.getTenant(name)
	const entries = tenant === undefined ? [] : await target.administration.list(tenant)
	return entries.map(({ command, outcome }) => [command, outcome]).at(-1)
}

describe('an action', () => {
	test('has the words, the options and the choices of its command', async () => {
		const { ask, addTenant } = started()
		await addTenant('acme')
		const { forms } = (await ask('GET', '/tenants/acme/forms/credentials')).body as ActionForms // sound: the answer
		expect(forms.find(({ words }) => words === 'token add')).toEqual({
			words: 'token add',
			summary: 'add a token to a tenant and print it, this one time only',
			fields: [
				{
					...{ name: 'scope', kind: 'choice', placeholder: 'full|read', choices: ['full', 'read'], isRequired: false },
					help: 'what the credential may do: everything, or only read (default full)',
				},
				{
					...{ name: 'label', kind: 'text', placeholder: 'TEXT', choices: [], isRequired: false },
					help: 'what you call the credential, such as "HR application"',
				},
			],
			needs: ['tables', 'vault'],
		})
		expect(forms.flatMap(({ fields }) => fields.map(({ name }) => name))).not.toContain('data')
	})

	test('is done with the words of the command line, and leaves the row of the administrator', async () => {
		const running = started()
		await running.addTenant('acme')
		const { state } = await act(running, actionOn('acme', 'token rotate'), { overlap: '7d', label: 'Entra' })
		expect(state).toMatchObject({
			state: 'done',
			isFailure: false,
			text: expect.stringMatching(/^Tenant URL .*\nSecret Token {2}[\w-]{43}\nThe token \w+ expires at \S+\.$/),
			json: { name: 'acme', token: expect.any(String), ending: [{ version: expect.any(String) }] },
		})
		expect(await lastDeed(running, 'acme')).toEqual(['token rotate', 'done'])
	})

	test('is refused with the words of the command line', async () => {
		const running = started()
		await running.addTenant('acme')
		const { state } = await act(running, actionOn('acme', 'token rotate'), { overlap: 'soon' })
		expect(state).toMatchObject({
			state: 'refused',
			error: '"Overlap" soon is not a valid time',
			hint: 'use a time such as 30m, 24h or 7d, up to 90d; or 0s',
		})
		const { state: unknown } = await act(running, actionOn('acme', 'token disable'), { VERSION: 'nothing' })
		expect(unknown).toMatchObject({ state: 'refused', error: 'the tenant acme has no token nothing' })
		expect(await lastDeed(running, 'acme')).toEqual(['token disable', 'failed'])
	})

	test.each([
		['a field of another command', { overlap: '1h' }, 'token add has no field overlap'],
		['an option that names another deployment', { data: '/etc' }, 'token add has no field data'],
		['a flag for a text', { label: true }, 'label must be a text'],
	])('refuses %s', async (_, fields, error) => {
		const running = started()
		await running.addTenant('acme')
		const { state } = await act(running, actionOn('acme', 'token add'), fields)
		expect(state).toMatchObject({ state: 'refused', error })
		expect(await running.target.tokens.list('acme')).toHaveLength(1)
	})

	test('must be one of the console, with the parameters that it needs', async () => {
		const running = started()
		await running.addTenant('acme')
		expect(await running.ask('POST', actionOn('acme', 'tenant add'), { fields: {} })).toEqual({
			status: 404,
			body: { error: 'the console has no action tenant add' },
		})
		const { state } = await act(running, actionOn('acme', 'token disable'), {})
		expect(state).toMatchObject({ state: 'refused', error: 'VERSION is missing' })
	})

	test('tells its end once: the end may have a secret in it', async () => {
		const running = started()
		await running.addTenant('acme')
		const { state } = await act(running, actionOn('acme', 'token add'), {})
		expect(await running.ask('GET', `/actions/${state.id}`)).toMatchObject({ status: 404 })
		expect((await running.ask('GET', '/actions?tenant=acme')).body).toEqual({ actions: [] })
	})

	test('sets one setting, and an empty value removes it', async () => {
		const running = started()
		await running.addTenant('acme')
		await act(running, actionOn('acme', 'tenant set'), { 'guard-people': '7' })
		expect((await running.target.tenants.getTenant('acme'))?.settings).toMatchObject({ guardPeople: 7 })
		await act(running, actionOn('acme', 'tenant set'), { 'guard-people': '' })
		expect((await running.target.tenants.getTenant('acme'))?.settings).not.toHaveProperty('guardPeople')
	})
})

describe('a schema', () => {
	const document = (attributes: readonly object[]) =>
		JSON.stringify({ id: 'urn:example:params:scim:schemas:hr:2.0:User', attributes })

	test('is pasted, and a text that is none is refused', async () => {
		const running = started()
		await running.addTenant('acme')
		const { state } = await act(running, actionOn('acme', 'schema add'), { FILE: document([{ name: 'badge' }]) })
		expect(state).toMatchObject({ state: 'done', text: expect.stringContaining(': 1 attribute of users.') })
		const { state: refused } = await act(running, actionOn('acme', 'schema add'), { FILE: '{' })
		expect(refused).toMatchObject({ state: 'refused', error: expect.stringMatching(/^the document is not JSON: /) })
	})

	test('adopts what arrives undeclared', async () => {
		const running = started()
		const client = await running.addTenant('acme', { settings: { unknownAttributes: 'keep' } })
		await client.send('POST', '/Users', { userName: 'joy@example.com', shoeSize: 38 })
		await running.services.observations.flush()
		expect((await running.ask('GET', '/tenants/acme/schema')).body).toMatchObject({
			schemas: [],
			observed: [{ path: 'shoeSize', resourceType: 'User', types: ['number'], count: 1 }],
			indexes: [],
		})
		const { state } = await act(running, actionOn('acme', 'schema adopt'), { PATH: 'shoeSize' })
		expect(state).toMatchObject({ state: 'done', text: expect.stringContaining(':shoeSize as integer.') })
		expect((await running.ask('GET', '/tenants/acme/schema')).body).toMatchObject({
			schemas: [{ resourceType: 'User', attributes: [{ name: 'shoeSize', type: 'integer' }] }],
			observed: [],
		})
	})
})

describe('undo', () => {
	test('shows what it will do, and asks for the number of people', async () => {
		const running = started()
		const client = await running.addTenant('acme', { settings: { history: 'full' } })
		const { body } = await client.send('POST', '/Users', { userName: 'joy@example.com', active: true })
		const { id } = body as { id: string } // sound: the answer to a creation
		const fields = { since: new Date().toISOString(), only: 'deactivations' }
		await client.send('PATCH', `/Users/${id}`, {
			schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
			Operations: [{ op: 'replace', path: 'active', value: false }],
		})
		const { state: planned } = await act(running, '/tenants/acme/undo-preview', fields)
		expect(planned).toMatchObject({
			state: 'done',
			text: 'People to make active again: 1\n  joy@example.com\nPeople who become active again: 1',
			json: { activated: 1 },
		})
		expect(await lastDeed(running, 'acme')).toBe(undefined)
		const { state: wrong } = await act(running, actionOn('acme', 'undo'), { ...fields, answer: '2' })
		expect(wrong).toMatchObject({ state: 'refused', error: 'nothing was undone: "2" is not the number of people' })
		const { state: done } = await act(running, actionOn('acme', 'undo'), { ...fields, answer: '1' })
		expect(done).toMatchObject({ state: 'done', json: { revised: 1 }, notes: [] })
		expect(await lastDeed(running, 'acme')).toEqual(['undo', 'done'])
		expect((await client.send('GET', `/Users/${id}`)).body).toMatchObject({ active: true })
	})
})

describe('the guard', () => {
	test('allows all deletions for a while that must be given', async () => {
		const running = started()
		await running.addTenant('acme')
		const { state: refused } = await act(running, actionOn('acme', 'guard allow'), {})
		expect(refused).toMatchObject({ state: 'refused', error: 'for is missing' })
		const { state } = await act(running, actionOn('acme', 'guard allow'), { for: '2h' })
		expect(state).toMatchObject({ state: 'done', text: expect.stringContaining('allows all deletions until ') })
		expect((await running.ask('GET', '/tenants/acme/safety')).body).toMatchObject({
			guard: { allowedUntil: expect.any(String) },
		})
	})
})

describe('what cannot be undone', () => {
	test('a person is taken out of the ledger only if the userName is typed', async () => {
		const running = started()
		const client = await running.addTenant('acme', { settings: { history: 'full' } })
		await client.send('POST', '/Users', { userName: 'joy@example.com' })
		const path = actionOn('acme', 'erase')
		const { state: wrong } = await act(running, path, { WHO: 'joy@example.com', answer: 'joy' })
		expect(wrong).toMatchObject({
			state: 'refused',
			error: 'nothing was erased: "joy" is not the userName of the person',
		})
		// The command leaves blanks out, and so does the question.
		const { state: blank } = await act(running, path, { WHO: ' joy@example.com ', answer: '' })
		expect(blank).toMatchObject({
			state: 'refused',
			error: 'nothing was erased: "" is not the userName of the person',
		})
		const { state } = await act(running, path, { WHO: 'joy@example.com', answer: 'joy@example.com' })
		expect(state).toMatchObject({ state: 'done', text: expect.stringContaining('was taken out of the ledger') })
	})

	test('a tenant is removed only if its name is typed, after an export', async () => {
		const running = started()
		const client = await running.addTenant('acme')
		await client.send('POST', '/Users', { userName: 'joy@example.com' })
		const folder = await mkdtemp(join(tmpdir(), 'rollcall-removed-'))
		const fields = { out: join(folder, 'acme.ndjson') }
		const { state: wrong } = await act(running, actionOn('acme', 'tenant remove'), { ...fields, answer: 'acm' })
		expect(wrong).toMatchObject({
			state: 'refused',
			error: 'nothing was removed: "acm" is not the name of the tenant',
		})
		const { state } = await act(running, actionOn('acme', 'tenant remove'), { ...fields, answer: 'acme' })
		expect(state).toMatchObject({ state: 'done', text: expect.stringContaining('The tenant acme was removed.') })
		expect(await readFile(fields.out, 'utf8')).toContain('joy@example.com')
		await rm(folder, { recursive: true })
	})

	test('an export is a file on this machine, which another tenant imports', async () => {
		const running = started()
		const client = await running.addTenant('acme')
		await running.addTenant('globex')
		await client.send('POST', '/Users', { userName: 'joy@example.com' })
		const folder = await mkdtemp(join(tmpdir(), 'rollcall-exported-'))
		const file = join(folder, 'acme.ndjson')
		const { state: refused } = await act(running, actionOn('acme', 'export'), {})
		expect(refused).toMatchObject({ state: 'refused', error: 'out is missing' })
		const { state } = await act(running, actionOn('acme', 'export'), { out: file })
		expect(state).toMatchObject({ state: 'done', text: `Exported 1 user, 0 groups, 0 memberships to ${file}` })
		const { state: imported } = await act(running, actionOn('globex', 'import'), { FILE: file })
		expect(imported).toMatchObject({ state: 'done', isFailure: false, json: { users: { created: 1, present: 0 } } })
		await rm(folder, { recursive: true })
	})
})

describe('the pages of a tenant', () => {
	test('the credentials have no value, but a token of this machine is shown when it is asked for', async () => {
		const running = started()
		await running.addTenant('acme')
		const { body } = await running.ask('GET', '/tenants/acme/credentials')
		expect(body).toEqual({
			url: `${running.server.url}/scim/acme`,
			tokenEndpoint: `${running.server.url}/scim/acme/oauth2/token`,
			tokens: [
				{
					...{ version: expect.any(String), state: 'accepted', scope: 'scim', stored: 'plain' },
					created: expect.any(String),
				},
			],
			clients: [],
			isOnThisMachine: true,
		})
		expect(JSON.stringify(body)).not.toContain('a-token-of-acme')
		const [{ version } = { version: '' }] = await running.target.tokens.list('acme')
		expect(await running.ask('GET', `/tenants/acme/tokens/${version}`)).toEqual({
			status: 200,
			body: { token: 'a-token-of-acme' },
		})
		expect(await running.ask('GET', '/tenants/acme/tokens/none')).toMatchObject({ status: 409 })
	})

	test('a tenant of mode relay has no schema, no guard and no undo, and says why', async () => {
		const running = started()
		await running.addTenant('remote', { mode: 'relay' })
		expect(await running.ask('GET', '/tenants/remote/schema')).toEqual({
			status: 409,
			body: { error: 'the SCIM server behind the relay has the schemas of remote' },
		})
		expect((await running.ask('GET', '/tenants/remote/safety')).body).toMatchObject({
			guardLine: 'in the SCIM server',
		})
		const { forms } = (await running.ask('GET', '/tenants/remote/forms/safety')).body as ActionForms // sound: the answer
		expect(forms.map(({ words }) => words)).toEqual(['erase', 'tenant remove'])
		expect((await running.ask('GET', '/tenants/remote/relay')).body).toMatchObject({
			mode: 'relay',
			missing: 'npm start has no relay, so it answers requests to this tenant with 503.',
			hybridConnection: 'remote',
			agentSettings: { relay: { hybridConnection: 'remote' } },
		})
	})

	test('the app and the Tenant URL are checked with a token of this machine', async () => {
		const running = started()
		await running.addTenant('acme')
		expect(await running.ask('POST', '/tenants/acme/health', { token: '' })).toMatchObject({
			status: 200,
			body: {
				checks: [
					{ name: 'tables', status: 'ok' },
					{ name: 'tokens', status: 'ok' },
				],
			},
		})
		expect(await running.ask('POST', '/tenants/acme/health', { token: 'wrong' })).toMatchObject({
			status: 400,
			body: { error: 'the app does not accept this token' },
		})
		const { body } = await running.ask('POST', '/tenants/acme/check', { token: '', write: false })
		const { findings } = body as { findings: { verdict: string }[] } // sound: the console's answer
		expect(findings.filter(({ verdict }) => verdict === 'FAIL')).toEqual([])
		expect(findings.length).toBeGreaterThan(5)
		const deeds = async () => ((await running.ask('GET', '/tenants/acme/safety')).body as TenantSafety).administration // sound: the answer
		expect(await deeds()).toEqual([])
		expect(await running.ask('POST', '/tenants/acme/check', { token: '', write: true })).toMatchObject({ status: 200 })
		expect(await deeds()).toMatchObject([{ command: 'check --write', outcome: 'done' }])
		await running.ask('POST', '/tenants/acme/check', { token: 'wrong', write: true })
		expect(await deeds()).toMatchObject([{ outcome: 'failed' }, { outcome: 'done' }])
	})

	test('the list of what administrators did has the removals of earlier tenants of the name', async () => {
		const running = started()
		await running.addTenant('acme')
		const folder = await mkdtemp(join(tmpdir(), 'rollcall-console-removal-'))
		const fields = { out: join(folder, 'acme.ndjson'), answer: 'acme' }
		expect(await act(running, actionOn('acme', 'tenant remove'), fields)).toMatchObject({ state: { state: 'done' } })
		await running.addTenant('acme')
		await act(running, actionOn('acme', 'key rotate'), {})
		const { administration } = (await running.ask('GET', '/tenants/acme/safety')).body as TenantSafety // sound: the answer
		expect(administration.map(({ command, outcome }) => `${command} ${outcome}`)).toEqual([
			...['key rotate done', 'tenant remove done'],
		])
		await rm(folder, { recursive: true })
	})
})
