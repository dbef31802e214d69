import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, unzip } from 'node:zlib'
import { jsonIn } from '../shared/json-in.ts'
import { readBody } from '../shared/relay/body.ts'
import { type AgentErrorCode, answerHeaders, bodyLimit, isValidHeaderValue } from '../shared/relay/contract.ts'
import { ScimError } from '../shared/scim/error.ts'
import { briefly } from './log.ts'
import { titleIn, wantsCertificate } from './page-title.ts'

export type OriginAnswer =
	| { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer }
	| OriginFailure

export type OriginFailure = { readonly fault: AgentErrorCode; readonly detail: string; readonly originStatus?: number }

type ReceivedAnswer = {
	readonly status: number
	readonly headers: Readonly<Record<string, string>>
	/** The media type in lower case without parameters, or `''`. */
	readonly type: string
	readonly body: Buffer
}

const scimType = 'application/scim+json'

/**
 * Reads an answer of the SCIM server. Ordinary deviations are mended: a compressed body, a byte order mark, JSON with
 * another type, a 4xx whose body is not SCIM. An answer that stays unusable is a failure. Rejects if the connection breaks.
 */
export async function readOriginAnswer(response: IncomingMessage): Promise<OriginAnswer> {
	const received = await readBody(response, bodyLimit)
	if (received === undefined) return badResponse(response, tooLong)
	const { statusCode: status = 0 } = response
	if (status === 502 || status === 504)
		return { ...badResponse(response, 'a gateway in front of the SCIM server failed'), fault: 'origin_unavailable' }
	if (status < 200 || status > 599) return badResponse(response, `the status is ${status}`)
	const headers = answerHeadersOf(response.headers)
	// RFC 9110 sections 15.3.5 and 15.4.5: the body is empty. A server that sends a body has still carried out the request.
	if (status === 204 || status === 304) return { status, headers: withoutType(headers), body: Buffer.alloc(0) }
	const body = await unpacked(received, response.headers['content-encoding']).catch(briefly)
	if (typeof body === 'string') return badResponse(response, body)
	const answer = { status, headers, type: mediaType(headers), body }
	// A refusal of credentials passes in any format, so that the administrator sees it.
	if (body.length === 0 || status === 401 || status === 403 || status === 429) return { status, headers, body }
	return usable(answer) ?? scimErrorOf(answer) ?? badResponse(response, `${status} with a body that is not JSON`)
}

const tooLong = `the body is longer than ${bodyLimit} bytes`

export const badResponse = ({ statusCode = 0 }: IncomingMessage, detail: string): OriginFailure => ({
	fault: 'origin_bad_response',
	detail,
	originStatus: statusCode,
})

const unpackGzip = promisify(unzip)
const unpackBrotli = promisify(brotliDecompress)

/** The body without the compression that some servers use although the agent refuses it. */
async function unpacked(body: Buffer, encoding = 'identity'): Promise<Buffer> {
	const limit = { maxOutputLength: bodyLimit }
	switch (encoding.trim().toLowerCase()) {
		case 'identity':
			return body
		case 'gzip':
		case 'x-gzip':
		case 'deflate':
			return unpackGzip(body, limit)
		case 'br':
			return unpackBrotli(body, limit)
		default:
			throw new Error(`the encoding of the body is ${encoding.slice(0, 40)}`)
	}
}

/** The answer with JSON that a SCIM client understands, or undefined. */
function usable({ status, headers, type, body }: ReceivedAnswer): OriginAnswer | undefined {
	const encoding = byteOrderMark(body)
	const text = encoding === undefined ? body.toString() : new TextDecoder(encoding).decode(body)
	const value = jsonIn(text)
	if (value === undefined) return undefined
	const plainBody = encoding === undefined ? body : Buffer.from(text)
	const isJsonType = type === scimType || type === 'application/json'
	if (isJsonType && encoding !== 'utf-16le' && encoding !== 'utf-16be') return { status, headers, body: plainBody }
	const isOtherJson = type.endsWith('+json')
	if (isOtherJson && status < 400) return { status, headers, body: plainBody }
	// If the Content-Type is not JSON, the answer is not SCIM, even if its text, such as `404`, is valid JSON.
	if (typeof value !== 'object' || value === null || type === 'text/html') return undefined
	if (isOtherJson) return scimError(status, headers, problemIn(value) ?? text)
	return { status, headers: { ...headers, 'content-type': scimType }, body: plainBody }
}

const byteOrderMarks = [
	['efbbbf', 'utf-8'],
	['fffe', 'utf-16le'],
	['feff', 'utf-16be'],
] as const

function byteOrderMark(body: Buffer): (typeof byteOrderMarks)[number][1] | undefined {
	const start = body.toString('hex', 0, 3)
	return byteOrderMarks.find(([mark]) => start.startsWith(mark))?.[1]
}

/** What RFC 9457 section 3.1 and the frameworks in use call the explanation of an error. */
const explanations = ['detail', 'title', 'message', 'error_description', 'error'] as const

function problemIn(value: object): string | undefined {
	const texts = explanations.map((name): unknown => Reflect.get(value, name))
	return texts.find((text): text is string => typeof text === 'string' && text !== '')
}

/** What the routers of Go, such as Traefik, answer for a path without an application. A client would read "deleted". */
const isRouterText = (text: string): boolean => text.trim() === '404 page not found'

/** A 4xx in the format of RFC 7644 section 3.12, made from a body in another format. */
function scimErrorOf({ status, headers, type, body }: ReceivedAnswer): OriginAnswer | undefined {
	if (status < 400 || status > 499) return undefined
	const text = body.toString()
	const isPage = type.includes('html') || /^\s*</.test(text)
	if (status === 404 && (isPage || isRouterText(text))) return undefined
	const title = isPage ? titleIn(text) : undefined
	if (title !== undefined && status === 400 && wantsCertificate(title))
		return { fault: 'origin_tls_client_cert', detail: title, originStatus: status }
	return scimError(status, headers, title ?? (isPage ? text.replaceAll(/<[^>]*>/g, ' ') : text))
}

function scimError(status: number, headers: Readonly<Record<string, string>>, text: string): OriginAnswer {
	const detail = text
		.replaceAll(/[\s\p{Cc}\ufffd]+/gu, ' ')
		.trim()
		.slice(0, 300)
	const body = Buffer.from(JSON.stringify(new ScimError(status, detail).toMessage()))
	return { status, headers: { ...headers, 'content-type': scimType }, body }
}

const mediaType = (headers: Readonly<Record<string, string>>): string =>
	(headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? ''

const withoutType = ({ 'content-type': _, ...headers }: Readonly<Record<string, string>>) => headers

const answerHeadersOf = (headers: IncomingMessage['headers']): Record<string, string> =>
	Object.fromEntries(
		Object.entries(headers).flatMap(([name, value]) => {
			const joined = Array.isArray(value) ? value.join(', ') : (value ?? '')
			return answerHeaders.has(name) && isValidHeaderValue(joined) ? [[name, joined]] : []
		}),
	)
