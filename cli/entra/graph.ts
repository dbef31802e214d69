import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { Failure } from '../failure.ts'

// Microsoft Graph as the user who is signed in to az. https://learn.microsoft.com/graph/api/overview

/** An answer of Microsoft Graph that is no success. */
export class GraphError extends Error {
	override readonly name = 'GraphError'
	readonly status: number
	/** Such as `Request_ResourceNotFound`; empty if the answer has none. */
	readonly code: string

	constructor(status: number, code: string, message: string) {
		super(message)
		this.status = status
		this.code = code
	}
}

/** @example answerIn(error) // 'Microsoft Graph answered 429 TooManyRequests: Try later.' */
export const answerIn = ({ status, code, message }: GraphError): string =>
	[`Microsoft Graph answered ${status} ${code}`.trim(), message].filter(Boolean).join(': ')

export type GraphRequest = {
	readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
	/** With the version of the API: `/v1.0/me`. */
	readonly path: string
	readonly body?: unknown
	/**
	 * Repeats the request after these answers for a minute. Microsoft's servers need some seconds to learn of a new
	 * application, and answer as if it did not exist, or were not allowed.
	 */
	readonly isNew?: (error: GraphError) => boolean
}

/** Sends requests to Microsoft Graph. */
export type Graph = {
	/** The JSON value of the answer; undefined if it has no body. Throws a GraphError for an answer that is no success. */
	send(request: GraphRequest): Promise<unknown>
	/** All values of a list, page after page, up to `limit` of them. */
	list<T>(path: string, value: z.ZodType<T>, options?: GraphListOptions): Promise<readonly T[]>
}

export type GraphListOptions = Pick<GraphRequest, 'isNew'> & { readonly limit?: number }

const origin = 'https://graph.microsoft.com'

/** Milliseconds between two attempts while something is new, and how many there are. */
const replication = { pause: 5000, attempts: 12 }

/** How often a request is repeated that the service has not served: throttled, or not available. */
const mostRetries = 5

/** The longest wait, in seconds, that the service may ask for. */
const longestWait = 120

const errorBody = z.object({ error: z.object({ code: z.string().default(''), message: z.string().default('') }) })

const page = z.object({ value: z.array(z.unknown()), '@odata.nextLink': z.string().optional() })

/** @param say prints what the command waits for */
export function openGraph(token: string, say: (text: string) => void): Graph {
	const sendOnce = async ({ method, path, body }: GraphRequest): Promise<Response> => {
		const headers = {
			authorization: `Bearer ${token}`,
			...(body !== undefined && { 'content-type': 'application/json' }),
		}
		try {
			return await fetch(`${origin}${path}`, {
				method,
				headers,
				redirect: 'error',
				signal: AbortSignal.timeout(100_000),
				...(body !== undefined && { body: JSON.stringify(body) }),
			})
		} catch (cause) {
			throw new Failure(`Microsoft Graph cannot be reached: ${reasonOf(cause)}`, {
				hint: 'this machine must reach https://graph.microsoft.com; run the same command again: it does what is left',
				cause,
			})
		}
	}

	/** Waits as long as the service asks if it has not served the request. */
	const sendServed = async (request: GraphRequest): Promise<unknown> => {
		for (let retry = 0; ; retry++) {
			const response = await sendOnce(request)
			const text = await response.text()
			if (response.ok) return text === '' ? undefined : JSON.parse(text)
			const wait = waitOf(response, request.method)
			if (wait === undefined || retry === mostRetries) throw errorOf(response.status, text)
			say(`Microsoft Graph asks to wait ${wait} s.\n`)
			await sleep(wait * 1000)
		}
	}

	const send = async (request: GraphRequest): Promise<unknown> => {
		for (let attempt = 1; ; attempt++) {
			try {
				return await sendServed(request)
			} catch (error) {
				const isNew = error instanceof GraphError && request.isNew?.(error) === true
				if (!isNew || attempt === replication.attempts) throw error
				if (attempt === 1) say('Waiting until Entra knows the new application; this takes up to a minute.\n')
				await sleep(replication.pause)
			}
		}
	}

	return {
		send,
		async list(path, value, { limit = Number.POSITIVE_INFINITY, ...options } = {}) {
			const values: z.infer<typeof value>[] = []
			for (let next: string | undefined = path; next !== undefined && values.length < limit; ) {
				const answer: z.infer<typeof page> = page.parse(await send({ method: 'GET', path: next, ...options }))
				values.push(...answer.value.map((each) => value.parse(each)))
				next = belowOrigin(answer['@odata.nextLink'])
			}
			return values.slice(0, limit)
		},
	}
}

/** The token is for Graph alone, so a link to another host is not followed. */
function belowOrigin(link: string | undefined): string | undefined {
	if (link === undefined) return undefined
	const url = new URL(link)
	if (url.origin !== origin) throw new GraphError(200, 'nextLink', `the next page is at ${url.origin}`)
	return `${url.pathname}${url.search}`
}

/** Seconds to wait before the request is sent again; undefined if it was served, or may have been. */
function waitOf({ status, headers }: Response, method: string): number | undefined {
	// A write that failed with 503 or 504 may have been done, so only reads are repeated then.
	const isUnserved = status === 429 || (method === 'GET' && [502, 503, 504].includes(status))
	if (!isUnserved) return undefined
	const asked = Number(headers.get('retry-after') ?? 5)
	return Number.isFinite(asked) && asked >= 0 ? Math.min(Math.ceil(asked), longestWait) : 5
}

function errorOf(status: number, text: string): GraphError {
	try {
		const { code, message } = errorBody.parse(JSON.parse(text)).error
		return new GraphError(status, code, message)
	} catch {
		return new GraphError(status, '', '')
	}
}

function reasonOf(error: unknown): string {
	const { cause } = error instanceof Error ? error : {}
	if (cause instanceof Error) return cause.message
	return error instanceof Error ? error.message : String(error)
}

/** The answers for something that Entra has just made, on servers that do not know it yet. */
export const isReplicating = ({ status, code }: GraphError): boolean =>
	status === 401 || status === 403 || status === 404 || status === 409 || code === 'Request_ResourceNotFound'

/** An identifier in the path of a request. */
export const segment = (text: string): string => encodeURIComponent(text)

/** A text in a filter of OData: quotes are doubled. */
export const odataText = (text: string): string => encodeURIComponent(`'${text.replaceAll("'", "''")}'`)
