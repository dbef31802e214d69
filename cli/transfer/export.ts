import type { Member, ResourceId, StoredResource } from '../../shared/scim/resource.ts'
import type { ResourceType } from '../../shared/scim/resource-type.ts'
import { positionOf } from '../../shared/storage/query/order.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { chunked, inParallel } from '../../shared/storage/table/parallel.ts'
import { typesOf } from '../../shared/tenants/resource-types.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import type { CommandEnvironment, TargetCommand } from '../command.ts'
import { Failure } from '../failure.ts'
import type { DeploymentTarget } from '../target.ts'
import { countsOf, storeTenantNamed } from '../tenant.ts'
import { declarationsOf } from './declarations.ts'
import { type ExportProgress, noProgress, openPartFile, type PartFile } from './part-file.ts'
import { withProgress } from './progress.ts'
import type { ExportCounts, ExportRecord } from './records.ts'
import { openSpool, type Spool } from './spool.ts'

export const exportTenant: TargetCommand =
	({ args: [name = ''], values: { out: file }, environment }) =>
	async (target) => {
		const tenant = await storeTenantNamed(target, name)
		if (file === undefined) {
			await writeRecords(target, tenant, { write: environment.out, progress: noProgress(), environment })
			return undefined
		}
		const part = await openPartFile(file, tenant)
		if (part.progress.began !== undefined) environment.err(continuing(part))
		try {
			const counts = await complete(target, tenant, { part, environment })
			return { text: `Exported ${inWords(counts)} to ${file}`, json: { name, file, ...counts } }
		} catch (error) {
			await part.abandon('kept')
			environment.err(`The part exported so far is in ${part.path}. Run the same command again to continue.\n`)
			throw error
		}
	}

const continuing = ({ path, progress: { began, counts } }: PartFile): string =>
	`Continuing ${path}, begun at ${began}. It keeps what was already read: ${inWords(counts)}.\n`

/**
 * Writes the whole current directory of a tenant to a new file. It does not continue an earlier export, because the
 * directory may have changed since then.
 */
export async function exportAnew(
	target: DeploymentTarget,
	tenant: Tenant,
	{ file, environment }: { readonly file: string; readonly environment: CommandEnvironment },
): Promise<ExportCounts> {
	const part = await openPartFile(file, tenant)
	if (part.progress.began !== undefined) {
		await part.abandon('kept')
		throw new Failure(`${part.path} is left from an interrupted export`, {
			hint: 'it may be out of date: delete it, or give another file with --out',
		})
	}
	try {
		return await complete(target, tenant, { part, environment })
	} catch (error) {
		await part.abandon('removed')
		throw error
	}
}

type ExportRun = { readonly part: PartFile; readonly environment: CommandEnvironment }

async function complete(
	target: DeploymentTarget,
	tenant: Tenant,
	{ part, environment }: ExportRun,
): Promise<ExportCounts> {
	const { progress, write } = part
	if (!progress.isComplete) await writeRecords(target, tenant, { write, progress, environment })
	await part.finish()
	return progress.counts
}

type RecordSink = {
	readonly write: (text: string) => Promise<void>
	/** How far the export has come. It is updated with every write. */
	readonly progress: ExportProgress
	readonly environment: CommandEnvironment
}

const writeRecords = (
	target: DeploymentTarget,
	tenant: Tenant,
	{ write, progress, environment }: RecordSink,
): Promise<void> =>
	withProgress(environment, async (show) => {
		const { users, groups } = await countsOf(target, tenant)
		for await (const lines of linesOf(target.open(tenant), tenant, progress)) {
			await write(lines)
			// Each group counts as two steps: its attributes and its members. An empty directory is done.
			const steps = progress.counts.users + progress.counts.groups + progress.groupsDone
			show(steps / (users + 2 * groups || 1), inWords(progress.counts))
		}
	})

/** The lines that are still missing from an export, in chunks of several lines. */
async function* linesOf(store: ResourceStore, tenant: Tenant, progress: ExportProgress): AsyncGenerator<string> {
	const { name, table } = tenant
	const types = typesOf(tenant)
	const { counts, groups } = progress
	if (progress.began === undefined) {
		const exported = new Date().toISOString()
		yield lineOf({ type: 'Export', format: 1, tenant: name, table, exported, ...declarationsOf(tenant) })
	}
	// Groups follow all users, and memberships follow all groups, even if other clients create resources during the export.
	if (counts.groups === 0) {
		for await (const page of pagesOf(store, types.User, progress.user)) {
			counts.users += page.length
			yield page.map((user) => lineOf({ type: 'User', ...contentOf(user) })).join('')
		}
	}
	if (!progress.hasAllGroups) {
		for await (const page of pagesOf(store, types.Group, groups.at(-1))) {
			counts.groups += page.length
			groups.push(...page.map(({ id }) => id))
			yield page.map((group) => lineOf({ type: 'Group', ...contentOf(group) })).join('')
		}
	}
	yield* membershipLinesOf(store, progress)
	yield lineOf({ type: 'End', ...counts })
}

async function* membershipLinesOf(store: ResourceStore, progress: ExportProgress): AsyncGenerator<string> {
	const spool = openSpool(spoolLength)
	try {
		for (const ids of chunked(progress.groups.slice(progress.groupsDone), groupsAtOnce)) {
			for (const pieces of await inParallel(ids, (id) => membershipsOf(store, id, spool))) {
				for (const { count, read } of pieces) {
					progress.counts.memberships += count
					yield await read()
				}
				progress.groupsDone++
			}
			await spool.clear()
		}
	} finally {
		await spool.close()
	}
}

const lineOf = (record: ExportRecord): string => `${JSON.stringify(record)}\n`

/** The number of groups that are read at once. */
const groupsAtOnce = 8
/** Characters of their lines that are kept in memory. */
const spoolLength = 16 * 2 ** 20
const pageSize = 500

/** All resources of a type in the order of their ids, starting after the one that was written last. */
export async function* pagesOf(
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
	id,
	attributes,
	created,
	lastModified,
})

type MembershipLines = { readonly count: number; readonly read: () => Promise<string> }

/**
 * The membership lines of a group; none if the group is gone. They are not written before all of them are read, because a
 * change may come in between. A group may have a million members, so the lines wait in the spool.
 */
async function membershipsOf(
	store: ResourceStore,
	group: ResourceId,
	spool: Spool,
): Promise<readonly MembershipLines[]> {
	const write = async (members: readonly Member[]): Promise<MembershipLines> => ({
		count: members.length,
		read: await spool.keep(
			members
				.map(({ value, display }) =>
					lineOf({ type: 'Membership', group, member: value, ...(display !== undefined && { display }) }),
				)
				.join(''),
		),
	})
	return (await store.getGroup(group, { write }))?.members ?? []
}

/** @example inWords({ users: 1, groups: 0 }) // '1 user, 0 groups' */
export const inWords = (counts: Partial<ExportCounts>): string =>
	Object.entries(counts)
		.map(([what, count]) => `${count.toLocaleString('en')} ${count === 1 ? what.slice(0, -1) : what}`)
		.join(', ')
