import * as z from 'zod'
import { jsonIn } from '../json-in.ts'
import { scopes } from './credential.ts'

const time = z.iso.datetime()

const secret = z.object({
	id: z.string(),
	/** The text that `storedDigestOf` makes of the secret. */
	digest: z.string(),
	created: time,
	expires: time,
	isDisabled: z.literal(true).optional(),
})

/** One secret of a client. Only its digest is stored. */
export type ClientSecret = z.infer<typeof secret>

/** The clouds whose tokens can be trusted, by the host that issues version 2.0 tokens, and the issuer of version 1.0. */
export const clouds = {
	'login.microsoftonline.com': { issuerOfV1: 'https://sts.windows.net' },
	'login.microsoftonline.us': { issuerOfV1: 'https://sts.windows.net' },
	'login.partner.microsoftonline.cn': { issuerOfV1: 'https://sts.chinacloudapi.cn' },
} as const

export type Cloud = keyof typeof clouds

const guid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)

const trust = z.object({
	cloud: z.enum(['login.microsoftonline.com', 'login.microsoftonline.us', 'login.partner.microsoftonline.cn']),
	/** The id of the Entra tenant. */
	tenant: guid,
	/** The object id of the workload: the only thing that tells the workloads of an Entra tenant apart. */
	subject: guid,
	/** The id of the application that the tokens are for. */
	audience: guid,
	/** The id of the application that asks for the tokens, if only one may. */
	application: guid.optional(),
	/** Whether tokens of version 1.0 are accepted too. */
	acceptsV1: z.literal(true).optional(),
})

/** The Entra tokens that are accepted: those of one workload of one Entra tenant for one application. All ids in lower case. */
export type Trust = z.infer<typeof trust>

const common = {
	id: z.string(),
	label: z.string().optional(),
	scope: z.enum(scopes),
	created: time,
	isDisabled: z.literal(true).optional(),
}

const client = z.discriminatedUnion('kind', [
	z.object({ ...common, kind: z.literal('secret'), secrets: z.array(secret) }),
	z.object({ ...common, kind: z.literal('federation'), trust }),
	z.object({ ...common, kind: z.literal('reader'), trust }),
])

/**
 * What may get access tokens for a tenant: with a secret, or as a `federation` with a token of Entra. A `reader` sends the
 * token of Entra itself, in place of an access token.
 */
export type OAuthClient = z.infer<typeof client>

/** Reads a stored client; undefined if a newer version has stored it, or if it is damaged. Such a client gets nothing. */
export function parseClient(json: string): OAuthClient | undefined {
	return client.safeParse(jsonIn(json)).data
}
