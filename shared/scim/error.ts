import { urn } from './urn.ts'

/** Detail error keywords of RFC 7644 table 9 and RFC 9865 section 2.1. */
export type ScimType =
	| 'invalidFilter'
	| 'tooMany'
	| 'uniqueness'
	| 'mutability'
	| 'invalidSyntax'
	| 'invalidPath'
	| 'noTarget'
	| 'invalidValue'
	| 'invalidVers'
	| 'invalidCursor'
	| 'expiredCursor'
	| 'invalidCount'

/** The message of RFC 7644 section 3.12; `status` is a string on the wire. */
export type ErrorMessage = {
	readonly schemas: readonly [typeof urn.error]
	readonly status: string
	readonly scimType?: ScimType
	readonly detail: string
}

type ScimErrorOptions = {
	readonly scimType?: ScimType
	readonly headers?: Readonly<Record<string, string>>
	readonly cause?: unknown
}

/** A sentence has at most so many characters, whatever the client sent. */
const longestDetail = 1000

/** Leaves out the middle of a long sentence: the beginning names the attribute, and the end says what to do. */
const shortened = (detail: string): string =>
	detail.length <= longestDetail
		? detail
		: `${detail.slice(0, 700).toWellFormed()} … ${detail.slice(-290).toWellFormed()}`

/** A refusal whose text the client may read. Any other thrown error is our fault, and its answer is a constant 500. */
export class ScimError extends Error {
	override readonly name = 'ScimError'
	readonly status: number
	readonly scimType: ScimType | undefined
	readonly headers: Readonly<Record<string, string>>

	constructor(status: number, detail: string, { scimType, headers = {}, cause }: ScimErrorOptions = {}) {
		super(shortened(detail), cause === undefined ? undefined : { cause })
		this.status = status
		this.scimType = scimType
		this.headers = headers
	}

	toMessage(): ErrorMessage {
		return {
			schemas: [urn.error],
			status: String(this.status),
			...(this.scimType !== undefined && { scimType: this.scimType }),
			detail: this.message,
		}
	}
}

const badRequest =
	(scimType: ScimType) =>
	(detail: string, cause?: unknown): ScimError =>
		new ScimError(400, detail, { scimType, cause })

export const invalidFilter = badRequest('invalidFilter')
export const invalidSyntax = badRequest('invalidSyntax')
export const invalidPath = badRequest('invalidPath')
export const invalidValue = badRequest('invalidValue')
export const tooMany = badRequest('tooMany')
export const noTarget = badRequest('noTarget')
export const mutability = badRequest('mutability')
export const invalidCursor = badRequest('invalidCursor')
export const expiredCursor = badRequest('expiredCursor')

export const unauthorized = (detail: string, challenge: string): ScimError =>
	new ScimError(401, detail, { headers: { 'WWW-Authenticate': challenge } })

export const forbidden = (detail: string): ScimError => new ScimError(403, detail)

export const notFound = (detail: string): ScimError => new ScimError(404, detail)

export const methodNotAllowed = (detail: string, allow: readonly string[]): ScimError =>
	new ScimError(405, detail, { headers: { Allow: allow.join(', ') } })

export const uniqueness = (detail: string): ScimError => new ScimError(409, detail, { scimType: 'uniqueness' })

export const lengthRequired = (detail: string): ScimError => new ScimError(411, detail)

export const preconditionFailed = (detail: string): ScimError => new ScimError(412, detail)

export const payloadTooLarge = (detail: string): ScimError => new ScimError(413, detail)

export const unsupportedMediaType = (detail: string): ScimError => new ScimError(415, detail)

/** 429: the caller may send the request again after some seconds. */
export const tooManyRequests = (detail: string, retryAfterSeconds: number): ScimError =>
	new ScimError(429, detail, { headers: { 'Retry-After': String(retryAfterSeconds) } })

export const notImplemented = (detail: string): ScimError => new ScimError(501, detail)

/** 503: a service of ours cannot be reached. A 401 or 404 instead would quarantine an Entra provisioning job. */
export const unavailable = (detail: string, retryAfterSeconds: number, cause?: unknown): ScimError =>
	new ScimError(503, detail, { headers: { 'Retry-After': String(retryAfterSeconds) }, cause })
