import { endClient } from '../client.ts'
import type { TargetCommand } from '../command.ts'
import { tenantNamed } from '../tenant.ts'
import { withConnected } from './connected.ts'
import { GraphError } from './graph.ts'
import { deleteJob } from './synchronization.ts'

/**
 * `rollcall disconnect entra TENANT`: deletes the provisioning job, and disables the token or OAuth client of Entra. Users and groups
 * stay as they are, and so does the enterprise application.
 */
export const disconnectEntra: TargetCommand =
	({ args: [name = ''], environment }) =>
	(target) =>
		withConnected(target, name, {
			environment,
			async work({ entra, graph }) {
				await deleteJob(graph, entra.application, entra.job).catch((error: unknown) => {
					if (!(error instanceof GraphError && error.status === 404)) throw error
				})
				const tokens = await target.tokens.list(name)
				const token = tokens.find(({ version, enabled }) => version === entra.credential && enabled)
				if (token !== undefined) await target.tokens.change(name, token, { enabled: false })
				const isClient = entra.kind === 'oauth'
				if (isClient) await endClient(target, await tenantNamed(target, name), { id: entra.credential })
				await target.tenants.updateEntra(name, undefined)
				return {
					text: [
						`The provisioning job ${entra.job} was deleted. Users and groups stay as they are, in Entra and in Rollcall.`,
						...(token === undefined ? [] : [`The token ${token.version} was disabled.`]),
						...(isClient ? [`The OAuth client ${entra.credential} was disabled.`] : []),
						'The enterprise application stays; delete it in the portal if it is no longer needed.',
					].join('\n'),
					json: { tenant: name, job: entra.job, disabled: isClient ? entra.credential : (token?.version ?? null) },
				}
			},
		})
