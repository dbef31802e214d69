import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { routes } from '../../functions/routes.ts'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { addToken, signingKeysFile } from '../../shared/auth/file-source.ts'
import { parseAgents, withNewAgent } from '../../shared/relay/agent-list.ts'
import { updateAgents } from '../../shared/storage/agents.ts'
import { insertClient } from '../../shared/storage/clients.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'
import { copyBuilt } from '../support/built.ts'
import { newAgent } from '../support/enrolment.ts'
import { type Entra, openEntra, otherTenant, trust } from '../support/entra.ts'
import { secretClient, secretOf, trustingClient } from '../support/oauth-host.ts'
import { verify } from '../support/relay-stand-in/tokens.ts'

const token = 'a-token-for-this-test-alone'
const agentId = '0b7e6a52-2d0f-4a57-9c66-6f1f4f1f8c11'

let folder: string
let worker: ChildProcess
let lines: AsyncIterator<string>
let azurite: Awaited<ReturnType<typeof startAzurite>>
let entra: Entra
let registered: readonly { name: string; trigger: { route: string; methods: string[]; authLevel: string } }[]

const nextLine = async () => JSON.parse((await lines.next()).value)

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-app-'))
	await copyBuilt(folder)
	azurite = await startAzurite({ memory: true })
	const tokensFile = join(folder, 'tokens.json')
	await addToken(tokensFile, 'demo', { value: token, created: new Date().toISOString() })
	const { connectionString } = azurite
	const services = await createServices({ tables: { connectionString }, tokens: { file: tokensFile } })
	const tenant = await services.tenants.createTenant({ name: 'demo', mode: 'store', settings: {} })
	const relayed = await services.tenants.createTenant({ name: 'relayed', mode: 'relay', settings: {} })
	if (tenant === 'exists' || relayed === 'exists') throw new Error('the tenants are new')
	const tables = connectTables({ connectionString })
	await updateAgents(tables.table(relayed.table, 'relayed'), tables.pause, (stored) => {
		const list = withNewAgent(parseAgents(stored), { id: agentId, secret: 's'.repeat(43) }, Date.now())
		return { json: JSON.stringify(list), answer: {} }
	})
	for (const client of [
		secretClient('entra', [secretOf('a-secret')]),
		trustingClient('federation', 'workload', trust),
	]) {
		const json = JSON.stringify(client)
		await insertClient(tables.table(tenant.table, 'demo'), tables.pause, { id: client.id, json })
	}
	entra = await openEntra(Date.now)
	await addToken(signingKeysFile(tokensFile), 'demo', { value: 'a-key', created: new Date().toISOString() })
	const preload = ['--import', './test/support/entra-keys.mjs']
	worker = spawn(process.execPath, [...preload, 'test/support/functions-worker.cjs', join(folder, 'app')], {
		env: {
			ENTRA_KEYS: await (await entra.fetch('')).text(),
			ROLLCALL_TABLES_CONNECTION_STRING: connectionString,
			ROLLCALL_TOKENS_FILE: tokensFile,
			WEBSITE_HOSTNAME: 'rollcall.azurewebsites.net',
			ROLLCALL_RELAY_NAMESPACE: 'contoso.servicebus.windows.net',
			ROLLCALL_RELAY_LISTEN_KEY: 'a-key-of-azure-relay',
		},
		stdio: ['pipe', 'pipe', 'inherit'],
	})
	if (worker.stdout === null) throw new Error('the worker has no output')
	lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]()
	registered = (await nextLine()).functions
})

afterAll(async () => {
	worker.kill()
	await azurite.close()
	await rm(folder, { recursive: true })
})

type Answer = { statusCode: string; headers: Record<string, string>; body: string; logs: { message: string }[] }

/** An HTTP request as the Functions host passes it to its worker. */
async function invoke(functionName: string, method: string, path: string, sent?: unknown) {
	const http = {
		method,
		// The host takes the address from the Host header, which a client can write.
		url: `https://elsewhere.example${path}`,
		headers: { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json', host: 'elsewhere.example' },
		...(sent !== undefined && { body: { string: JSON.stringify(sent) } }),
	}
	return send(functionName, http)
}

async function send(functionName: string, http: object) {
	worker.stdin?.write(`${JSON.stringify({ functionName, invocationId: 'c0ffee', http })}\n`)
	const answer: Answer = await nextLine()
	const body = answer.body === '' ? undefined : JSON.parse(answer.body)
	return { ...answer, body, logs: answer.logs.map(({ message }) => message) }
}

const demoUrl = 'https://elsewhere.example/scim/demo'

const askForToken = (form: string, headers: Readonly<Record<string, string>>) =>
	send('token', {
		method: 'POST',
		url: `${demoUrl}/oauth2/token`,
		headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
		body: { string: form },
	})

/** Gets a token and asks for a user with it, as Microsoft's tests do. */
async function expectToken(form: string, headers: Readonly<Record<string, string>>): Promise<void> {
	const { statusCode, body } = await askForToken(form, headers)
	expect([statusCode, body]).toEqual([
		'200',
		{ access_token: expect.any(String), token_type: 'Bearer', expires_in: 7200, scope: 'scim' },
	])
	const authorization = `Bearer ${body.access_token}`
	const asked = { method: 'GET', url: `${demoUrl}/Users?startIndex=1&count=1`, headers: { authorization } }
	expect((await send('users', asked)).statusCode).toBe('200')
}

describe('the built app, under the Functions programming model', () => {
	it('is a folder of bundled files, host.json and package.json', async () => {
		const files = await readdir(join(folder, 'app'))
		expect(files).toEqual(expect.arrayContaining(['host.json', 'index.js', 'package.json']))
		expect(
			files.filter((file) => !/^(host\.json|package\.json|THIRD_PARTY_NOTICES\.txt|[\w.-]+\.js)$/.test(file)),
		).toEqual([])
		expect(JSON.parse(await readFile(join(folder, 'app', 'package.json'), 'utf8'))).toMatchObject({ main: 'index.js' })
	})

	it('registers a trigger for every route, and a last one for all other paths', () => {
		const names = registered.map(({ name }) => name)
		expect(new Set(names)).toEqual(new Set([...routes.map(({ name }) => name), 'oauthMetadata', 'sweep', 'wildcard']))
		expect([...names].sort().at(-1)).toBe('wildcard')
		for (const { name, trigger } of registered) {
			if (name === 'sweep') continue
			expect(trigger).toMatchObject({
				authLevel: 'anonymous',
				methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
			})
		}
		expect(registered.find(({ name }) => name === 'sweep')?.trigger).toMatchObject({ schedule: '0 */15 * * * *' })
		expect(registered.find(({ name }) => name === 'user')?.trigger.route).toBe('scim/{tenant}/Users/{id}')
		expect(registered.find(({ name }) => name === 'root')?.trigger.route).toBe('scim/{tenant}')
	})

	it('creates a user and finds it again', async () => {
		const created = await invoke('users', 'POST', '/scim/demo/Users', { userName: 'joy@example.com' })
		expect(created).toMatchObject({
			statusCode: '201',
			headers: { 'content-type': 'application/scim+json; charset=utf-8' },
			body: { userName: 'joy@example.com' },
		})
		expect(created.headers.location).toBe(`https://rollcall.azurewebsites.net/scim/demo/Users/${created.body.id}`)
		const found = await invoke('users', 'GET', '/scim/demo/Users?filter=userName+eq+%22JOY@example.com%22')
		expect(found).toMatchObject({ statusCode: '200', body: { totalResults: 1, Resources: [{ id: created.body.id }] } })
	})

	it('answers a doubled slash through the trigger for all other paths', async () => {
		expect(await invoke('wildcard', 'GET', '/scim/demo//Users')).toMatchObject({ statusCode: '200' })
		expect(await invoke('wildcard', 'GET', '/favicon.ico')).toMatchObject({
			statusCode: '404',
			body: { status: '404' },
		})
	})

	// Microsoft's published test 21: https://learn.microsoft.com/entra/identity/app-provisioning/scim-validator-tutorial
	it.each([
		['body', '&client_id=entra&client_secret=a-secret', {}],
		['header', '', { authorization: `Basic ${btoa('entra:a-secret')}` }],
		['both', '&client_id=entra&client_secret=a-secret', { authorization: `Basic ${btoa('entra:a-secret')}` }],
	])('gives an access token for a client and its secret in %s, and answers requests with it', (_, form, headers) =>
		expectToken(`grant_type=client_credentials${form}`, headers),
	)

	// Microsoft's published test 22, with the parameters that it sends: none is a scope, and baseAddress is unknown.
	it('gives an access token for an assertion of Entra, and answers requests with it', async () => {
		const form = new URLSearchParams({
			grant_type: 'client_credentials',
			client_id: 'workload',
			client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
			client_assertion: await entra.token(),
			baseAddress: demoUrl,
		})
		await expectToken(form.toString(), {})
		form.set('client_assertion', await entra.token({ claims: { tid: otherTenant } }))
		expect(await askForToken(form.toString(), {})).toMatchObject({
			statusCode: '401',
			body: { error: 'invalid_client' },
		})
	})

	it('answers the metadata of the token endpoint', async () => {
		const path = '/.well-known/oauth-authorization-server/scim/demo'
		expect(await invoke('oauthMetadata', 'GET', path)).toMatchObject({
			statusCode: '200',
			body: { token_endpoint: 'https://rollcall.azurewebsites.net/scim/demo/oauth2/token' },
		})
	})

	it('enrols an agent once, and gives it tokens to listen with', async () => {
		const agent = newAgent('relayed', Date.now)
		const post = (name: string, path: string, body: unknown) =>
			send(name, {
				method: 'POST',
				url: `https://elsewhere.example/scim/relayed/${path}`,
				headers: { 'content-type': 'application/json' },
				body: { string: JSON.stringify(body) },
			})
		const code = { url: '', agent: agentId, secret: 's'.repeat(43) }
		expect(await post('agentEnrol', 'agent/enrol', agent.enrol(code))).toMatchObject({
			statusCode: '200',
			headers: { 'content-type': 'application/json' },
			body: { relay: { namespace: 'contoso.servicebus.windows.net', hybridConnection: 'relayed' } },
		})
		const stranger = newAgent('relayed', Date.now)
		expect(await post('agentEnrol', 'agent/enrol', stranger.enrol(code))).toMatchObject({
			statusCode: '403',
			body: { error: 'code_used' },
		})
		const { statusCode, body, logs } = await post('agentToken', 'agent/token', agent.listen(agentId))
		const rules = { 'rollcall-agents': { key: 'a-key-of-azure-relay', rights: ['listen'] } } as const
		const place = { host: 'contoso.servicebus.windows.net', entity: 'relayed', now: Date.now() }
		expect([statusCode, verify({ token: body.token, right: 'listen', rules, ...place })]).toEqual([
			'200',
			{ expires: expect.any(Number) },
		])
		expect(logs.join()).toContain('/agent/token')
		expect(logs.join()).not.toContain('sig=')
	})

	it('sweeps every directory when its time comes', async () => {
		worker.stdin?.write(`${JSON.stringify({ functionName: 'sweep', invocationId: 'c0ffee' })}\n`)
		const { logs } = await nextLine()
		expect(logs.map(({ message }: { message: string }) => JSON.parse(message))).toEqual([
			{ event: 'sweep', tenant: 'demo', finished: 0, feedEntriesRemoved: 0, milliseconds: expect.any(Number) },
		])
	})

	it('logs one line a request, without the token or a value', async () => {
		const { logs } = await invoke('users', 'POST', '/scim/demo/Users', { userName: 'joy@example.com' })
		expect(logs).toHaveLength(1)
		expect(JSON.parse(logs[0] ?? '')).toEqual({
			requestId: 'c0ffee',
			method: 'POST',
			status: 409,
			milliseconds: expect.any(Number),
			tenant: 'demo',
			path: '/Users',
			// The first change of a tenant also begins the first epoch of its feed.
			storageRequests: 5,
			scimType: 'uniqueness',
		})
	})
})
