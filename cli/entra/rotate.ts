import { addedSecret, endClient, endOlderSecrets, lastsOf, tokenEndpointOf } from '../client.ts'
import type { CommandResult, TargetCommand } from '../command.ts'
import type { DeploymentTarget } from '../target.ts'
import { tenantNamed } from '../tenant.ts'
import { addedToken, endAfter, overlapOf } from '../token.ts'
import { type ConnectedTenant, withConnected } from './connected.ts'
import { saveCredentials, trySavedCredentials, tryToken } from './credentials.ts'
import { GraphError } from './graph.ts'
import { getJob } from './synchronization.ts'

/**
 * Gives Entra a new token, or a new secret if it has an OAuth client. Entra tries the token before it is saved, and again
 * afterwards; only then the old one gets an end. If a step fails, the old one works as before.
 */
export const rotateEntraToken: TargetCommand = ({ args: [name = ''], values, environment }) => {
	const end = endAfter(overlapOf(values.overlap))
	return (target) =>
		withConnected(target, name, {
			environment,
			async work({ entra, graph }) {
				if (entra.kind === 'oauth') return rotateSecret(target, { name, entra, graph }, end)
				const url = target.urlOf(name)
				const { templateId } = await getJob(graph, entra.application, entra.job)
				const added = await addedToken(target, await tenantNamed(target, name), { label: 'Entra' })
				const disable = () => target.tokens.change(name, added, { enabled: false })
				await tryToken(graph, entra, { url, token: added.value }).catch(async (error: unknown) => {
					await disable()
					throw error
				})
				await saveCredentials(graph, entra.application, { kind: 'token', url, token: added.value }).catch(
					async (error: unknown) => {
						if (isRefusal(error)) await disable()
						throw error
					},
				)
				await target.tenants.updateEntra(name, { ...entra, credential: added.version, kind: 'token' })
				await trySavedCredentials(graph, {
					application: entra.application,
					templateId: templateId ?? 'scim',
					kind: 'token',
				})
				const tokens = await target.tokens.list(name)
				const old = tokens.find(({ version, enabled }) => version === entra.credential && enabled)
				if (old !== undefined) await target.tokens.change(name, old, { expires: end })
				const ends = new Date(end).toISOString()
				return {
					text: [
						`Entra has the new token ${added.version}. It tried the token, and it works.`,
						...(old === undefined ? [] : [`The token ${old.version} expires at ${ends}.`]),
					].join('\n'),
					json: {
						name,
						version: added.version,
						ending: old === undefined ? [] : [{ version: old.version, expires: ends }],
					},
				}
			},
		})
}

/** Whether Entra has certainly saved nothing. Without an answer it may have saved the new one: then both must work. */
const isRefusal = (error: unknown): boolean => error instanceof GraphError && error.status < 500

/**
 * Gives Entra a new secret of its OAuth client. Entra cannot try a secret before it is saved, so that the older secrets get
 * their end only when Entra has tried the saved one.
 */
async function rotateSecret(
	target: DeploymentTarget,
	{ name, entra, graph }: ConnectedTenant,
	end: number,
): Promise<CommandResult> {
	const tenant = await tenantNamed(target, name)
	const { templateId } = await getJob(graph, entra.application, entra.job)
	const id = entra.credential
	const { secret, value } = await addedSecret(target, tenant, { id, lasts: lastsOf() })
	const url = target.urlOf(name)
	const tokenEndpoint = tokenEndpointOf(target, name)
	try {
		await saveCredentials(graph, entra.application, {
			...{ kind: 'oauth', url, tokenEndpoint, clientId: id, clientSecret: value },
		})
	} catch (error) {
		if (isRefusal(error)) await endClient(target, tenant, { id, secret: secret.id })
		throw error
	}
	await trySavedCredentials(graph, {
		application: entra.application,
		templateId: templateId ?? 'scim',
		kind: 'oauth',
	})
	const ending = await endOlderSecrets(target, tenant, { id, secret: secret.id, end: new Date(end).toISOString() })
	return {
		text: [
			`Entra has the new secret ${secret.id} of the OAuth client ${id}. It tried the secret, and it works.`,
			...ending.map((each) => `The secret ${each.id} expires at ${each.expires}.`),
		].join('\n'),
		json: {
			...{ name, client: id, secret: secret.id, expires: secret.expires },
			ending: ending.map((each) => ({ secret: each.id, expires: each.expires })),
		},
	}
}
