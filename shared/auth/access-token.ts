import { createHmac, randomUUID } from 'node:crypto'
import type { CryptoKey } from 'jose'
import * as z from 'zod'
import { type Scope, scopes } from './credential.ts'
import { jose } from './jose.ts'
import { isInDate, type TokenDates } from './tokens.ts'

/** A key that signs the access tokens of one tenant. `id` is the version of its secret in the vault. */
export type SigningKey = TokenDates & { readonly id: string; readonly key: CryptoKey }

/** What an access token says. */
export type Grant = {
	/** The id of the client. */
	readonly client: string
	readonly scope: Scope
	/** The id of the secret by which the client got the token; none if the client has no secret. */
	readonly secret?: string
}

/** A tenant as far as its access tokens are bound to it. */
export type TokenTenant = { readonly name: string; readonly cursorKey: string }

/**
 * The key that is made of the secret in the vault and of the key in the tenant's row. A reader of the vault alone, or of the
 * tables alone, can therefore not sign a token.
 */
export async function signingKeyOf(
	tenant: TokenTenant,
	{ id, value, ...dates }: TokenDates & { readonly id: string; readonly value: string },
): Promise<SigningKey> {
	const bytes = createHmac('sha256', value).update(`access token\n${tenant.cursorKey}`).digest()
	const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
	return { ...dates, id, key }
}

const algorithm = 'HS256'
/** RFC 9068 section 2.1. */
const type = 'at+jwt'
const issuer = 'rollcall'

type MintOptions = {
	readonly tenant: TokenTenant
	readonly keys: readonly SigningKey[]
	/** Milliseconds since 1970. */
	readonly now: number
	/** Seconds for which the token is valid. */
	readonly lifetime: number
}

/** Signs an access token with the newest key that is valid; undefined if there is none. */
export async function mintAccessToken(
	{ client, scope, secret }: Grant,
	{ tenant, keys, now, lifetime }: MintOptions,
): Promise<string | undefined> {
	const [newest] = keys.filter((key) => isInDate(key, now)).toSorted((a, b) => b.created - a.created)
	if (newest === undefined) return undefined
	const { SignJWT } = await jose()
	const issued = Math.floor(now / 1000)
	return new SignJWT({ client_id: client, scope, ...(secret !== undefined && { secret_id: secret }) })
		.setProtectedHeader({ alg: algorithm, typ: type, kid: newest.id })
		.setIssuer(issuer)
		.setSubject(client)
		.setAudience(tenant.name)
		.setIssuedAt(issued)
		.setExpirationTime(issued + lifetime)
		.setJti(randomUUID())
		.sign(newest.key)
}

const claims = z.object({ client_id: z.string(), scope: z.enum(scopes), secret_id: z.string().optional() })

type VerifyOptions = Omit<MintOptions, 'lifetime'>

/** What a token was proved to say, by which key, and until when: milliseconds since 1970. */
export type ProvedGrant = Grant & { readonly key: string; readonly expires: number }

/** What an access token says, if a key of the tenant has signed it and it has not expired; otherwise undefined. */
export async function readAccessToken(
	token: string,
	{ tenant, keys, now }: VerifyOptions,
): Promise<ProvedGrant | 'unknownKey' | undefined> {
	const { decodeProtectedHeader, errors, jwtVerify } = await jose()
	try {
		const { kid } = decodeProtectedHeader(token)
		// A key that begins to sign in a moment may have begun on an instance whose clock is ahead.
		const known = keys.find(({ id, expires = Number.POSITIVE_INFINITY }) => id === kid && now < expires)
		if (known === undefined) return 'unknownKey'
		const { payload } = await jwtVerify(token, known.key, {
			algorithms: [algorithm],
			typ: type,
			issuer,
			audience: tenant.name,
			currentDate: new Date(now),
			requiredClaims: ['exp'],
		})
		const grant = grantOf(payload)
		return grant && { ...grant, key: known.id, expires: (payload.exp ?? 0) * 1000 }
	} catch (error) {
		if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
		throw error
	}
}

function grantOf(payload: unknown): Grant | undefined {
	const { data } = claims.safeParse(payload)
	if (data === undefined) return undefined
	const { client_id: client, scope, secret_id: secret } = data
	return { client, scope, ...(secret !== undefined && { secret }) }
}

/** The client that a token names, and whether it is an access token of ours, before anything of it is proved. */
export async function claimedBy(token: string): Promise<{ readonly isOurs: boolean; readonly client?: string }> {
	const { decodeJwt, decodeProtectedHeader } = await jose()
	try {
		const isOurs = decodeProtectedHeader(token).typ === type
		const { client_id: client } = decodeJwt(token)
		return { isOurs, ...(typeof client === 'string' && { client }) }
	} catch {
		return { isOurs: false }
	}
}
