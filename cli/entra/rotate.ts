import type { TargetCommand } from '../command.ts'
import { Failure } from '../failure.ts'
import { tenantNamed } from '../tenant.ts'
import { addedToken, endAfter, overlapOf } from '../token.ts'
import { withConnected } from './connected.ts'
import { saveCredentials, trySavedCredentials, tryToken } from './credentials.ts'
import { getJob } from './synchronization.ts'

/**
 * Gives Entra a new token. Entra tries it before it is saved, and again afterwards; only then the old one gets an end. If
 * a step fails, the old token works as before.
 */
export const rotateEntraToken: TargetCommand = ({ args: [name = ''], values, environment }) => {
	const end = endAfter(overlapOf(values.overlap))
	return (target) =>
		withConnected(target, name, {
			environment,
			async work({ entra, graph }) {
				if (entra.kind === 'oauth') {
					throw new Failure('Entra has an OAuth client of this tenant, and no token', {
						hint: `make a new client: ${target.commandLine(`client disable ${name} ${entra.credential}`)}, then connect again: ${target.commandLine(`connect entra ${name}`)}`,
					})
				}
				const url = target.urlOf(name)
				const { templateId } = await getJob(graph, entra.application, entra.job)
				const added = await addedToken(target, await tenantNamed(target, name), { label: 'Entra' })
				try {
					await tryToken(graph, entra, { url, token: added.value })
					await saveCredentials(graph, entra.application, { kind: 'token', url, token: added.value })
				} catch (error) {
					await target.tokens.change(name, added, { enabled: false })
					throw error
				}
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
