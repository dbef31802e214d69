import * as z from 'zod'

/** What a tenant of mode `relay` may set. */
export const relaySettings = z.object({
	/** The name of the tenant if left out. */
	hybridConnection: z.string().min(1).optional(),
	/** The ids of the agents to trust; any agent if left out. */
	agents: z.array(z.guid()).min(1).optional(),
	/** `passThrough`: the client's Authorization header goes to the SCIM server. Otherwise it stays here. */
	authorization: z.enum(['onPremises', 'passThrough']).default('onPremises'),
	/** PATCH travels as POST, for a relay that does not let PATCH pass. */
	patchAsPost: z.boolean().default(false),
})
