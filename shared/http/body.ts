import { invalidSyntax, lengthRequired, payloadTooLarge, unsupportedMediaType } from '../scim/error.ts'
import { limits } from '../scim/service-provider-config.ts'
import { nextTurn } from '../turn.ts'
import { parseJson } from './json.ts'
import type { ScimRequest } from './request.ts'

/**
 * Reads the JSON body of a request. A byte order mark is ignored, as RFC 8259 section 8.1 allows.
 *
 * @throws ScimError 400 `invalidSyntax`, 411, 413, 415
 */
export async function readJson(request: ScimRequest): Promise<unknown> {
	requireJson(request.headers.get('content-type'))
	requireNoEncoding(request.headers.get('content-encoding'))
	const bytes = await readBytes(request)
	if (bytes.byteLength === 0) throw invalidSyntax('the request has no body')
	if (bytes.byteLength > longBody) await nextTurn()
	return parseJson(decode(bytes))
}

/** Bytes beyond which a body is parsed, and what it holds is checked, in a turn of its own. */
const longBody = 2 ** 18

/**
 * Reads the body of a request as bytes; empty if the request has no body.
 *
 * @throws ScimError 411, 413
 */
export async function readBytes(request: ScimRequest): Promise<ArrayBuffer> {
	const declared = Number(request.headers.get('content-length') ?? 0)
	if (declared > limits.maxPayloadSize) throw tooLarge()
	const bytes = await request.arrayBuffer()
	if (bytes.byteLength > limits.maxPayloadSize) throw tooLarge()
	// The Functions host drops the body of a request without a Content-Length.
	if (bytes.byteLength === 0 && request.headers.has('transfer-encoding')) {
		throw lengthRequired('send the body with a Content-Length instead of Transfer-Encoding: chunked')
	}
	return bytes
}

const tooLarge = () => payloadTooLarge(`the body is larger than ${limits.maxPayloadSize} bytes`)

/** RFC 7644 section 3.1 allows application/scim+json and application/json. A body without a type is read as JSON. */
function requireJson(contentType: string | null): void {
	if (contentType === null) return
	const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase())
	const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length)
	if (type !== 'application/scim+json' && type !== 'application/json') {
		throw unsupportedMediaType(`the Content-Type is ${contentType}: send application/scim+json`)
	}
	if (charset !== undefined && charset.replaceAll('"', '') !== 'utf-8') {
		throw unsupportedMediaType(`the charset is ${charset}: send utf-8`)
	}
}

function requireNoEncoding(encoding: string | null): void {
	if (encoding !== null && encoding.toLowerCase() !== 'identity') {
		throw unsupportedMediaType(`the Content-Encoding is ${encoding}: send the body uncompressed`)
	}
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function decode(bytes: ArrayBuffer): string {
	try {
		return utf8.decode(bytes)
	} catch (error) {
		throw invalidSyntax('the body is not UTF-8', error)
	}
}
