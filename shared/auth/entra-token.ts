import type { CryptoKey, JWTPayload } from 'jose'
import { clouds, type Trust } from './client.ts'
import { jose } from './jose.ts'
import { loggableValue, type TokenRefusal } from './refusal.ts'

/** Finds the key with an id among those of the trusted Entra tenant; undefined if there is none. */
export type KeyFinder = (trust: Trust, keyId: string) => Promise<CryptoKey | undefined>

type EntraTokenOptions = {
	readonly trust: Trust
	readonly findKey: KeyFinder
	/** Milliseconds since 1970. */
	readonly now: number
}

const maxLength = 8192
/** Seconds by which the clocks may differ. */
const skew = 120
const maxLifetime = 24 * 3600

/**
 * Verifies a token of Entra against what is trusted; answers undefined if it is right, or else why it is refused.
 *
 * The keys of Entra sign the tokens of all Entra tenants. So the signature says nothing of the tenant: `iss` and `tid` do.
 * Inside an Entra tenant only `sub` tells the workloads apart.
 *
 * @throws ScimError 503 if the keys of Entra cannot be read
 */
export async function verifyEntraToken(token: string, options: EntraTokenOptions): Promise<TokenRefusal | undefined> {
	const key = await keyOf(token, options)
	if (isRefusal(key)) return key
	const payload = await payloadOf(token, key, options)
	if (isRefusal(payload)) return payload
	return refusalOfClaims(payload.claims, options)
}

/** Reads the header only as far as it names the key. `jku`, `x5u`, `jwk` and `x5c` are never looked at. */
async function keyOf(token: string, { trust, findKey }: EntraTokenOptions): Promise<CryptoKey | TokenRefusal> {
	if (token.length > maxLength) return { reason: 'tooLong', received: `${token.length}` }
	if (token.split('.').length !== 3) return { reason: 'notThreeParts', received: `${token.split('.').length}` }
	const header = await headerOf(token)
	if (header === undefined) return { reason: 'header' }
	const { alg, crit, typ, kid } = header
	if (alg !== 'RS256') return refused('algorithm', alg, 'RS256')
	if (crit !== undefined) return refused('critical', crit)
	if (typ !== undefined && typ !== 'JWT') return refused('type', typ, 'JWT')
	if (typeof kid !== 'string' || kid === '') return refused('keyId', kid)
	return (await findKey(trust, kid)) ?? refused('unknownKey', kid)
}

async function headerOf(token: string): Promise<Readonly<Record<string, unknown>> | undefined> {
	const { decodeProtectedHeader } = await jose()
	try {
		return decodeProtectedHeader(token)
	} catch {
		return undefined
	}
}

/** What `jose` checks: the signature, `iss`, `aud`, `sub`, `nbf` and `exp`. */
async function payloadOf(
	token: string,
	key: CryptoKey,
	{ trust, now }: EntraTokenOptions,
): Promise<{ readonly claims: JWTPayload } | TokenRefusal> {
	const { errors, jwtVerify } = await jose()
	const expected = {
		iss: issuersOf(trust),
		aud: [trust.audience, `api://${trust.audience}`],
		sub: trust.subject,
	}
	try {
		const { payload } = await jwtVerify(token, key, {
			algorithms: ['RS256'],
			issuer: expected.iss,
			audience: expected.aud,
			subject: expected.sub,
			clockTolerance: skew,
			currentDate: new Date(now),
			requiredClaims: ['exp', 'iat', 'tid'],
		})
		return { claims: payload }
	} catch (error) {
		if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) {
			const { claim, payload } = error
			return refused(reasons[claim] ?? claim, payload[claim], expected[claim as keyof typeof expected]) // sound: undefined for other claims
		}
		if (error instanceof errors.JWSSignatureVerificationFailed) return { reason: 'signature' }
		if (error instanceof errors.JOSEError || error instanceof TypeError) return { reason: 'malformed' }
		throw error
	}
}

const reasons: Readonly<Record<string, string>> = {
	iss: 'issuer',
	aud: 'audience',
	sub: 'subject',
	tid: 'tenant',
	exp: 'expiry',
	nbf: 'notBefore',
	iat: 'issuedAt',
}

const issuersOf = ({ cloud, tenant, acceptsV1 }: Trust): string[] => [
	`https://${cloud}/${tenant}/v2.0`,
	...(acceptsV1 === undefined ? [] : [`${clouds[cloud].issuerOfV1}/${tenant}/`]),
]

/** What `jose` does not check. */
function refusalOfClaims(claims: JWTPayload, { trust, now }: EntraTokenOptions): TokenRefusal | undefined {
	const { aud, tid, iss = '', ver, oid, azp, appid, idtyp, iat = 0, exp = 0, nbf = iat } = claims
	const version = iss.endsWith('/v2.0') ? '2.0' : '1.0'
	const application = azp ?? appid
	if (typeof aud !== 'string') return refused('severalAudiences', aud, trust.audience)
	if (tid !== trust.tenant) return refused('tenant', tid, trust.tenant)
	if (ver !== undefined && ver !== version) return refused('version', ver, version)
	if (oid !== undefined && oid !== trust.subject) return refused('objectId', oid, trust.subject)
	if (typeof application !== 'string' || (appid !== undefined && appid !== application)) {
		return refused('application', application, trust.application)
	}
	if (trust.application !== undefined && application !== trust.application) {
		return refused('application', application, trust.application)
	}
	if (iat > now / 1000 + skew) return refused('issuedAt', iat)
	if (exp - Math.min(iat, nbf) > maxLifetime) return refused('lifetime', exp - Math.min(iat, nbf), maxLifetime)
	// A token that an application got for a person has the rights of that person in `scp`.
	if ('scp' in claims) return refused('delegated', claims.scp)
	if (idtyp !== undefined && idtyp !== 'app') return refused('notAppOnly', idtyp, 'app')
	return undefined
}

const isRefusal = (value: object): value is TokenRefusal => 'reason' in value

const refused = (reason: string, received: unknown, expected?: unknown): TokenRefusal => ({
	reason,
	received: loggableValue(received),
	...(expected !== undefined && { expected: loggableValue(expected) }),
})

/** The workload that a token names, before anything of it is proved. */
export async function claimedWorkload(
	token: string,
): Promise<{ readonly tenant: unknown; readonly subject: unknown } | undefined> {
	const { decodeJwt } = await jose()
	try {
		const { tid: tenant, sub: subject } = decodeJwt(token)
		return { tenant, subject }
	} catch {
		return undefined
	}
}
