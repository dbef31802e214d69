import { execFileSync } from 'node:child_process'
import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import { createServer as createPlain, type Server } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { tokenSource } from '../../agent/credentials.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { certificate, type Lab, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab
const running: Server[] = []

beforeEach(async () => {
	lab = await startLab()
})
afterEach(async () => {
	Reflect.deleteProperty(process.env, 'IDENTITY_ENDPOINT')
	Reflect.deleteProperty(process.env, 'IDENTITY_KEY_FOLDER')
	for (const server of running.splice(0)) server.close()
	await lab.stop()
})

async function listen(server: Server): Promise<number> {
	running.push(server)
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	return (server.address() as AddressInfo).port // sound: it listens on TCP
}

describe('Azure Arc', () => {
	/** A stand-in for Azure Arc that names this file in its challenge. */
	async function arc(file: string) {
		const received: (string | undefined)[] = []
		const port = await listen(
			createPlain(({ url, headers }, response) => {
				received.push(url, headers.metadata?.toString(), headers.authorization)
				if (headers.authorization === 'Basic key-of-the-machine') {
					const body = { access_token: 'token', expires_on: '1900000000', resource: 'https://relay.azure.net/' }
					response.end(JSON.stringify(body))
				} else response.writeHead(401, { 'www-authenticate': `Basic realm=${file}` }).end()
			}),
		)
		process.env.IDENTITY_ENDPOINT = `http://127.0.0.1:${port}/metadata/identity/oauth2/token`
		return received
	}
	const source = () => tokenSource(lab.config({ credentials: { type: 'arc' } }), systemClock)

	test('gives a token to a process that can read its key', async () => {
		const file = lab.write('machine.key', 'key-of-the-machine')
		process.env.IDENTITY_KEY_FOLDER = dirname(file)
		const received = await arc(file)
		expect(await source()()).toEqual({ token: 'token', expiresOnTimestamp: 1_900_000_000_000 })
		const url = '/metadata/identity/oauth2/token?api-version=2019-11-01&resource=https%3A%2F%2Frelay.azure.net%2F'
		expect(received).toEqual([url, 'true', undefined, url, 'true', 'Basic key-of-the-machine'])
	})

	test.each([
		['outside of its folder', () => '/etc/passwd.key'],
		['that leaves its folder', (folder: string) => `${folder}/../x.key`],
		['of another kind', (folder: string) => `${folder}/listen.pem`],
		['beside its folder', (folder: string) => `${folder}-x/a.key`],
		['that is too large for a key', () => lab.write('long.key', 'x'.repeat(4097))],
	])('cannot make the agent read a file %s', async (_, name) => {
		const folder = dirname(lab.write('machine.key', 'key-of-the-machine'))
		process.env.IDENTITY_KEY_FOLDER = folder
		const received = await arc(name(folder))
		await expect(source()()).rejects.toThrow(/key file/)
		expect(received.length).toBe(3)
	})
})

describe('a service principal', () => {
	const credentials = (port: number) => ({
		type: 'certificate',
		tenantId: 'contoso',
		clientId: 'client',
		certificateFile: 'principal.pem',
		keyFile: 'principal.key',
		authority: `https://localhost:${port}`,
	})

	function principal(): X509Certificate {
		const folder = dirname(lab.write('principal.key', ''))
		const files = ['-keyout', join(folder, 'principal.key'), '-out', join(folder, 'principal.pem')]
		execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=agent', ...files], {
			stdio: 'pipe',
		})
		return new X509Certificate(execFileSync('cat', [join(folder, 'principal.pem')]))
	}

	test('authenticates with its certificate', async () => {
		const principalCertificate = principal()
		let form = new URLSearchParams()
		const port = await listen(
			createServer(certificate, async (request, response) => {
				let text = ''
				for await (const chunk of request) text += chunk
				form = new URLSearchParams(text)
				response.end(JSON.stringify({ access_token: 'token', expires_in: 3600 }))
			}),
		)
		const { token, expiresOnTimestamp } = await tokenSource(
			lab.config({ credentials: credentials(port) }),
			systemClock,
		)()
		expect(token).toBe('token')
		expect(Math.abs(expiresOnTimestamp - Date.now() - 3_600_000)).toBeLessThan(10_000)
		const { client_assertion: assertion = '', ...others } = Object.fromEntries(form)
		expect(others).toEqual({
			grant_type: 'client_credentials',
			client_id: 'client',
			scope: 'https://relay.azure.net//.default',
			client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
		})
		const [head = '', claims = '', signature = ''] = assertion.split('.')
		const key = {
			key: createPublicKey(principalCertificate.publicKey.export({ type: 'spki', format: 'pem' })),
			padding: 6,
			saltLength: 32,
		}
		expect(verify('sha256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url'))).toBe(true)
		const url = `https://localhost:${port}/contoso/oauth2/v2.0/token`
		expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
			aud: url,
			iss: 'client',
			sub: 'client',
		})
	})

	test('that is refused reports the error of Entra', async () => {
		principal()
		const port = await listen(
			createServer(certificate, (_, response) => response.writeHead(400).end('{"error":"invalid_client"}')),
		)
		const source = tokenSource(lab.config({ credentials: credentials(port) }), systemClock)
		await expect(source()).rejects.toThrow(`localhost:${port} answered 400: {"error":"invalid_client"}`)
	})
})
