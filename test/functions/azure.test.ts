import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { storedDigestOf } from '../../shared/auth/tokens.ts'
import { useAzure } from '../support/azure/azure.ts'
import { copyBuilt } from '../support/built.ts'
import type { SecretVersion } from '../support/key-vault.ts'
import { useManagedIdentity } from '../support/managed-identity.ts'

const azure = useAzure()
const managedIdentity = useManagedIdentity()

let folder = ''
beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-app-'))
	await copyBuilt(folder)
})
afterAll(() => rm(folder, { recursive: true }))

const workers: ChildProcess[] = []
afterEach(() => {
	for (const worker of workers.splice(0)) worker.kill()
})

type Answer = {
	readonly statusCode: string
	readonly headers: Readonly<Record<string, string>>
	// biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
	readonly body: any
	readonly logs: readonly { readonly level: string; readonly category: string; readonly message: string }[]
}

/** A deployment: an administrator who is signed in to az and adds a tenant, and an app with an identity. */
async function deploy(tenant: string) {
	const [{ vault, env }, identity] = [azure(), managedIdentity()]
	const { 'https://storage.azure.com': storageToken = '' } = JSON.parse(env.AZ_TOKENS ?? '{}')
	identity.tokens.set('https://storage.azure.com', storageToken)
	const { AZ_TOKENS, AZ_OUTPUTS, PATH, ...network } = env
	const clientId = identity.newClientId()

	const rollcall = async (line: string) => {
		const args = [join(folder, 'cli/main.js'), ...line.split(' '), '--resource-group', 'rollcall', '--json']
		const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
		return JSON.parse(await text(child.stdout))
	}

	/** Starts an instance of the app. The result sends requests to it. */
	const start = async () => {
		const worker = spawn(process.execPath, ['test/support/functions-worker.cjs', join(folder, 'app')], {
			env: {
				...network,
				...identity.env,
				AZURE_CLIENT_ID: clientId,
				ROLLCALL_KEY_VAULT_URL: 'https://rollcallvault.vault.azure.net',
				WEBSITE_HOSTNAME: 'rollcall-app.azurewebsites.net',
				ROLLCALL_TABLES_ENDPOINT: 'https://rollcallaccount.table.core.windows.net',
			},
			stdio: ['pipe', 'pipe', 'inherit'],
		})
		workers.push(worker)
		const lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]()
		const nextLine = async () => JSON.parse((await lines.next()).value ?? 'null')
		await nextLine()
		return async (token: string, path = 'Users'): Promise<Answer> => {
			const url = `https://rollcall-app.azurewebsites.net/scim/${tenant}/${path}`
			const http = { method: 'GET', url, headers: { authorization: `Bearer ${token}` } }
			worker.stdin.write(`${JSON.stringify({ functionName: 'users', invocationId: 'c0ffee', http })}\n`)
			const answer = await nextLine()
			return { ...answer, body: JSON.parse(answer.body) }
		}
	}
	const { token }: { token: string } = await rollcall(`tenant add ${tenant}`)
	return { vault, identity, clientId, rollcall, start, token }
}

describe('the built app with a managed identity', () => {
	test('serves a tenant that the administrator has added, to a client with its token', async () => {
		const { identity, clientId, start, token } = await deploy('acme')
		const ask = await start()
		expect(await ask(token)).toMatchObject({ statusCode: '200', body: { totalResults: 0 } })
		expect(await ask(`${token}x`)).toMatchObject({ statusCode: '401' })
		const milliseconds = expect.any(Number)
		expect((await ask(token, 'health')).body).toEqual({
			status: 'ok',
			checks: [
				{ name: 'tables', status: 'ok', milliseconds },
				{ name: 'tokens', status: 'ok', milliseconds },
			],
		})
		expect([...identity.requests].sort()).toEqual([
			`${clientId} https://storage.azure.com`,
			`${clientId} https://vault.azure.net`,
		])
	})

	test('accepts the old and the new token during a rotation, and only the new token after it', async () => {
		const { vault, rollcall, start, token: old } = await deploy('globex')
		const { token, ending } = await rollcall('token rotate globex --overlap 24h')
		expect(ending).toHaveLength(1)
		const during = await start()
		expect([(await during(old)).statusCode, (await during(token)).statusCode]).toEqual(['200', '200'])

		const versions = vault.secrets.get('scim-token-globex') ?? new Map<string, SecretVersion>()
		const [version = '', stored = { value: '', created: 0 }] = [...versions][0] ?? []
		expect(stored).toMatchObject({ value: storedDigestOf(old), expires: Date.parse(ending[0].expires) / 1000 })
		versions.set(version, { ...stored, expires: stored.created })
		const later = await start()
		expect([(await later(old)).statusCode, (await later(token)).statusCode]).toEqual(['401', '200'])
	})

	test('answers 503 and logs the reason while it has no identity', async () => {
		const { identity, start, token } = await deploy('initech')
		identity.troubleOf = () => ({ status: 400, message: 'No User Assigned Identity found' })
		const ask = await start()
		const { statusCode, headers, body, logs } = await ask(token)
		expect({ statusCode, retryAfter: headers['retry-after'], body }).toEqual({
			statusCode: '503',
			// What is left of two seconds.
			retryAfter: expect.stringMatching(/^[12]$/),
			body: {
				schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
				status: '503',
				detail: expect.stringMatching(/ at the moment$/),
			},
		})
		expect(logs).toEqual([
			{
				level: 'information',
				category: 'user',
				message: expect.stringMatching(/^\{"requestId":"c0ffee",.*"status":503/),
			},
			{
				level: 'error',
				category: 'user',
				message: expect.stringMatching(/ManagedIdentityCredential: .*No User Assigned/),
			},
		])
		identity.troubleOf = () => undefined
		await vi.waitFor(async () => expect((await ask(token)).statusCode).toBe('200'), { timeout: 100_000, interval: 500 })
	})

	test('answers 503 while the endpoint of the identity does not answer', async () => {
		const { identity, start, token } = await deploy('umbrella')
		identity.troubleOf = (resource) => (resource === 'https://storage.azure.com' ? 'silent' : undefined)
		const ask = await start()
		expect(await ask(token)).toMatchObject({ statusCode: '503', headers: { 'retry-after': '5' } })
	})
})
