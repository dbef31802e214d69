import type { OwnIndex } from '../scim/resource-type.ts'
import { type IndexDefinition, ownIndexOf } from './index-definition.ts'
import type { Tenant, Tenants } from './tenants.ts'

export type IndexWork = {
	readonly tenants: Pick<Tenants, 'updateIndexes'>
	/** Fills an index from a position on: the position and the users that it has come to; no position if it is full. */
	readonly fill: (tenant: Tenant, index: OwnIndex, step: FillTime) => Promise<FillStep>
	/** Removes the rows of an index, and answers whether none is left. */
	readonly clear: (tenant: Tenant, index: OwnIndex, until: number) => Promise<boolean>
	/** The name of this process. Another process that is at work is left alone. */
	readonly worker: string
	/** Whether no other process serves the tenant, so that there is nothing to wait for. */
	readonly isAlone: boolean
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** When to stop, in milliseconds since 1970. What is left is for the next time. */
	readonly until: number
}

type FillTime = { readonly position: string; readonly until: number }
type FillStep = { readonly position: string | undefined; readonly users: number }

/** How long a stage lasts at least that other instances must know of. shared/tenants/advance-format.ts has the reasons. */
const stageLasts = 10 * 60_000

/** A process that has said nothing for so long is taken to be dead. It says something once in 20 seconds. */
const worksFor = 120_000
export const sayEvery = 20_000

/** When the next stage of an index may begin, in milliseconds since 1970; undefined if the stage has no end of its own. */
export function dueAt({ stage, since }: IndexDefinition, isAlone: boolean): number | undefined {
	if (stage === 'complete') return undefined
	return isAlone || stage === 'filling' ? since : since + stageLasts
}

/**
 * Takes each index of a tenant further, as far as it is due and time permits. It may run beside itself, and may die at any
 * point. Answers how many users it has looked at.
 *
 * @throws ScimError 503 if the table service stays away
 */
export async function advanceIndexes(work: IndexWork, tenant: Tenant): Promise<number> {
	let users = 0
	for (const { name } of tenant.indexes === 'unknown' ? [] : tenant.indexes) {
		for (let step = await advance(work, tenant, name); step !== undefined; step = await advance(work, tenant, name)) {
			users += step
		}
	}
	return users
}

/** One step of one index; answers the users that it has looked at, or undefined if nothing is due or no time is left. */
async function advance(work: IndexWork, tenant: Tenant, name: string): Promise<number | undefined> {
	const { now, until, worker } = work
	if (now() >= until) return undefined
	const begun = await change(work, tenant, name, (index) => {
		const due = dueAt(index, work.isAlone)
		if (due === undefined || now() < due || isAnothersWork(work, index)) return undefined
		const next = { ...index, worker, worked: now() }
		if (index.stage === 'announced') return { ...next, stage: 'filling', since: now() }
		return index.stage === 'leaving' ? { ...next, stage: 'removing', since: now() } : next
	})
	if (begun === undefined || (dueAt(begun, work.isAlone) ?? 0) > now()) return undefined
	return begun.stage === 'filling' ? fillOn(work, tenant, begun) : clearOn(work, tenant, begun)
}

const isAnothersWork = ({ worker, now }: IndexWork, index: IndexDefinition): boolean =>
	index.worker !== '' && index.worker !== worker && now() - index.worked < worksFor

async function fillOn(work: IndexWork, tenant: Tenant, index: IndexDefinition): Promise<number> {
	const { now, until } = work
	const span = { position: index.position, until: Math.min(until, now() + sayEvery) }
	const { position, users } = await work.fill(tenant, ownIndexOf(index), span)
	await change(work, tenant, index.name, (current) => {
		// Another process may have taken over from one that it took for dead: then its word counts.
		if (current.stage !== 'filling' || current.worker !== work.worker) return undefined
		const filled = { ...current, users: current.users + users, worked: now() }
		if (position !== undefined) return { ...filled, position }
		return { ...filled, position: '', worker: '', stage: 'complete', since: now() }
	})
	return users
}

async function clearOn(work: IndexWork, tenant: Tenant, index: IndexDefinition): Promise<number> {
	const until = Math.min(work.until, work.now() + sayEvery)
	const isCleared = await work.clear(tenant, ownIndexOf(index), until)
	await change(work, tenant, index.name, (current) => {
		if (current.stage !== 'removing' || current.worker !== work.worker) return undefined
		return isCleared ? 'gone' : { ...current, worked: work.now() }
	})
	return 0
}

/** Changes one index in the tenant's row, unless `revise` answers undefined; answers the index as it is then. */
async function change(
	{ tenants }: IndexWork,
	{ name: tenant, table }: Tenant,
	name: string,
	revise: (index: IndexDefinition) => IndexDefinition | 'gone' | undefined,
): Promise<IndexDefinition | undefined> {
	let changed: IndexDefinition | undefined
	await tenants.updateIndexes(tenant, (indexes, current) => {
		const index = indexes.find((each) => each.name === name)
		const revised = current.table === table && index !== undefined ? revise(index) : undefined
		changed = revised === 'gone' ? undefined : revised
		if (revised === undefined) return undefined
		return indexes.flatMap((each) => (each === index ? (revised === 'gone' ? [] : [revised]) : [each]))
	})
	return changed
}
