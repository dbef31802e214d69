import { userInfo } from 'node:os'
import * as z from 'zod'
import { jsonIn } from '../shared/json-in.ts'

/** Who runs a command: the object id in Entra, which is empty on a laptop, and a name. */
export type Administrator = { readonly id: string; readonly name: string }

/** The user of this machine. */
export const localAdministrator = (): Administrator => ({ id: '', name: userInfo().username })

const unknown: Administrator = { id: 'unknown', name: 'unknown' }

/** https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference */
const claims = z.object({
	oid: z.string(),
	upn: z.string().optional(),
	unique_name: z.string().optional(),
	name: z.string().optional(),
	appid: z.string().optional(),
})

/** The identity for which Entra has issued an access token. The token comes from az, so that it needs no other proof. */
export function administratorOf(accessToken: string): Administrator {
	const { data } = claims.safeParse(jsonIn(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString('utf8')))
	if (data === undefined) return unknown
	const { oid, upn, unique_name: uniqueName, name, appid } = data
	return { id: oid, name: upn ?? uniqueName ?? name ?? appid ?? 'unknown' }
}
