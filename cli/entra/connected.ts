import type { EntraConnection } from '../../shared/tenants/entra-connection.ts'
import type { CommandEnvironment } from '../command.ts'
import { Failure } from '../failure.ts'
import type { DeploymentTarget } from '../target.ts'
import { tenantNamed } from '../tenant.ts'
import { answerIn, type Graph, GraphError, openGraph } from './graph.ts'
import { findOperator } from './operator.ts'

/** A tenant that `connect entra` has connected, and Graph as the operator. */
export type ConnectedTenant = { readonly name: string; readonly entra: EntraConnection; readonly graph: Graph }

/**
 * Works on the provisioning job of a tenant.
 *
 * @throws Failure if the tenant is not connected, or not with the directory that az is signed in to; and for each answer of
 * Graph that is no success
 */
export async function withConnected<T>(
	target: DeploymentTarget,
	name: string,
	{ environment, work }: { environment: CommandEnvironment; work: (connected: ConnectedTenant) => Promise<T> },
): Promise<T> {
	const { entra } = await tenantNamed(target, name)
	if (entra === undefined) {
		throw new Failure(`the tenant ${name} was not connected by rollcall`, {
			hint: target.commandLine(`connect entra ${name}`),
		})
	}
	const operator = await findOperator()
	if (operator.directory !== entra.directory) {
		throw new Failure(`az is signed in to another Entra directory than that of the tenant ${name}`, {
			hint: `az login --tenant ${entra.directory}`,
		})
	}
	try {
		return await work({ name, entra, graph: openGraph(operator.token, environment.err) })
	} catch (error) {
		throw error instanceof GraphError ? failureOf(error, target, name) : error
	}
}

function failureOf(error: GraphError, target: DeploymentTarget, name: string): Failure {
	const { status, code } = error
	if (status === 401 || status === 403) {
		return new Failure(`Entra refused this sign-in: ${`${status} ${code}`.trim()}`, {
			hint: 'it needs the role Application Administrator or Cloud Application Administrator; activate it, then az logout and az login',
			cause: error,
		})
	}
	if (status === 404) {
		return new Failure(`Entra no longer has the provisioning job of the tenant ${name}`, {
			hint: target.commandLine(`connect entra ${name}`),
			cause: error,
		})
	}
	return new Failure(answerIn(error), { hint: 'try again in a minute', cause: error })
}
