import { expect } from 'vitest'
import { storedDigestOf } from '../../../shared/auth/tokens.ts'
import { useAzure } from '../../support/azure/azure.ts'
import type { GraphJob, ServicePrincipal } from '../../support/graph/directory.ts'
import { useGraph } from '../../support/graph/graph.ts'
import type { GraphStandIn } from '../../support/graph/stand-in.ts'
import { jsonOf, type Run, useBuiltRollcall } from '../../support/rollcall.ts'

export type EntraTenant = {
	readonly graph: GraphStandIn
	readonly name: string
	readonly url: string
	/** Runs a command line on the deployment. */
	run(line: string): Promise<Run>
	connect(options?: string): Promise<Run>
	/** The tenant's tokens in the vault. */
	tokens(): readonly { readonly value: string; readonly enabled?: boolean }[]
}

/** Makes tenants of a deployment for a test file, each with a directory of Entra and the command line of its administrator. */
export function useEntraTenant(): (scopes?: string) => Promise<EntraTenant> {
	const azure = useAzure()
	const graphOf = useGraph()
	const rollcall = useBuiltRollcall()
	let tenants = 0
	return async (scopes) => {
		const deployed = azure()
		const graph = graphOf()
		const env = graph.envOf(deployed, scopes)
		const name = `acme${++tenants}`
		const url = `https://rollcall-app.azurewebsites.net/scim/${name}`
		const run = (line: string) => rollcall(`${line} --resource-group rollcall`.split(' '), { env })
		jsonOf(await run(`tenant add ${name} --json`))
		const tokens = () => [...(deployed.vault.secrets.get(`scim-token-${name}`)?.values() ?? [])]
		graph.accepts = (address, token) =>
			address === url && tokens().some(({ value, enabled }) => value === storedDigestOf(token) && enabled !== false)
		return { graph, name, url, run, connect: (options = '') => run(`connect entra ${name} ${options}`.trim()), tokens }
	}
}

export function onlyPrincipal({ directory }: GraphStandIn): ServicePrincipal {
	const [principal, ...others] = directory.servicePrincipals.values()
	expect(others).toEqual([])
	if (principal === undefined) throw new Error('Entra has no application')
	return principal
}

export function onlyJob(graph: GraphStandIn): GraphJob {
	const [job, ...others] = onlyPrincipal(graph).jobs.values()
	expect(others).toEqual([])
	if (job === undefined) throw new Error('the application has no job')
	return job
}

/** The version of the newest token that was made for Entra. Two tokens may be of one second, so the label tells. */
export async function entraToken({ run, name }: Pick<EntraTenant, 'run' | 'name'>): Promise<string> {
	const tokens = jsonOf(await run(`token list ${name} --json`))
	return tokens.find(({ label }: { label?: string }) => label === 'Entra').version
}
