import { createHmac } from 'node:crypto'

export type Right = 'listen' | 'send'

type Rule = { readonly key: string; readonly rights: readonly Right[] }

/** Expiry of a valid token in milliseconds since 1970, or status and reason of the refusal. */
export type Verdict = { readonly expires: number } | { readonly status: 401 | 403; readonly reason: string }

export type Check = {
	readonly token: string | undefined
	readonly right: Right
	readonly entity: string
	readonly host: string
	readonly now: number
	readonly rules: Readonly<Record<string, Rule>>
}

/** The key of the lab's Entra tokens. */
const entraKey = 'lab-entra'
const audience = 'https://relay.azure.net/'

const refused = (status: 401 | 403, reason: string): Verdict => ({ status, reason })

export function verify(check: Check): Verdict {
	if (check.token === undefined || check.token === '') return refused(401, 'MissingToken: The token is missing.')
	try {
		return check.token.startsWith('SharedAccessSignature ') ? verifySas(check) : verifyJwt(check)
	} catch (error) {
		if (error instanceof URIError) return refused(401, 'MalformedToken: The escapes of the token are invalid.')
		throw error
	}
}

function verifySas({ token = '', right, entity, host, now, rules }: Check): Verdict {
	const fields = new Map(
		token
			.slice('SharedAccessSignature '.length)
			.split('&')
			.map((pair) => {
				const at = pair.indexOf('=')
				return [pair.slice(0, at), pair.slice(at + 1)] as const
			}),
	)
	const rule = rules[decodeURIComponent(fields.get('skn') ?? '')]
	if (rule === undefined) return refused(401, 'InvalidSignature: The token has an invalid signature.')
	// Encoders differ, so the signature covers the field as it was sent.
	const signature = sign(rule.key, `${fields.get('sr')}\n${fields.get('se')}`)
	if (decodeURIComponent(fields.get('sig') ?? '') !== signature)
		return refused(401, 'InvalidSignature: The token has an invalid signature.')
	if (!covers(decodeURIComponent(fields.get('sr') ?? ''), host, entity))
		return refused(401, 'InvalidAudience: The authorization header contains an invalid audience.')
	const expires = Number(fields.get('se')) * 1000
	if (!(expires > now)) return refused(401, 'ExpiredToken: The token is expired.')
	return rule.rights.includes(right)
		? { expires }
		: refused(403, `AuthorizationFailed: The token lacks the right ${right}.`)
}

/** The last signature, because a sender repeats its token. */
let last = { key: '', text: '', signature: '' }

function sign(key: string, text: string): string {
	if (last.key === key && last.text === text) return last.signature
	last = { key, text, signature: createHmac('sha256', key).update(text).digest('base64') }
	return last.signature
}

/** Microsoft's libraries sign URIs with or without port and trailing slash, in any case. */
function covers(uri: string, host: string, entity: string): boolean {
	const signed = uri
		.toLowerCase()
		.replace(/^[a-z]+:\/\//, '')
		.replace(/^([^/:]+):\d+/, '$1')
		.replace(/\/+$/, '')
	const wanted = `${host}/${entity}`.toLowerCase()
	return wanted === signed || wanted.startsWith(`${signed}/`)
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const signJwt = (unsigned: string) => createHmac('sha256', entraKey).update(unsigned).digest('base64url')

/** A token as Entra issues it to an identity with these rights. */
export function entraToken(claims: {
	readonly expires: number
	readonly rights: readonly Right[]
	readonly audience?: string
}): string {
	const payload = { aud: claims.audience ?? audience, exp: Math.floor(claims.expires / 1000), roles: claims.rights }
	const unsigned = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url(payload)}`
	return `${unsigned}.${signJwt(unsigned)}`
}

function verifyJwt({ token = '', right, now }: Check): Verdict {
	const [head, payload, signature] = token.split('.')
	if (payload === undefined || signature !== signJwt(`${head}.${payload}`))
		return refused(401, 'InvalidToken: The token is malformed or its signature is wrong.')
	const claims: { aud: string; exp: number; roles: readonly string[] } = JSON.parse(
		Buffer.from(payload, 'base64url').toString(),
	)
	if (claims.aud !== audience) return refused(401, 'InvalidAudience: The token has the wrong audience.')
	if (!(claims.exp * 1000 > now)) return refused(401, 'ExpiredToken: The token is expired.')
	if (!claims.roles.includes(right)) return refused(403, `AuthorizationFailed: The identity has no right to ${right}.`)
	return { expires: claims.exp * 1000 }
}
