import * as z from 'zod'

/**
 * What a tenant of mode `relay` may set: the hybrid connection where it is not called as the tenant, the ids of the agents
 * to trust, whether the client's Authorization header goes to the SCIM server or stays here, and how PATCH travels.
 */
export const relaySettings = z.object({
	hybridConnection: z.string().min(1).optional(),
	agents: z.array(z.guid()).min(1).optional(),
	authorization: z.enum(['onPremises', 'passThrough']).default('onPremises'),
	/** PATCH travels as POST, for a service that does not let it pass. */
	patchAsPost: z.boolean().default(false),
})
