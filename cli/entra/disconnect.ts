import type { TargetCommand } from '../command.ts'
import { withConnected } from './connected.ts'
import { GraphError } from './graph.ts'
import { deleteJob } from './synchronization.ts'

/**
 * `rollcall disconnect entra TENANT`: deletes the provisioning job, and disables the token that Entra has. Users and groups
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
				await target.tenants.updateEntra(name, undefined)
				return {
					text: [
						`The provisioning job ${entra.job} was deleted. Users and groups stay as they are, in Entra and in Rollcall.`,
						...(token === undefined ? [] : [`The token ${token.version} was disabled.`]),
						'The enterprise application stays; delete it in the portal if it is no longer needed.',
					].join('\n'),
					json: { tenant: name, job: entra.job, disabled: token?.version ?? null },
				}
			},
		})
