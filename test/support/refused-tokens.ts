import { type Entra, hmacToken, otherTenant, type TokenChanges, trust } from './entra.ts'

/** A token that must be refused, and the reason that the log has. */
export type RefusedToken = readonly [
	name: string,
	reason: string,
	make: (entra: Entra, now: number) => Promise<string> | string,
]

const other = '55555555-5555-4555-8555-555555555555'
const issuer = `https://login.microsoftonline.com/${trust.tenant}/v2.0`

const changed = (changes: (seconds: number) => TokenChanges) => (entra: Entra, now: number) =>
	entra.token(changes(Math.floor(now / 1000)))
const header = (values: Readonly<Record<string, unknown>>) => changed(() => ({ header: values }))
const claims = (values: Readonly<Record<string, unknown>>) => changed(() => ({ claims: values }))
const times = (of: (seconds: number) => Readonly<Record<string, unknown>>) =>
	changed((seconds) => ({ claims: of(seconds) }))

const partsOf = async (entra: Entra) => (await entra.token()).split('.') as [string, string, string]
const decoded = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Every line of what is verified, and its neighbours. */
export const refusedTokens: readonly RefusedToken[] = [
	// The form.
	['is longer than 8 KiB', 'tooLong', claims({ more: 'x'.repeat(7000) })],
	['has two parts', 'notThreeParts', async (entra) => (await partsOf(entra)).slice(0, 2).join('.')],
	['has five parts, as an encrypted one', 'notThreeParts', async (entra) => `${await entra.token()}.x.y`],
	['has no header', 'header', async (entra) => ['', ...(await partsOf(entra)).slice(1)].join('.')],
	['has a header that is not JSON', 'header', async (entra) => ['e30x', ...(await partsOf(entra)).slice(1)].join('.')],
	[
		'has a header that is a list',
		'header',
		async (entra) => [encoded([]), ...(await partsOf(entra)).slice(1)].join('.'),
	],
	['has claims that are not JSON', 'malformed', (entra) => entra.sign({ alg: 'RS256', kid: entra.keyId() }, 'e30x')],
	['has claims that are a list', 'malformed', (entra) => entra.sign({ alg: 'RS256', kid: entra.keyId() }, [])],
	['has claims that are null', 'malformed', (entra) => entra.sign({ alg: 'RS256', kid: entra.keyId() }, null)],
	// The algorithm.
	[
		'has the algorithm none and no signature',
		'algorithm',
		async (entra) => `${encoded({ alg: 'none' })}.${(await partsOf(entra))[1]}.`,
	],
	['has the algorithm None', 'algorithm', header({ alg: 'None' })],
	['has no algorithm', 'algorithm', header({ alg: undefined })],
	['has the algorithm RS512', 'algorithm', header({ alg: 'RS512' })],
	['has the algorithm PS256', 'algorithm', header({ alg: 'PS256' })],
	['has the algorithm ES256', 'algorithm', header({ alg: 'ES256' })],
	['has the algorithm rs256', 'algorithm', header({ alg: 'rs256' })],
	[
		'is signed with the public key as an HMAC',
		'algorithm',
		async (entra) => {
			const [head, body] = await partsOf(entra)
			return hmacToken({ ...decoded(head), alg: 'HS256' }, decoded(body), await entra.publicKey())
		},
	],
	[
		'is signed with the public key as an HMAC, and says RS256',
		'signature',
		async (entra) => {
			const [head, body] = await partsOf(entra)
			return hmacToken(decoded(head), decoded(body), await entra.publicKey())
		},
	],
	// The header.
	['has a critical extension', 'critical', header({ crit: ['b64'], b64: false })],
	['has an empty list of critical extensions', 'critical', header({ crit: [] })],
	['has an unknown critical extension', 'critical', header({ crit: ['exp'] })],
	['is an access token of ours by its type', 'type', header({ typ: 'at+jwt' })],
	['is a token of a logout by its type', 'type', header({ typ: 'logout+jwt' })],
	['has no key id', 'keyId', header({ kid: undefined })],
	['has an empty key id', 'keyId', header({ kid: '' })],
	['has a number as its key id', 'keyId', header({ kid: 7 })],
	['has an unknown key id', 'unknownKey', header({ kid: 'unknown' })],
	[
		'has an unknown key id and names where its keys are',
		'unknownKey',
		header({ kid: 'x', jku: 'https://evil.example' }),
	],
	['has an unknown key id and names its certificate', 'unknownKey', header({ kid: 'x', x5u: 'https://evil.example' })],
	// The signature.
	['has another key in its header', 'signature', async (entra) => signedByAnother(entra, true)],
	['is signed by another key', 'signature', async (entra) => signedByAnother(entra, false)],
	['has a signature that is cut', 'signature', async (entra) => (await entra.token()).slice(0, -8)],
	['has no signature', 'signature', async (entra) => `${(await partsOf(entra)).slice(0, 2).join('.')}.`],
	[
		'has claims that were changed after it was signed',
		'signature',
		async (entra) => {
			const [head, body, signature] = await partsOf(entra)
			return `${head}.${encoded({ ...decoded(body), uti: 'y' })}.${signature}`
		},
	],
	// The issuer.
	['has no issuer', 'issuer', claims({ iss: undefined })],
	['is of version 1.0', 'issuer', claims({ iss: `https://sts.windows.net/${trust.tenant}/`, ver: '1.0' })],
	[
		'is issued for another Entra tenant',
		'issuer',
		claims({ iss: issuer.replace(trust.tenant, otherTenant), tid: otherTenant }),
	],
	[
		'is issued by another Entra tenant and names ours',
		'issuer',
		claims({ iss: issuer.replace(trust.tenant, otherTenant) }),
	],
	['is issued by the tenant common', 'issuer', claims({ iss: issuer.replace(trust.tenant, 'common') })],
	['has an issuer without its version', 'issuer', claims({ iss: issuer.replace('/v2.0', '') })],
	['has an issuer with a slash at the end', 'issuer', claims({ iss: `${issuer}/` })],
	['has an issuer in capitals', 'issuer', claims({ iss: issuer.toUpperCase() })],
	['is issued by another cloud', 'issuer', claims({ iss: issuer.replace('.com', '.us') })],
	['is issued by a host that begins alike', 'issuer', claims({ iss: issuer.replace('.com/', '.com.evil.example/') })],
	['has a list of issuers', 'issuer', claims({ iss: [issuer] })],
	// The Entra tenant.
	['has no Entra tenant', 'tenant', claims({ tid: undefined })],
	['is of another Entra tenant with our issuer', 'tenant', claims({ tid: otherTenant })],
	['has a list of Entra tenants', 'tenant', claims({ tid: [trust.tenant] })],
	// The audience.
	['has no audience', 'audience', claims({ aud: undefined })],
	['is for another application', 'audience', claims({ aud: other })],
	['is for another application by its address', 'audience', claims({ aud: `api://${other}` })],
	['has a scope as its audience', 'audience', claims({ aud: `api://${trust.audience}/.default` })],
	['has an audience with a slash at the end', 'audience', claims({ aud: `api://${trust.audience}/` })],
	['is for Microsoft Graph', 'audience', claims({ aud: 'https://graph.microsoft.com' })],
	['is for two applications', 'severalAudiences', claims({ aud: [trust.audience, other] })],
	['is for a list of one application', 'severalAudiences', claims({ aud: [trust.audience] })],
	// The workload.
	['has no subject', 'subject', claims({ sub: undefined })],
	['is of another workload', 'subject', claims({ sub: other, oid: other })],
	['has a subject in capitals', 'subject', claims({ sub: trust.subject.toUpperCase().replace('2', 'A') })],
	['is of another object with our subject', 'objectId', claims({ oid: other })],
	['names no application that asked', 'application', claims({ azp: undefined })],
	['names two applications that asked', 'application', claims({ appid: other })],
	['names an application that is not a text', 'application', claims({ azp: 7 })],
	['has the version 1.0 and an issuer of version 2.0', 'version', claims({ ver: '1.0' })],
	// The time.
	['has no end', 'expiry', claims({ exp: undefined })],
	['has ended', 'expiry', times((now) => ({ iat: now - 4000, nbf: now - 4000, exp: now - 121 }))],
	['has an end that is a text', 'expiry', times((now) => ({ exp: String(now + 3600) }))],
	['is not yet valid', 'notBefore', times((now) => ({ nbf: now + 121 }))],
	['has a beginning that is a text', 'notBefore', times((now) => ({ nbf: String(now) }))],
	['does not say when it was issued', 'issuedAt', claims({ iat: undefined })],
	['is issued in the future', 'issuedAt', times((now) => ({ iat: now + 121 }))],
	['says in a text when it was issued', 'issuedAt', times((now) => ({ iat: String(now) }))],
	['lives for more than a day', 'lifetime', times((now) => ({ exp: now + 24 * 3600 + 1 }))],
	[
		'lives for more than a day since it became valid',
		'lifetime',
		times((now) => ({ nbf: now - 3600, exp: now + 23 * 3600 + 1 })),
	],
	// A person.
	['is for a person', 'delegated', claims({ scp: 'user_impersonation' })],
	['has an empty list of rights of a person', 'delegated', claims({ scp: '' })],
	['is a token of a user by its type', 'notAppOnly', claims({ idtyp: 'user' })],
	['is a token of a device by its type', 'notAppOnly', claims({ idtyp: 'device' })],
	['has a type of identity that is empty', 'notAppOnly', claims({ idtyp: '' })],
]

/** Signs the right claims with a key that is not Entra's, under the id of Entra's key. */
async function signedByAnother(entra: Entra, isNamed: boolean): Promise<string> {
	const pair = await crypto.subtle.generateKey(
		{ name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
		true,
		['sign', 'verify'],
	)
	const [head, body] = await partsOf(entra)
	const jwk = isNamed ? { jwk: await crypto.subtle.exportKey('jwk', pair.publicKey) } : {}
	const text = `${encoded({ ...decoded(head), ...jwk })}.${body}`
	const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', pair.privateKey, Buffer.from(text))
	return `${text}.${Buffer.from(signature).toString('base64url')}`
}
