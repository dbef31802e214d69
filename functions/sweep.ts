import { Fault, loggable } from '../shared/fault.ts'
import type { GuardReport } from '../shared/storage/guard.ts'
import { formatProblem, type TenantFormat } from '../shared/tenants/format.ts'
import { indexProblem } from '../shared/tenants/index-definition.ts'
import { settingsProblem } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { EndingCredential } from './ending-credentials.ts'
import type { Services } from './services.ts'

/** The interval of sweeps, in milliseconds. Reads are correct without a sweep; a sweep only removes leftovers. */
export const sweepEvery = 15 * 60_000

/** The longest time of one round, in milliseconds. It is shorter than the function timeout in host.json. */
const roundLimit = 150_000

/** The result of a sweep of one tenant, or the errors that leave the rest to the next round. */
export type SweepEvent = {
	readonly event: 'sweep'
	readonly tenant: string
	readonly finished: number
	readonly feedEntriesRemoved: number
	/** The format that the tenant's data has come to in this round. */
	readonly format?: number
	readonly formatStage?: TenantFormat['stage']
	/** How many users were looked at to fill the tenant's own indexes. */
	readonly indexed?: number
	/** The credentials that end within two weeks. They are looked for once in six hours. */
	readonly endingCredentials?: readonly EndingCredential[]
	/** What the tenant has lost in the last hour, if that is more than is allowed. */
	readonly guard?: GuardReport
	readonly milliseconds: number
	readonly errors: readonly unknown[]
}

type SweepServices = Pick<Services, 'now' | 'sweep' | 'advanceFormat' | 'advanceIndexes' | 'endingCredentials'> & {
	readonly tenants: Pick<Services['tenants'], 'listTenants'>
}

/**
 * Sweeps the directories one after another while there is time. A tenant that fails does not stop the others. Neither does
 * a tenant that takes all the time, because each round begins with another tenant. A tenant of mode relay has no directory
 * here: its sweep is logged only if its format has changed or something failed.
 *
 * @throws Fault if the tenants cannot be listed
 */
export async function sweepAll(services: SweepServices, log: (event: SweepEvent) => void): Promise<void> {
	const started = services.now()
	const until = started + roundLimit
	const tenants = await services.tenants.listTenants().catch((error: unknown) => {
		throw loggable(error)
	})
	const round = Math.floor(started / sweepEvery)
	const inTurn = rotated(tenants, round)
	const look = round % roundsBetweenLooks === 0
	const indexed = inTurn.filter(hasIndexAtWork)
	const sweptUntil = indexed.length === 0 ? until : until - indexShare
	for (const tenant of inTurn) {
		if (services.now() >= sweptUntil) break
		const event = { ...(await sweepOne(services, tenant, sweptUntil)), ...(look && (await endingOf(services, tenant))) }
		if (isToldOf(tenant, event)) log(event)
	}
	for (const [index, tenant] of indexed.entries()) {
		const left = until - services.now()
		if (left <= 0) return
		const event = await advanceOne(services, tenant, services.now() + left / (indexed.length - index))
		if (event.indexed !== undefined || event.errors.length > 0) log(event)
	}
}

/** Credentials that end are looked for in one of so many rounds: once in six hours. */
const roundsBetweenLooks = 24

/** A tenant of mode relay has no directory here, so most of its sweeps say nothing. */
const isToldOf = ({ mode }: Tenant, { format, endingCredentials, errors }: SweepEvent): boolean =>
	mode === 'store' || format !== undefined || endingCredentials !== undefined || errors.length > 0

/** The credentials that end, if there are any. If they cannot be read, the next look tells of them. */
async function endingOf(services: SweepServices, tenant: Tenant): Promise<Pick<SweepEvent, 'endingCredentials'>> {
	const endingCredentials = await services.endingCredentials(tenant).catch(() => [])
	return endingCredentials.length === 0 ? {} : { endingCredentials }
}

/** Milliseconds that a round keeps for indexes that are being filled or removed. All other work comes first. */
const indexShare = 45_000

const hasIndexAtWork = (tenant: Tenant): boolean =>
	tenant.indexes !== 'unknown' &&
	problemOf(tenant) === undefined &&
	tenant.indexes.some(({ stage }) => stage !== 'complete')

/** Why this app must leave a tenant unchanged; undefined if it need not. */
const problemOf = (tenant: Tenant): string | undefined =>
	formatProblem(tenant.format) ?? settingsProblem(tenant) ?? indexProblem(tenant.indexes)

/** Takes the indexes of a tenant further. All tenants share the time that the round has left. */
async function advanceOne(services: SweepServices, tenant: Tenant, until: number): Promise<SweepEvent> {
	const { now, advanceIndexes } = services
	const started = now()
	const event = { event: 'sweep', tenant: tenant.name, finished: 0, feedEntriesRemoved: 0 } as const
	try {
		const users = await advanceIndexes(tenant, until)
		return { ...event, ...(users > 0 && { indexed: users }), milliseconds: now() - started, errors: [] }
	} catch (error) {
		return { ...event, milliseconds: now() - started, errors: [loggable(error)] }
	}
}

/** Starts at another item in each round. Steps of the golden ratio soon come close to every item, for any number of items. */
function rotated<T>(items: readonly T[], round: number): readonly T[] {
	const start = Math.floor(((round * 0.618_034) % 1) * items.length)
	return [...items.slice(start), ...items.slice(0, start)]
}

async function sweepOne(services: SweepServices, tenant: Tenant, until: number): Promise<SweepEvent> {
	const { now } = services
	const started = now()
	const problem = problemOf(tenant)
	const outcome = problem === undefined ? await sweepTenant(services, tenant, until) : failed(new Fault(problem))
	const { failures, ...done } = outcome
	return { event: 'sweep', tenant: tenant.name, ...done, milliseconds: now() - started, errors: failures.map(loggable) }
}

type TenantSweep = Pick<SweepEvent, 'finished' | 'feedEntriesRemoved' | 'guard' | 'format' | 'formatStage'> & {
	readonly failures: readonly unknown[]
}

const failed = (error: unknown): TenantSweep => ({ finished: 0, feedEntriesRemoved: 0, failures: [error] })

async function sweepTenant(
	{ sweep, advanceFormat }: SweepServices,
	tenant: Tenant,
	until: number,
): Promise<TenantSweep> {
	const swept = await sweep(tenant, until).catch(failed)
	const failures: unknown[] = [...swept.failures]
	try {
		const format = await advanceFormat(tenant, until, (problem) => failures.push(problem))
		return { ...swept, failures, ...(format && { format: format.number, formatStage: format.stage }) }
	} catch (error) {
		return { ...swept, failures: [...failures, error] }
	}
}
