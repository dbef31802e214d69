import * as z from 'zod'
import type { TargetCommand } from '../command.ts'
import { Failure } from '../failure.ts'
import { table } from '../table.ts'
import { withConnected } from './connected.ts'
import { type Graph, GraphError, segment } from './graph.ts'
import { getMappings, ruleOf } from './mapping.ts'
import { jobPath } from './synchronization.ts'

// https://learn.microsoft.com/graph/api/synchronization-synchronizationjob-provision-on-demand
// Both properties of the answer are texts that hold JSON.

const jsonText = <T extends z.ZodType>(value: T) =>
	z
		.string()
		.transform((text) => JSON.parse(text))
		.pipe(value)

const answer = z.object({
	key: jsonText(
		z.object({
			result: z.string(),
			details: z.object({ errorCode: z.string().nullish(), errorMessage: z.string().nullish() }).nullish(),
		}),
	),
	value: jsonText(
		z.object({
			provisioningSteps: z
				.array(
					z.object({
						name: z.string().nullish(),
						type: z.string().nullish(),
						status: z.string().nullish(),
						description: z.string().nullish(),
					}),
				)
				.default([]),
		}),
	),
})

const user = z.object({ id: z.string(), userPrincipalName: z.string().nullish(), displayName: z.string().nullish() })

/** `rollcall entra provision TENANT USER`: lets Entra provision one user now, and shows its steps. */
export const provisionUser: TargetCommand =
	({ args: [name = '', nameOrId = ''], environment }) =>
	(target) =>
		withConnected(target, name, {
			environment,
			async work({ entra, graph }) {
				const { application, job } = entra
				const person = await findUser(graph, nameOrId)
				const { id: ruleId } = ruleOf(await getMappings(graph, application, job), 'User')
				const subjects = [{ objectId: person.id, objectTypeName: 'User' }]
				const { key, value } = answer.parse(
					await graph
						.send({
							method: 'POST',
							path: `${jobPath(application, job)}/provisionOnDemand`,
							body: { parameters: [{ ruleId, subjects }] },
						})
						.catch((error: unknown) => {
							throw quarantined(error, target.commandLine(`entra status ${name}`))
						}),
				)
				const { errorCode = '', errorMessage = '' } = key.details ?? {}
				// The user already is as Entra wants: nothing was sent.
				const isDone = key.result === 'Success' || errorCode === 'RedundantExport'
				const steps = value.provisioningSteps.map((step) => [
					step.status ?? '',
					step.type ?? step.name ?? '',
					step.description ?? '',
				])
				const problem = [errorCode, errorMessage].filter(Boolean).join(': ')
				return {
					text: [
						`${person.userPrincipalName ?? person.id}: ${isDone ? 'provisioned' : key.result}${isDone || problem === '' ? '' : `, ${problem}`}`,
						...(steps.length === 0 ? [] : [table(steps)]),
					].join('\n'),
					json: { tenant: name, user: person, result: key.result, problem, steps: value.provisioningSteps },
					isFailure: !isDone,
				}
			},
		})

async function findUser(graph: Graph, nameOrId: string): Promise<z.infer<typeof user>> {
	try {
		const path = `/v1.0/users/${segment(nameOrId)}?$select=id,userPrincipalName,displayName`
		return user.parse(await graph.send({ method: 'GET', path }))
	} catch (error) {
		if (!(error instanceof GraphError && error.status === 404)) throw error
		throw new Failure(`Entra has no user ${nameOrId}`, {
			hint: 'give the user principal name, such as ada@contoso.com, or the object id',
			cause: error,
		})
	}
}

/** Entra answers 401 for a job in quarantine, to an operator whom it answers elsewhere. */
function quarantined(error: unknown, statusCommand: string): unknown {
	if (!(error instanceof GraphError && error.status === 401)) return error
	return new Failure('Entra refused to provision on demand: the job may be in quarantine', {
		hint: statusCommand,
		cause: error,
	})
}
