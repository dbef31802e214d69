import type { Member, ResourceId, StoredResource } from '../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../shared/scim/resource-type.ts'
import { positionOf } from '../../shared/storage/query/order.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { chunked, inParallel } from '../../shared/storage/table/parallel.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import type { AtPlace, Surroundings } from '../command.ts'
import { Failure } from '../failure.ts'
import type { Place } from '../place.ts'
import { countsOf, storeTenantNamed } from '../tenant.ts'
import { nothing, openPart, type Part, type Reached } from './part.ts'
import { withProgress } from './progress.ts'
import type { Counts, ExportRecord } from './records.ts'

export const exportTenant: AtPlace =
	({ args: [name = ''], values: { out: file }, surroundings }) =>
	async (place) => {
		const tenant = await storeTenantNamed(place, name)
		if (file === undefined) {
			await writeRecords(place, tenant, { write: surroundings.out, reached: nothing(), surroundings })
			return undefined
		}
		const part = await openPart(file, tenant)
		if (part.reached.began !== undefined) surroundings.err(goingOn(part))
		try {
			const counts = await complete(place, tenant, { part, surroundings })
			return { text: `Exported ${inWords(counts)} to ${file}`, json: { name, file, ...counts } }
		} catch (error) {
			await part.abandon('kept')
			surroundings.err(`What is exported so far is in ${part.path}; the same command goes on from there.\n`)
			throw error
		}
	}

const goingOn = ({ path, reached: { began, counts } }: Part): string =>
	`Going on with ${path}, which was begun at ${began}. What it has stays as it was read: ${inWords(counts)}.\n`

/**
 * Writes all of a tenant's directory to a new file, as it is now: what an earlier export has left is not gone on with, since
 * what it has read before may have changed.
 */
export async function exportAnew(
	place: Place,
	tenant: Tenant,
	{ file, surroundings }: { readonly file: string; readonly surroundings: Surroundings },
): Promise<Counts> {
	const part = await openPart(file, tenant)
	if (part.reached.began !== undefined) {
		await part.abandon('kept')
		throw new Failure(`${part.path} is what an export has left that was interrupted`, {
			hint: 'it may be out of date: delete it, or name another file with --out',
		})
	}
	try {
		return await complete(place, tenant, { part, surroundings })
	} catch (error) {
		await part.abandon('removed')
		throw error
	}
}

type Completing = { readonly part: Part; readonly surroundings: Surroundings }

async function complete(place: Place, tenant: Tenant, { part, surroundings }: Completing): Promise<Counts> {
	const { reached, write } = part
	if (!reached.isWhole) await writeRecords(place, tenant, { write, reached, surroundings })
	await part.finish()
	return reached.counts
}

type Writing = {
	readonly write: (text: string) => Promise<void>
	/** What is written already; brought up to date on the way. */
	readonly reached: Reached
	readonly surroundings: Surroundings
}

const writeRecords = (place: Place, tenant: Tenant, { write, reached, surroundings }: Writing): Promise<void> =>
	withProgress(surroundings, async (show) => {
		const { users, groups } = await countsOf(place, tenant)
		for await (const lines of linesOf(place.open(tenant), tenant, reached)) {
			await write(lines)
			// Each group is a step twice: with its attributes, and with its members. A directory without anybody is done.
			const steps = reached.counts.users + reached.counts.groups + reached.groupsDone
			show(steps / (users + 2 * groups || 1), inWords(reached.counts))
		}
	})

/** The lines of a directory behind those that were reached before, some at a time. */
async function* linesOf(store: ResourceStore, { name, table }: Tenant, reached: Reached): AsyncGenerator<string> {
	const { counts, groups } = reached
	if (reached.began === undefined) {
		yield lineOf({ type: 'Export', format: 1, tenant: name, table, exported: new Date().toISOString() })
	}
	// Whatever was made meanwhile, groups come when there are no more users, and memberships when there are no more groups.
	if (counts.groups === 0) {
		for await (const page of pagesOf(store, userType, reached.user)) {
			counts.users += page.length
			yield page.map((user) => lineOf({ type: 'User', ...contentOf(user) })).join('')
		}
	}
	if (!reached.areGroupsWhole) {
		for await (const page of pagesOf(store, groupType, groups.at(-1))) {
			counts.groups += page.length
			groups.push(...page.map(({ id }) => id))
			yield page.map((group) => lineOf({ type: 'Group', ...contentOf(group) })).join('')
		}
	}
	for (const ids of chunked(groups.slice(reached.groupsDone), groupsAtOnce)) {
		for (const pages of await inParallel(ids, (id) => membershipsOf(store, id))) {
			for (const { count, lines } of pages) {
				counts.memberships += count
				yield lines
			}
			reached.groupsDone++
		}
	}
	yield lineOf({ type: 'End', ...counts })
}

const lineOf = (record: ExportRecord): string => `${JSON.stringify(record)}\n`

/** The lines of so many groups are in memory. */
const groupsAtOnce = 8
const pageSize = 500

/** All resources of a type in the order of their ids, behind the one that was written last. */
async function* pagesOf(
	store: ResourceStore,
	type: ResourceType,
	last: ResourceId | undefined,
): AsyncGenerator<readonly StoredResource[]> {
	let after: string | undefined = last === undefined ? '' : positionOf({ key: '', id: last })
	while (after !== undefined) {
		const page: Awaited<ReturnType<ResourceStore['query']>> = await store.query(type, {
			page: { after, count: pageSize },
		})
		yield page.resources
		after = page.next
	}
}

const contentOf = ({ id, attributes, created, lastModified }: StoredResource) => ({
	...{ id, attributes, created, lastModified },
})

type Memberships = { readonly count: number; readonly lines: string }

/** As text, since a group may have a million members; none where the group is gone. */
async function membershipsOf(store: ResourceStore, group: ResourceId): Promise<readonly Memberships[]> {
	const write = (members: readonly Member[]): Memberships => ({
		count: members.length,
		lines: members
			.map(({ value, display }) =>
				lineOf({ type: 'Membership', group, member: value, ...(display !== undefined && { display }) }),
			)
			.join(''),
	})
	return (await store.getGroup(group, { write }))?.members ?? []
}

/** @example inWords({ users: 1, groups: 0 }) // '1 user, 0 groups' */
export const inWords = (counts: Partial<Counts>): string =>
	Object.entries(counts)
		.map(([what, count]) => `${count.toLocaleString('en')} ${count === 1 ? what.slice(0, -1) : what}`)
		.join(', ')
