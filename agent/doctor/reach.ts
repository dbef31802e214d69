import { connect } from 'node:net'
import { codeOf } from '../../shared/cli/usage-error.ts'
import { plainly } from './check.ts'

const limit = 5000

/** Why a port cannot be reached. */
export type ConnectFailure = { readonly code: string; readonly detail: string }

/** Connects to a port and disconnects. Resolves to the failure, or undefined. */
export const reach = (host: string, port: number): Promise<ConnectFailure | undefined> =>
	new Promise((resolve) => {
		const socket = connect({ host, port })
		const finish = (failure?: ConnectFailure) => {
			socket.destroy()
			resolve(failure)
		}
		socket.setTimeout(limit, () => finish({ code: 'ETIMEDOUT', detail: `no answer within ${limit / 1000} s` }))
		socket.on('error', (error) => finish({ code: String(codeOf(error)), detail: plainly(error) }))
		socket.on('connect', () => finish())
	})
