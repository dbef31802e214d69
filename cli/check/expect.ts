import * as z from 'zod'
import { urn } from '../../shared/scim/urn.ts'
import { isObject } from '../../shared/scim/value.ts'
import type { ProviderAnswer } from './client.ts'
import { Shortfall } from './finding.ts'

const list = z.looseObject({
	schemas: z.array(z.string()).refine((schemas) => schemas.includes(urn.listResponse)),
	totalResults: z.int(),
	Resources: z.array(z.looseObject({})).default([]),
})

const scimError = z.looseObject({
	schemas: z.array(z.string()).refine((schemas) => schemas.includes(urn.error)),
	status: z.string(),
	scimType: z.string().optional(),
	detail: z.string().optional(),
})

/** The part of a resource that every service provider returns. */
const resource = z.looseObject({ id: z.string().min(1), schemas: z.array(z.string()) })

export type ReturnedResource = z.infer<typeof resource>
type ReturnedList = z.infer<typeof list>

/** @throws Shortfall if the answer has another status */
export function expectStatus(answer: ProviderAnswer, expected: readonly number[], remedy: string): void {
	if (expected.includes(answer.status)) return
	throw new Shortfall(
		`${answer.status} instead of ${expected.join(' or ')}${detailOf(answer)}`,
		remedyFor(answer) ?? remedy,
	)
}

/** The detail that the service provider sent, in quotes; empty if there is none. */
export function detailOf({ body }: ProviderAnswer): string {
	const detail = scimError.safeParse(body).data?.detail
	return detail === undefined ? '' : ` ("${detail}")`
}

/** The remedy for statuses that say more than the check: the service answered Test Connection as it should. */
function remedyFor({ request, status, body }: ProviderAnswer): string | undefined {
	switch (true) {
		case status === 401:
			return `accept the token for ${request}, as for Test Connection`
		case status === 403 && !scimError.safeParse(body).success:
			return `a firewall in front of the service refuses ${request}: look at its rules; Entra may send no User-Agent`
		case status >= 300 && status < 400:
			return `answer ${request} without a redirect: Entra follows none`
		case status >= 500:
			return `look at the log of the service for ${request}`
		default:
			return undefined
	}
}

/** @throws Shortfall if the answer is not a ListResponse (RFC 7644 section 3.4.2) */
export function expectList(answer: ProviderAnswer, remedy: string): ReturnedList {
	expectStatus(answer, [200], remedy)
	const parsed = list.safeParse(answer.body)
	if (parsed.success) return parsed.data
	throw misshapen('200, but not a ListResponse', answer, { error: parsed.error, remedy, message: urn.listResponse })
}

/** @throws Shortfall if the answer is not a resource with an id and schemas */
export function expectResource(answer: ProviderAnswer, statuses: readonly number[], remedy: string): ReturnedResource {
	expectStatus(answer, statuses, remedy)
	const parsed = resource.safeParse(answer.body)
	if (parsed.success) return parsed.data
	throw misshapen(`${answer.status}, but not a resource`, answer, { error: parsed.error, remedy })
}

/** @throws Shortfall if the answer is not an error of RFC 7644 section 3.12 with this status */
export function expectError(answer: ProviderAnswer, status: number, remedy: string): z.infer<typeof scimError> {
	expectStatus(answer, [status], remedy)
	const parsed = scimError.safeParse(answer.body)
	if (!parsed.success)
		throw misshapen(`${status}, but not a SCIM error`, answer, { error: parsed.error, remedy, message: urn.error })
	if (parsed.data.status === String(status)) return parsed.data
	throw new Shortfall(
		`${status}, but "status" in the body is ${JSON.stringify(parsed.data.status)}`,
		`send "status": "${status}" in the answer to ${answer.request}`,
	)
}

type Misshape = {
	readonly error: z.ZodError
	/** What to do if the body is no JSON object at all. */
	readonly remedy: string
	/** The URN that `schemas` must have. */
	readonly message?: string
}

function misshapen(what: string, answer: ProviderAnswer, { error, remedy, message }: Misshape): Shortfall {
	const { request, body, type } = answer
	if (body === undefined)
		return new Shortfall(`${what}: the body is not JSON; its Content-Type is ${type || 'missing'}`, remedy)
	const path = error.issues[0]?.path ?? []
	if (path.length === 0) return new Shortfall(`${what}: the body is not a JSON object`, remedy)
	const name = path.join('.')
	if (name === 'schemas' && isObject(body) && Array.isArray(body.schemas))
		return new Shortfall(
			`${what}: "schemas" does not have the URN of this message`,
			`add "${message}" to "schemas" in the answer to ${request}`,
		)
	return new Shortfall(
		`${what}: "${name}" ${hasValue(body, path) ? 'has the wrong type' : 'is missing'}`,
		`send "${name}" as ${types[name] ?? 'an object'} in the answer to ${request}`,
	)
}

/** What the members of the messages above must be. The elements of `Resources` are objects. */
const types: Readonly<Record<string, string>> = {
	schemas: 'a list of URNs',
	totalResults: 'a whole number',
	Resources: 'a list of objects',
	status: 'a string',
	scimType: 'a string',
	detail: 'a string',
	id: 'a string that is not empty',
}

const hasValue = (value: unknown, [step, ...rest]: readonly PropertyKey[]): boolean => {
	if (step === undefined) return value !== undefined
	return typeof value === 'object' && value !== null && hasValue(Reflect.get(value, step), rest)
}
