import * as z from 'zod'
import { urn } from '../../shared/scim/urn.ts'
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

/** A resource as any service provider may show it. */
const resource = z.looseObject({ id: z.string().min(1), schemas: z.array(z.string()) })

export type ReturnedResource = z.infer<typeof resource>
type ReturnedList = z.infer<typeof list>

/** @throws Shortfall where the status is another one */
export function expectStatus(answer: ProviderAnswer, expected: readonly number[], remedy: string): void {
	if (expected.includes(answer.status)) return
	throw new Shortfall(
		`${answer.status} instead of ${expected.join(' or ')}${detailOf(answer)}`,
		remedyFor(answer) ?? remedy,
	)
}

/** What the service provider itself says. */
export function detailOf({ body }: ProviderAnswer): string {
	const detail = scimError.safeParse(body).data?.detail
	return detail === undefined ? '' : ` ("${detail}")`
}

/** Statuses that mean the same whatever was asked for. */
function remedyFor({ status, body }: ProviderAnswer): string | undefined {
	switch (true) {
		case status === 401:
			return "the token is not one of this tenant's, or the tenant's name in the URL is wrong: compare both"
		case status === 403 && !scimError.safeParse(body).success:
			return 'something in front of the service refuses: Entra may send no User-Agent, look at the rules of the firewall'
		case status >= 300 && status < 400:
			return 'use the address that it redirects to as the Tenant URL'
		case status >= 500:
			return 'look at the log of the service'
		default:
			return undefined
	}
}

/** @throws Shortfall where the answer is no ListResponse (RFC 7644 section 3.4.2) */
export function expectList(answer: ProviderAnswer, remedy: string): ReturnedList {
	expectStatus(answer, [200], remedy)
	const parsed = list.safeParse(answer.body)
	if (parsed.success) return parsed.data
	throw new Shortfall(`200, but no ListResponse: ${reasonOf(parsed.error, answer)}`, remedy)
}

/** @throws Shortfall where the answer is no resource with an id and schemas */
export function expectResource(answer: ProviderAnswer, statuses: readonly number[], remedy: string): ReturnedResource {
	expectStatus(answer, statuses, remedy)
	const parsed = resource.safeParse(answer.body)
	if (parsed.success) return parsed.data
	throw new Shortfall(`${answer.status}, but no resource: ${reasonOf(parsed.error, answer)}`, remedy)
}

/** @throws Shortfall where the answer is no error of RFC 7644 section 3.12 with this status */
export function expectError(answer: ProviderAnswer, status: number, remedy: string): z.infer<typeof scimError> {
	expectStatus(answer, [status], remedy)
	const parsed = scimError.safeParse(answer.body)
	if (!parsed.success) throw new Shortfall(`${status}, but no SCIM error: ${reasonOf(parsed.error, answer)}`, remedy)
	if (parsed.data.status === String(status)) return parsed.data
	throw new Shortfall(`${status}, but "status" in the body is ${JSON.stringify(parsed.data.status)}`, remedy)
}

function reasonOf(error: z.ZodError, { body, type }: ProviderAnswer): string {
	if (body === undefined) return `the body is not JSON, but ${type || 'nothing'}`
	const [issue] = error.issues
	return `${issue?.path.join('.') || 'the body'}: ${issue?.message}`
}
