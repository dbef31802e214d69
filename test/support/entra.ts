import { createHmac, randomUUID } from 'node:crypto'
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair } from 'jose'
import type { Trust } from '../../shared/auth/client.ts'

/** A stand-in for the keys and tokens of Entra. All Entra tenants are signed for with the same keys, as in the real one. */
export type Entra = {
	readonly fetch: typeof fetch
	/** The addresses that were asked for. */
	readonly asked: string[]
	/** Signs a token with header and claims as they are given. */
	sign(header: object, claims: unknown, keyId?: string): Promise<string>
	/** The right token, with changes. A claim that is undefined is left out. */
	token(changes?: TokenChanges): Promise<string>
	/** Replaces the keys, as Entra does every few weeks. */
	rotate(): Promise<void>
	/** The public key in PEM, for attacks that use it as the key of an HMAC. */
	publicKey(): Promise<string>
	/** Replaces the answer at the address of the keys. */
	answer: (() => Promise<Response>) | undefined
	readonly keyId: () => string
}

export type TokenChanges = {
	readonly header?: Readonly<Record<string, unknown>>
	readonly claims?: Readonly<Record<string, unknown>>
}

export const trust: Trust = {
	cloud: 'login.microsoftonline.com',
	tenant: '11111111-1111-4111-8111-111111111111',
	subject: '22222222-2222-4222-8222-222222222222',
	audience: '33333333-3333-4333-8333-333333333333',
}

export const otherTenant = '99999999-9999-4999-8999-999999999999'
const application = '44444444-4444-4444-8444-444444444444'

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** @param now milliseconds since 1970 */
export async function openEntra(now: () => number, bits = 2048): Promise<Entra> {
	type Pair = { readonly keyId: string; readonly publicKey: CryptoKey; readonly privateKey: CryptoKey }
	const pair = async (): Promise<Pair> => ({
		keyId: randomUUID(),
		...(await generateKeyPair('RS256', { modulusLength: bits, extractable: true })),
	})
	let current = await pair()
	const asked: string[] = []

	const keySet = async () => ({
		keys: [
			{
				...(await exportJWK(current.publicKey)),
				kid: current.keyId,
				use: 'sig',
				x5t: current.keyId,
				x5c: ['MIIC'],
				issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0',
			},
		],
	})

	const entra: Entra = {
		asked,
		answer: undefined,
		keyId: () => current.keyId,
		async fetch(address) {
			asked.push(String(address))
			return entra.answer?.() ?? Response.json(await keySet())
		},
		async sign(header, claims) {
			const text = `${encoded(header)}.${typeof claims === 'string' ? claims : encoded(claims)}`
			const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', current.privateKey, Buffer.from(text))
			return `${text}.${Buffer.from(signature).toString('base64url')}`
		},
		token({ header = {}, claims = {} } = {}) {
			const seconds = Math.floor(now() / 1000)
			const rightHeader = { typ: 'JWT', alg: 'RS256', kid: current.keyId, x5t: current.keyId }
			const right = {
				aud: trust.audience,
				iss: `https://login.microsoftonline.com/${trust.tenant}/v2.0`,
				iat: seconds,
				nbf: seconds,
				exp: seconds + 3900,
				aio: 'k2RgYNi',
				azp: application,
				azpacr: '2',
				oid: trust.subject,
				rh: '1.AX',
				sub: trust.subject,
				tid: trust.tenant,
				uti: 'x',
				ver: '2.0',
			}
			return entra.sign({ ...rightHeader, ...header }, { ...right, ...claims })
		},
		async rotate() {
			current = await pair()
		},
		publicKey: () => exportSPKI(current.publicKey),
	}
	return entra
}

/** A token whose signature is an HMAC. */
export function hmacToken(header: object, claims: object, key: string): string {
	const text = `${encoded(header)}.${encoded(claims)}`
	return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
}
