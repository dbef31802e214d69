/** The methods of SCIM (RFC 7644 section 3.2). */
export const scimMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

export const methods: ReadonlySet<string> = new Set(scimMethods)
