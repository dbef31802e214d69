import * as z from 'zod'

/**
 * What `rollcall connect entra` has set up for a tenant, by the ids in Entra. It holds no secret. Only `rollcall` reads it,
 * so that a second run finds what the first one made.
 */
const entraConnection = z.object({
	/** The Entra directory. */
	directory: z.string(),
	/** The object id of the enterprise application's service principal. */
	application: z.string(),
	/** The id of the provisioning job. */
	job: z.string(),
	/** The version of the token that Entra has, or the id of its OAuth client. */
	credential: z.string(),
	kind: z.enum(['token', 'oauth']),
})

export type EntraConnection = z.infer<typeof entraConnection>

/** Reads the connection in a tenant's row; undefined if there is none, or if another version wrote it in another shape. */
export function entraConnectionOf(text: string): EntraConnection | undefined {
	try {
		return entraConnection.safeParse(JSON.parse(text)).data
	} catch {
		return undefined
	}
}
