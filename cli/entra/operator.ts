import * as z from 'zod'
import { azText } from '../azure.ts'
import { Failure } from '../failure.ts'
import type { Graph } from './graph.ts'

/** The signed-in user or application may not do this. Then the steps in the portal help. */
export class OperatorRefused extends Failure {}

/** Who is signed in to az: a user, or an application with its own permissions. */
export type Operator = {
	readonly kind: 'user' | 'application'
	/** The id of the Entra directory. */
	readonly directory: string
	/** Scopes of a user's token, or app roles of an application's. */
	readonly permissions: ReadonlySet<string>
	readonly token: string
}

const tokenAnswer = z.object({ accessToken: z.string() })

const claims = z.object({
	tid: z.string(),
	idtyp: z.string().optional(),
	scp: z.string().optional(),
	roles: z.array(z.string()).optional(),
})

/** Gets a token for Microsoft Graph from az. */
export async function findOperator(): Promise<Operator> {
	const answer = JSON.parse(
		await azText(['account', 'get-access-token', '--resource-type', 'ms-graph', '--output', 'json']),
	)
	const { accessToken } = tokenAnswer.parse(answer)
	const parsed = claimsOf(accessToken)
	if (parsed === undefined) {
		throw new Failure('az gave a token for Microsoft Graph that cannot be read', { hint: 'az login' })
	}
	const { tid, scp, roles = [] } = parsed
	const kind = scp === undefined ? 'application' : 'user'
	return { kind, directory: tid, permissions: new Set(scp?.split(' ') ?? roles), token: accessToken }
}

/** The claims of a token. They only serve better messages: Graph itself checks the token. */
function claimsOf(token: string): z.infer<typeof claims> | undefined {
	try {
		const text = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
		return claims.safeParse(JSON.parse(text)).data
	} catch {
		return undefined
	}
}

/** The directory roles that may manage provisioning, by the id of their template. */
const suitableRoles: ReadonlyMap<string, string> = new Map([
	['62e90394-69f5-4237-9190-012177145e10', 'Global Administrator'],
	['9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3', 'Application Administrator'],
	['158c047a-c907-4556-b7ef-446551a6b5f7', 'Cloud Application Administrator'],
])

const directoryRole = z.object({ roleTemplateId: z.string().nullish() })

/**
 * Refuses an operator who cannot connect an application, before anything is changed.
 *
 * @param needed permissions beside that for applications
 * @throws Failure that names what is missing
 */
export async function checkOperator(graph: Graph, operator: Operator, needed: readonly string[]): Promise<void> {
	const required = [
		'Application.ReadWrite.All',
		...(operator.kind === 'application' ? ['Synchronization.ReadWrite.All'] : []),
		...needed,
	]
	const missing = required.filter((permission) => !operator.permissions.has(permission))
	if (missing.length > 0) {
		throw new OperatorRefused(`the token of az for Microsoft Graph lacks ${missing.join(' and ')}`, {
			hint:
				operator.kind === 'user'
					? 'az logout, then az login, and try again'
					: 'give these application permissions of Microsoft Graph to the application that is signed in to az, with admin consent',
		})
	}
	if (operator.kind === 'application') return
	const path = '/v1.0/me/transitiveMemberOf/microsoft.graph.directoryRole?$select=displayName,roleTemplateId'
	const roles = await graph.list(path, directoryRole)
	if (roles.some(({ roleTemplateId }) => suitableRoles.has(roleTemplateId ?? ''))) return
	throw new OperatorRefused('the user of az has no role that may connect an application', {
		hint: 'activate Application Administrator or Cloud Application Administrator in Entra, then az logout and az login',
	})
}
