import type { TokenRefusal } from '../../shared/auth/refusal.ts'
import { readBytes } from '../../shared/http/body.ts'
import type { ScimRequest } from '../../shared/http/request.ts'
import { ScimError } from '../../shared/scim/error.ts'
import { invalidRequest, OAuthError } from './oauth-error.ts'

/** How the caller proves that it is the client. */
export type ClientProof = { readonly secret: string } | { readonly assertion: string } | TokenRefusal

/** A request for an access token (RFC 6749 section 4.4.2, RFC 7523 section 2.2). */
export type TokenRequest = {
	readonly client: string
	readonly proof: ClientProof
	/** As it was sent; empty if it was left out. */
	readonly scope: string
	/** Whether the client came in an Authorization header, which the answer to a wrong one then challenges. */
	readonly isBasic: boolean
}

const maxBody = 16 * 1024
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Reads a token request. The client and its secret are in the Authorization header, in the body, or equal in both, as Entra
 * sends them. Parameters that are not known are ignored.
 *
 * @throws OAuthError 400
 */
export async function readTokenRequest(request: ScimRequest): Promise<TokenRequest> {
	const form = await readForm(request)
	const basic = basicOf(request.headers.get('authorization'))
	const grantType = form.get('grant_type') ?? ''
	if (grantType === '') throw invalidRequest('grant_type is missing')
	if (grantType !== 'client_credentials') {
		throw new OAuthError(400, 'unsupported_grant_type', 'grant_type must be client_credentials')
	}
	const client = oneOf('client_id', basic?.client, form.get('client_id'))
	const secret = oneOf('client_secret', basic?.secret, form.get('client_secret'))
	return { client, proof: proofOf(form, secret), scope: form.get('scope') ?? '', isBasic: basic !== undefined }
}

/** RFC 6749 section 2.3 allows one place for the credentials. Entra's choice "Both" sends them in two. */
function oneOf(name: string, inHeader: string | undefined, inBody: string | undefined): string {
	if (inHeader !== undefined && inBody !== undefined && inHeader !== inBody) {
		throw invalidRequest(`${name} differs between the Authorization header and the body`)
	}
	return inHeader ?? inBody ?? ''
}

function proofOf(form: Form, secret: string): ClientProof {
	const assertion = form.get('client_assertion')
	const type = form.get('client_assertion_type')
	if (assertion === undefined && type === undefined) return secret === '' ? { reason: 'noProof' } : { secret }
	if (secret !== '') throw invalidRequest('client_secret and client_assertion exclude each other')
	if (type !== assertionType) return { reason: 'assertionType' }
	return assertion === undefined ? { reason: 'noProof' } : { assertion }
}

/** The parameters. One without a value counts as left out (RFC 6749 section 3.2). */
type Form = ReadonlyMap<string, string>

async function readForm(request: ScimRequest): Promise<Form> {
	const [type = ''] = (request.headers.get('content-type') ?? formType).split(';')
	if (type.trim().toLowerCase() !== formType) throw invalidRequest(`the Content-Type must be ${formType}`)
	const text = new TextDecoder().decode(await bytesOf(request))
	const form = new Map<string, string>()
	for (const [name, value] of new URLSearchParams(text)) {
		if (form.has(name) && known.has(name)) throw invalidRequest(`${name} is there twice`)
		form.set(name, value)
	}
	for (const [name, value] of form) if (value === '') form.delete(name)
	return form
}

const formType = 'application/x-www-form-urlencoded'
const known: ReadonlySet<string> = new Set([
	...['grant_type', 'client_id', 'client_secret', 'scope'],
	...['client_assertion', 'client_assertion_type'],
])

async function bytesOf(request: ScimRequest): Promise<ArrayBuffer> {
	const tooLarge = () => invalidRequest(`the body is larger than ${maxBody} bytes`)
	if (Number(request.headers.get('content-length') ?? 0) > maxBody) throw tooLarge()
	try {
		const bytes = await readBytes(request)
		if (bytes.byteLength <= maxBody) return bytes
	} catch (error) {
		if (error instanceof ScimError) throw invalidRequest(error.message, error)
		throw error
	}
	throw tooLarge()
}

type BasicCredentials = { readonly client: string; readonly secret: string }

/**
 * RFC 6749 section 2.3.1: both parts are form-encoded. Ids and secrets of ours have no character that the encoding changes,
 * so that clients which leave the encoding out are understood too.
 */
function basicOf(header: string | null): BasicCredentials | undefined {
	const encoded = /^basic +([A-Za-z0-9+/]+=*) *$/i.exec(header ?? '')?.[1]
	if (encoded === undefined) return /^basic\b/i.test(header ?? '') ? { client: '', secret: '' } : undefined
	const text = Buffer.from(encoded, 'base64').toString('utf8')
	const [client = '', ...rest] = text.split(':')
	return { client: formDecoded(client), secret: formDecoded(rest.join(':')) }
}

const formDecoded = (text: string): string => {
	try {
		return decodeURIComponent(text.replaceAll('+', ' '))
	} catch {
		return text
	}
}
