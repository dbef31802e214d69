import * as z from 'zod'
import type { TargetCommand } from '../command.ts'
import { table } from '../table.ts'
import type { DeploymentTarget } from '../target.ts'
import { tenantNamed } from '../tenant.ts'
import { withConnected } from './connected.ts'
import { type Graph, GraphError, odataText } from './graph.ts'
import { type OwnRecord, ownRecordOf } from './own-record.ts'
import { quarantineInWords } from './quarantine.ts'
import { getJob, type SynchronizationJob } from './synchronization.ts'

// https://learn.microsoft.com/graph/api/provisioningobjectsummary-list

const identity = z.object({
	displayName: z.string().nullish(),
	id: z.string().nullish(),
	/** Such as `UserPrincipalName`. */
	details: z.record(z.string(), z.unknown()).nullish().catch(undefined),
})

const summary = z.object({
	activityDateTime: z.string(),
	provisioningAction: z.string().nullish(),
	sourceIdentity: identity.nullish(),
	/** What Entra knows of the user or group here: its `id` is ours. */
	targetIdentity: identity.nullish(),
	provisioningStatusInfo: z.object({
		status: z.string(),
		errorInformation: z
			.object({
				errorCode: z.string().nullish(),
				reason: z.string().nullish(),
				recommendedAction: z.string().nullish(),
			})
			.nullish(),
	}),
})

/** How many log entries are read, and how many failed people are shown. */
const read = 200
const shown = 10

/** The newest failure of a person or group. */
type FailedObject = {
	readonly who: string
	readonly when: string
	readonly action: string
	readonly code: string
	readonly reason: string
	readonly names: readonly string[]
}

/** The same, with what Rollcall has recorded about the request. */
type ExplainedFailure = Omit<FailedObject, 'names'> & { readonly rollcall: OwnRecord }

/** `rollcall entra status TENANT`: the job, its last cycle, a quarantine in words, and who failed most recently. */
export const showEntraStatus: TargetCommand =
	({ args: [name = ''], environment }) =>
	(target) =>
		withConnected(target, name, {
			environment,
			async work({ entra, graph }) {
				const job = await getJob(graph, entra.application, entra.job)
				const failed = await explained(target, name, await failedObjects(graph, entra.job))
				const { quarantine } = job.status ?? {}
				const rows = [
					['Job', job.id],
					['Schedule', scheduleInWords(job)],
					['Last cycle', lastCycleOf(job)],
					...(quarantine ? quarantineInWords(quarantine).map((line, index) => [index === 0 ? 'State' : '', line]) : []),
				]
				return {
					text: [table(rows), failuresText(failed)].join('\n\n'),
					json: { tenant: name, job, failed: failed === 'no license' ? null : failed },
					isFailure: quarantine !== null && quarantine !== undefined,
				}
			},
		})

/** Adds what Rollcall has recorded. It takes up to 5 requests to storage for each failure, and those of a history. */
async function explained(
	target: DeploymentTarget,
	name: string,
	failed: readonly FailedObject[] | 'no license',
): Promise<readonly ExplainedFailure[] | 'no license'> {
	if (failed === 'no license') return failed
	const tenant = await tenantNamed(target, name)
	const records = { ledger: target.ledger(tenant), lookup: target.lookup(tenant) }
	const recordOf = ({ when, names }: FailedObject): Promise<OwnRecord> =>
		tenant.mode === 'relay' ? Promise.resolve(behindRelay) : ownRecordOf(records, { at: Date.parse(when), names })
	return Promise.all(
		failed.map(async (failure) => {
			const { names: _, ...told } = failure
			return { ...told, rollcall: await recordOf(failure) }
		}),
	)
}

const behindRelay: OwnRecord = { kind: 'none', sentence: 'the SCIM server behind the relay has the record' }

const scheduleInWords = ({ schedule, status }: SynchronizationJob): string =>
	schedule?.state === 'Active'
		? `runs about every 40 minutes (${status?.code ?? 'unknown'})`
		: `stopped (${schedule?.state ?? 'unknown'}, ${status?.code ?? 'unknown'})`

function lastCycleOf({ status }: SynchronizationJob): string {
	const { lastExecution } = status ?? {}
	if (!lastExecution) return 'none yet'
	const { state, timeEnded, error } = lastExecution
	return [state ?? 'unknown', timeEnded ? `at ${timeEnded}` : '', error?.message ?? error?.code ?? '']
		.filter(Boolean)
		.join(', ')
}

/** The newest failure of each person or group; `no license` if the directory has no logs of provisioning. */
async function failedObjects(graph: Graph, jobId: string): Promise<readonly FailedObject[] | 'no license'> {
	const path = `/v1.0/auditLogs/provisioning?$filter=jobId%20eq%20${odataText(jobId)}&$top=${read}`
	try {
		const entries = await graph.list(path, summary, { limit: read })
		const newest = new Map<string, FailedObject | undefined>()
		for (const entry of entries) {
			const { sourceIdentity, targetIdentity, provisioningStatusInfo, activityDateTime, provisioningAction } = entry
			const who = sourceIdentity?.displayName || sourceIdentity?.id || 'unknown'
			// Entries come newest first: a person who has succeeded since then has no failure.
			if (newest.has(who)) continue
			const { status, errorInformation } = provisioningStatusInfo
			newest.set(
				who,
				status !== 'failure'
					? undefined
					: {
							who,
							when: activityDateTime,
							action: provisioningAction ?? '',
							code: errorInformation?.errorCode ?? '',
							reason: errorInformation?.reason ?? '',
							names: namesIn(targetIdentity, sourceIdentity),
						},
			)
		}
		return [...newest.values()].filter((failure) => failure !== undefined).slice(0, shown)
	} catch (error) {
		if (error instanceof GraphError && error.status === 403) return 'no license'
		throw error
	}
}

type ProvisionedIdentity = z.infer<typeof identity> | null | undefined

/** The id here, and the names that a request may have had: externalId from the object id, userName, displayName. */
const namesIn = (target: ProvisionedIdentity, source: ProvisionedIdentity): readonly string[] =>
	[target?.id, source?.id, source?.details?.UserPrincipalName, target?.displayName, source?.displayName].filter(
		(name) => typeof name === 'string',
	)

function failuresText(failed: readonly ExplainedFailure[] | 'no license'): string {
	if (failed === 'no license') {
		return 'Entra shows no log of provisioning: the directory needs Entra ID P1, and you the role Reports Reader or more.'
	}
	if (failed.length === 0) return `No failure is in the newest ${read} entries of Entra's log.`
	const rows = failed.map(({ who, when, action, code, reason }) => [who, when, action, code, reason])
	const [heading = '', ...lines] = table([['WHO', 'WHEN', 'ACTION', 'CODE', 'WHAT ENTRA SAYS'], ...rows]).split('\n')
	return [
		heading,
		...failed.flatMap(({ rollcall }, index) => [lines[index] ?? '', `  Rollcall: ${rollcall.sentence}`]),
	].join('\n')
}
