import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:https'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'
import { accessToken, type KeyVault, useKeyVault } from '../key-vault.ts'
import { type Certificate, selfSigned } from '../relay-stand-in/certificates.ts'

const require = createRequire(import.meta.url)
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A deployment on this machine under its names in Azure, for programs that are started with `env`. */
export type Azure = {
	readonly vault: KeyVault
	/**
	 * The number of further requests that the tables refuse because a role has not reached them, and whether the role is
	 * Storage Table Data Reader.
	 */
	readonly tables: { refusals: number; isReadOnly: boolean }
	readonly env: Readonly<Record<string, string>>
	/** The same environment without a signed-in user. */
	readonly signedOut: Readonly<Record<string, string>>
}

const account = 'rollcallaccount'
const key = Buffer.alloc(64, 7).toString('base64')

/** A table service over TLS that accepts only access tokens for storage. */
async function startTables(folder: string) {
	const role = { refusals: 0, isReadOnly: false }
	const certificate = selfSigned(['IP:127.0.0.1', 'DNS:*.table.core.windows.net'])
	writeFileSync(join(folder, 'tables.pem'), certificate.cert)
	writeFileSync(join(folder, 'tables.key'), certificate.key)
	// Azurite exports no server class, so this imports an inner module; hence the pinned version.
	const TableServer = require('azurite/dist/src/table/TableServer').default
	const TableConfiguration = require('azurite/dist/src/table/TableConfiguration').default
	process.env.AZURITE_ACCOUNTS = `${account}:${key}`
	const keepAliveSeconds = 120
	const azurite = new TableServer(
		new TableConfiguration(
			...['127.0.0.1', 0, keepAliveSeconds, 'unused.json', false, false, undefined, undefined],
			...[false, true, join(folder, 'tables.pem'), join(folder, 'tables.key'), '', 'basic', true, true],
		),
	)
	await azurite.start()
	// Otherwise Azurite reads its accounts again every minute, and may find the account of another test.
	await azurite.accountDataStore.close()
	const front = createFront(certificate, role, `${azurite.getHttpServerAddress()}/${account}`)
	await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
	const { port } = front.address() as AddressInfo // sound: it listens on a port
	return {
		role,
		cert: certificate.cert,
		port,
		async stop() {
			front.close()
			front.closeAllConnections()
			await azurite.close()
		},
	}
}

/** Azurite 3.37 does not find the table of a transaction if its URLs have the account in the host name. */
function createFront(certificate: Certificate, role: Azure['tables'], endpoint: string): Server {
	return createServer(certificate, async (incoming, outgoing) => {
		const isWrite = incoming.method !== 'GET'
		if (role.refusals > 0 || (role.isReadOnly && isWrite)) {
			if (role.refusals > 0) role.refusals--
			outgoing.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify(mismatch))
			return
		}
		const { method = '', url = '', headers } = incoming
		const body = (await text(incoming)).replaceAll(`https://${headers.host}`, endpoint)
		const options = { method, headers: { ...headers, 'content-length': Buffer.byteLength(body) }, ca: certificate.cert }
		request(`${endpoint}${url}`, options, (answer) => {
			outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
			answer.pipe(outgoing)
		}).end(body)
	})
}

const mismatch = {
	'odata.error': {
		code: 'AuthorizationPermissionMismatch',
		message: {
			lang: 'en-US',
			value: 'This request is not authorized to perform this operation using this permission.',
		},
	},
}

/** The user who is signed in to az. */
export const administrator = { oid: '77777777-7777-4777-8777-777777777777', upn: 'ada@contoso.example' }

/** An unsigned access token for storage. */
function storageToken(): string {
	const now = Math.floor(Date.now() / 1000)
	const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
	const times = { iat: now, nbf: now - 60, exp: now + 3600 }
	const claims = {
		aud: 'https://storage.azure.com',
		iss: 'https://sts.windows.net/a-directory/',
		...administrator,
		...times,
	}
	return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`
}

/** Starts one deployment for a test file. Call the result inside a test. The tables are kept between tests. */
export function useAzure(): () => Azure {
	const keyVault = useKeyVault()
	let folder = ''
	let tables: Awaited<ReturnType<typeof startTables>> | undefined
	beforeAll(async () => {
		folder = mkdtempSync(join(tmpdir(), 'rollcall-azure-'))
		mkdirSync(join(folder, 'bin'))
		writeFileSync(join(folder, 'bin/az'), `#!/bin/sh\nexec '${process.execPath}' '${here('az.mjs')}' "$@"\n`)
		chmodSync(join(folder, 'bin/az'), 0o755)
		tables = await startTables(folder)
	})
	afterAll(async () => {
		await tables?.stop()
		rmSync(folder, { recursive: true })
	})
	return () => {
		if (tables === undefined) throw new Error('the deployment runs only while tests run')
		const vault = keyVault()
		const { role } = tables
		role.refusals = 0
		role.isReadOnly = false
		const authorities = join(folder, 'authorities.pem')
		writeFileSync(authorities, `${tables.cert}\n${vault.certificate}`)
		const signedOut = {
			PATH: `${join(folder, 'bin')}${delimiter}${process.env.PATH}`,
			NODE_EXTRA_CA_CERTS: authorities,
			NODE_OPTIONS: `--require ${here('redirect.cjs')}`,
			REDIRECT: JSON.stringify({
				[`${account}.table.core.windows.net`]: tables.port,
				'rollcallvault.vault.azure.net': Number(new URL(vault.url).port),
			}),
			AZ_OUTPUTS: JSON.stringify({
				hostName: { type: 'String', value: 'rollcall-app.azurewebsites.net' },
				storageAccountName: { type: 'String', value: account },
				keyVaultName: { type: 'String', value: 'rollcallvault' },
			}),
		}
		const tokens = { 'https://storage.azure.com': storageToken(), 'https://vault.azure.net': accessToken }
		return { vault, tables: role, signedOut, env: { ...signedOut, AZ_TOKENS: JSON.stringify(tokens) } }
	}
}
