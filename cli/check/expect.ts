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

/** The remedy for statuses that mean the same for every request. */
function remedyFor({ status, body }: ProviderAnswer): string | undefined {
	switch (true) {
		case status === 401:
			return 'the token belongs to another tenant, or the name of the tenant in the URL is wrong: compare both'
		case status === 403 && !scimError.safeParse(body).success:
			return 'a firewall in front of the service refuses the request: look at its rules; Entra may send no User-Agent'
		case status >= 300 && status < 400:
			return 'use the target of the redirect as the Tenant URL'
		case status >= 500:
			return 'look at the log of the service'
		default:
			return undefined
	}
}

/** @throws Shortfall if the answer is not a ListResponse (RFC 7644 section 3.4.2) */
export function expectList(answer: ProviderAnswer, remedy: string): ReturnedList {
	expectStatus(answer, [200], remedy)
	const parsed = list.safeParse(answer.body)
	if (parsed.success) return parsed.data
	throw new Shortfall(`200, but not a ListResponse: ${reasonOf(parsed.error, answer)}`, remedy)
}

/** @throws Shortfall if the answer is not a resource with an id and schemas */
export function expectResource(answer: ProviderAnswer, statuses: readonly number[], remedy: string): ReturnedResource {
	expectStatus(answer, statuses, remedy)
	const parsed = resource.safeParse(answer.body)
	if (parsed.success) return parsed.data
	throw new Shortfall(`${answer.status}, but not a resource: ${reasonOf(parsed.error, answer)}`, remedy)
}

/** @throws Shortfall if the answer is not an error of RFC 7644 section 3.12 with this status */
export function expectError(answer: ProviderAnswer, status: number, remedy: string): z.infer<typeof scimError> {
	expectStatus(answer, [status], remedy)
	const parsed = scimError.safeParse(answer.body)
	if (!parsed.success) throw new Shortfall(`${status}, but not a SCIM error: ${reasonOf(parsed.error, answer)}`, remedy)
	if (parsed.data.status === String(status)) return parsed.data
	throw new Shortfall(`${status}, but "status" in the body is ${JSON.stringify(parsed.data.status)}`, remedy)
}

function reasonOf(error: z.ZodError, { body, type }: ProviderAnswer): string {
	if (body === undefined) return `the body is not JSON; its Content-Type is ${type || 'missing'}`
	const path = error.issues[0]?.path ?? []
	if (path.length === 0) return 'the body is not a JSON object'
	const name = path.join('.')
	if (name === 'schemas' && isObject(body) && Array.isArray(body.schemas))
		return '"schemas" does not have the URN of this message'
	return hasValue(body, path) ? `"${name}" has the wrong type` : `"${name}" is missing`
}

const hasValue = (value: unknown, [step, ...rest]: readonly PropertyKey[]): boolean => {
	if (step === undefined) return value !== undefined
	return typeof value === 'object' && value !== null && hasValue(Reflect.get(value, step), rest)
}
