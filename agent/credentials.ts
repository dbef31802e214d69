import { createHash, createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { isAbsolute, join, normalize } from 'node:path'
import * as z from 'zod'
import type { Clock } from '../shared/relay/clock.ts'
import { type RelayToken, sasToken } from '../shared/relay/sas.ts'
import type { TokenSource } from '../shared/relay/token-cache.ts'
import { type Config, readText } from './config.ts'
import { enrolledAgent, type ListenContext, TokenRefusedError } from './enrolled.ts'
import { proxyAgent } from './proxy.ts'
import { requestText, type TextResponse } from './request-text.ts'
import { readSecret } from './secret-file.ts'

type Credentials = Config['credentials']
type CredentialsOf<Type extends Credentials['type']> = Extract<Credentials, { type: Type }>

/** Returns a function that fetches a token with the right to listen. */
export function tokenSource(config: Config, clock: Clock, context: ListenContext = {}): TokenSource {
	const { credentials, relay } = config
	switch (credentials.type) {
		case 'enrolled':
			return enrolledAgent({ ...config, credentials }, clock, context)
		case 'sas':
			return () => Promise.resolve(listenKey(credentials, relay, clock))
		case 'arc':
			return () => arcIdentity(relay.audience, clock)
		case 'certificate':
			return () => clientCertificate(credentials, relay, clock)
	}
}

function listenKey({ keyName, keyFile }: CredentialsOf<'sas'>, relay: Config['relay'], clock: Clock): RelayToken {
	const [host] = relay.namespace.split(':')
	const uri = `http://${host}/${relay.hybridConnection}`
	return sasToken({ uri, keyName, key: readSecret(keyFile), expires: clock.now() + 3_600_000 })
}

const tokenResponse = z.object({
	access_token: z.string(),
	expires_in: z.coerce.number().optional(),
	expires_on: z.coerce.number().optional(),
})

function tokenOf({ status, text }: TextResponse, url: string, clock: Clock): RelayToken {
	if (status !== 200) {
		const message = `${new URL(url).host} answered ${status}: ${firstWords(text)}`
		throw status >= 400 && status < 500 && status !== 429 ? new TokenRefusedError(message) : new Error(message)
	}
	const { access_token, expires_in = 3600, expires_on } = tokenResponse.parse(JSON.parse(text))
	return { token: access_token, expiresOnTimestamp: expires_on ? expires_on * 1000 : clock.now() + expires_in * 1000 }
}

const firstWords = (body: string) => body.replaceAll(/\s+/g, ' ').slice(0, 300)

/**
 * A token of the machine's managed identity. The caller proves to Azure Arc that it can read a file of this machine:
 * https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication
 */
async function arcIdentity(audience: string, clock: Clock): Promise<RelayToken> {
	const endpoint = process.env.IDENTITY_ENDPOINT ?? 'http://127.0.0.1:40342/metadata/identity/oauth2/token'
	const url = `${endpoint}?api-version=2019-11-01&resource=${encodeURIComponent(audience)}`
	const requestToken = (headers: Readonly<Record<string, string>>) =>
		requestText(url, { headers: { Metadata: 'true', ...headers } })
	const first = await requestToken({})
	if (first.status !== 401) return tokenOf(first, url, clock)
	const file = /^Basic realm=(.+)$/.exec(first.challenge)?.[1]
	return tokenOf(await requestToken({ Authorization: `Basic ${challengeKey(file)}` }), url, clock)
}

/** Reads the key file that the challenge names. Throws if it is outside of Arc's folder or too large for a key. */
function challengeKey(file = ''): string {
	const folder = process.env.IDENTITY_KEY_FOLDER ?? arcKeyFolder()
	if (!isAbsolute(file) || normalize(join(folder, file.slice(folder.length))) !== file || !file.endsWith('.key'))
		throw new Error(`the key file from Azure Arc is outside of ${folder}: ${file.slice(0, 200)}`)
	if (statSync(file).size > 4096) throw new Error(`the key file from Azure Arc is too large: ${file}`)
	return readText(
		file,
		'Add the user of the agent to the group himds (Linux) or Hybrid Agent Extension Applications (Windows).',
	)
}

const arcKeyFolder = () =>
	process.platform === 'win32'
		? join(process.env.ProgramData ?? 'C:\\ProgramData', 'AzureConnectedMachineAgent', 'Tokens')
		: '/var/opt/azcmagent/tokens'

/** A token of a service principal that authenticates with a certificate (RFC 7523). */
async function clientCertificate(
	credentials: CredentialsOf<'certificate'>,
	relay: Config['relay'],
	clock: Clock,
): Promise<RelayToken> {
	const url = `${credentials.authority}/${credentials.tenantId}/oauth2/v2.0/token`
	const form = new URLSearchParams({
		grant_type: 'client_credentials',
		client_id: credentials.clientId,
		scope: `${relay.audience}/.default`,
		client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
		client_assertion: assertion(credentials, url, clock),
	})
	const reply = await requestText(url, {
		method: 'POST',
		headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
		body: form.toString(),
		agent: proxyAgent(relay, clock),
		ca: relay.caFile === undefined ? undefined : readText(relay.caFile, 'relay.caFile must be a PEM file.'),
	})
	return tokenOf(reply, url, clock)
}

function assertion(
	{ certificateFile, keyFile, clientId }: CredentialsOf<'certificate'>,
	audience: string,
	clock: Clock,
): string {
	const certificate = new X509Certificate(readText(certificateFile, 'credentials.certificateFile must be a PEM file.'))
	const thumbprint = createHash('sha256').update(certificate.raw).digest('base64url')
	const now = Math.floor(clock.now() / 1000)
	const claims = { aud: audience, iss: clientId, sub: clientId, jti: randomUUID(), nbf: now - 60, exp: now + 600 }
	const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
	const unsigned = `${encode({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint })}.${encode(claims)}`
	const key = { key: createPrivateKey(readSecret(keyFile)), padding: 6, saltLength: 32 } // 6: RSA_PKCS1_PSS_PADDING
	return `${unsigned}.${sign('sha256', Buffer.from(unsigned), key).toString('base64url')}`
}
