import type * as z from 'zod'
import { readJson } from '../../shared/http/body.ts'
import type { ScimRequest } from '../../shared/http/request.ts'
import { enrolmentBodyLimit, enrolRequest, listenRequest } from '../../shared/relay/enrolment.ts'
import { ScimError } from '../../shared/scim/error.ts'
import { allProblems, wordingWithoutValues } from '../../shared/scim/wording.ts'
import type { HttpReply } from '../http-reply.ts'
import type { NamedTenant } from '../oauth/sources.ts'
import type { RouteName } from '../routes.ts'
import type { Enrolment } from './enrolment.ts'
import { EnrolmentError } from './enrolment-error.ts'

/** The routes that agents ask without a token of the tenant. */
export type EnrolmentRoute = Extract<RouteName, 'agentEnrol' | 'agentToken'>

export const isEnrolmentRoute = (name: RouteName | undefined): name is EnrolmentRoute =>
	name === 'agentEnrol' || name === 'agentToken'

type EnrolmentContext = {
	readonly route: EnrolmentRoute
	readonly enrolment: Enrolment
	readonly named: () => Promise<NamedTenant>
}

/** Answers `POST /scim/{tenant}/agent/enrol` and `/agent/token`. The cause is an outage that the log should have. */
export async function answerEnrolment(
	request: ScimRequest,
	context: EnrolmentContext,
): Promise<{ readonly reply: HttpReply; readonly cause?: unknown }> {
	try {
		if (request.method !== 'POST') throw new EnrolmentError('method_not_allowed')
		return { reply: json(200, await answerTo(request, context)) }
	} catch (error) {
		const refused = enrolmentErrorOf(error)
		const { status, code, message, time, cause } = refused
		const body = { error: code, error_description: message, ...(time !== undefined && { time }) }
		return { reply: json(status, body, headersOf(refused)), ...(status >= 500 && { cause: cause ?? error }) }
	}
}

async function answerTo(request: ScimRequest, { route, enrolment, named }: EnrolmentContext): Promise<unknown> {
	if (route === 'agentEnrol') {
		const asked = await bodyOf(request, enrolRequest)
		return enrolment.enrol(await named(), asked)
	}
	const asked = await bodyOf(request, listenRequest)
	return enrolment.listenToken(await named(), asked)
}

async function bodyOf<T>(request: ScimRequest, shape: z.ZodType<T>): Promise<T> {
	const tooLarge = () => badRequest(`the body is larger than ${enrolmentBodyLimit} bytes`)
	if (Number(request.headers.get('content-length') ?? 0) > enrolmentBodyLimit) throw tooLarge()
	const bytes = await request.arrayBuffer()
	if (bytes.byteLength > enrolmentBodyLimit) throw tooLarge()
	const parsed = shape.safeParse(await readJson({ ...requestOf(request), arrayBuffer: async () => bytes }), {
		error: wordingWithoutValues,
	})
	if (parsed.success) return parsed.data
	throw badRequest(allProblems(parsed.error, 'the body'), parsed.error)
}

const requestOf = ({ method, url, headers }: ScimRequest) => ({ method, url, headers })

const badRequest = (description: string, cause?: unknown) => new EnrolmentError('bad_request', { description, cause })

/** An outage is never a refusal: an agent keeps its token and asks again. */
function enrolmentErrorOf(error: unknown): EnrolmentError {
	if (error instanceof EnrolmentError) return error
	if (!(error instanceof ScimError)) throw error
	if (error.status !== 503) return badRequest(error.message, error)
	return new EnrolmentError('try_again', {
		description: error.message,
		retryAfter: Number(error.headers['Retry-After'] ?? 5),
		cause: error.cause ?? error,
	})
}

const headersOf = ({ code, retryAfter }: EnrolmentError): Readonly<Record<string, string>> => ({
	...(retryAfter !== undefined && { 'Retry-After': String(retryAfter) }),
	...(code === 'method_not_allowed' && { Allow: 'POST' }),
})

const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpReply => ({
	status,
	headers: {
		'Content-Type': 'application/json',
		'Cache-Control': 'no-store',
		'X-Content-Type-Options': 'nosniff',
		...headers,
	},
	body: JSON.stringify(body),
})
