import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll } from 'vitest'
import { accessToken } from './key-vault.ts'

/** The fate of a request: a broken connection, no answer at all, or a status with a message. */
export type Trouble = 'reset' | 'silent' | { readonly status: number; readonly message: string }

/**
 * An endpoint on loopback that behaves exactly like the one that gives an app in Azure its access tokens.
 * https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 */
export type ManagedIdentity = {
	/** The variables by which Azure tells the app about the endpoint. */
	readonly env: { readonly IDENTITY_ENDPOINT: string; readonly IDENTITY_HEADER: string }
	/** The access tokens by resource. */
	readonly tokens: Map<string, string>
	/** The client id and the resource of every request, in order. */
	readonly requests: string[]
	/** Seconds for which tokens are valid. */
	lifetime: number
	/** Decides the fate of every request, by the resource of the token. */
	troubleOf: (resource: string) => Trouble | undefined
	/** An unused client id. The client library keeps tokens for as long as the process runs. */
	newClientId(): string
}

const header = 'the-header-of-this-app'

async function startManagedIdentity() {
	const server = createServer((request, response) => answer(identity, request, response))
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on a port
	let clients = 0
	const identity: ManagedIdentity = {
		env: { IDENTITY_ENDPOINT: `http://127.0.0.1:${port}/msi/token`, IDENTITY_HEADER: header },
		tokens: new Map([['https://vault.azure.net', accessToken]]),
		requests: [],
		lifetime: 86_400,
		troubleOf: () => undefined,
		newClientId: () => `00000000-0000-0000-0000-${String(++clients).padStart(12, '0')}`,
	}
	const close = () => {
		server.close()
		server.closeAllConnections()
	}
	return { identity, close }
}

/** Starts one endpoint for a test file and sets its variables in this process. Call the result inside a test. */
export function useManagedIdentity(): () => ManagedIdentity {
	let running: Awaited<ReturnType<typeof startManagedIdentity>> | undefined
	beforeAll(async () => {
		running = await startManagedIdentity()
		Object.assign(process.env, running.identity.env)
	})
	afterAll(() => {
		running?.close()
		Reflect.deleteProperty(process.env, 'IDENTITY_ENDPOINT')
		Reflect.deleteProperty(process.env, 'IDENTITY_HEADER')
	})
	return () => {
		if (running === undefined) throw new Error('the endpoint runs only while tests run')
		const { identity } = running
		identity.requests.length = 0
		identity.lifetime = 86_400
		identity.troubleOf = () => undefined
		return identity
	}
}

function answer(identity: ManagedIdentity, { url = '', headers }: IncomingMessage, response: ServerResponse): void {
	const { pathname, searchParams } = new URL(url, 'http://localhost')
	const [resource = '', clientId = ''] = ['resource', 'client_id'].map((name) => searchParams.get(name) ?? '')
	identity.requests.push(`${clientId} ${resource}`)
	const trouble = identity.troubleOf(resource)
	if (trouble === 'silent') return
	if (trouble === 'reset') {
		response.destroy()
		return
	}
	const send = (status: number, body: unknown) =>
		response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
	if (trouble !== undefined) {
		send(trouble.status, { statusCode: trouble.status, message: trouble.message })
		return
	}
	const token = identity.tokens.get(resource)
	const isAsked = pathname === '/msi/token' && searchParams.get('api-version') === '2019-08-01'
	if (!isAsked || headers['x-identity-header'] !== header || token === undefined) {
		send(400, { statusCode: 400, message: 'the stand-in understands nothing else' })
		return
	}
	const expires = Math.floor(Date.now() / 1000) + identity.lifetime
	send(200, { access_token: token, expires_on: `${expires}`, resource, token_type: 'Bearer', client_id: clientId })
}
