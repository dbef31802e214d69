import * as z from 'zod'

const resource = z.looseObject({ schemas: z.array(z.string().startsWith('urn:')).min(1) })

/** Whether a body is a SCIM message or resource: a JSON object that names its schemas (RFC 7643 section 3). */
export function isScim(body: string): boolean {
	try {
		return resource.safeParse(JSON.parse(body)).success
	} catch (error) {
		if (error instanceof SyntaxError) return false
		throw error
	}
}

/** What a finding says about a body that is not SCIM. */
export const notScim = 'but the body is not SCIM: it is no JSON object with "schemas"'
