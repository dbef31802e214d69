import { open, rm } from 'node:fs/promises'
import { codeOf } from '../../shared/cli/usage-error.ts'
import type { StoredResource } from '../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../shared/scim/resource-type.ts'
import { chunked, inParallel } from '../../shared/storage/parallel.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import type { Tenant } from '../../shared/storage/tenants.ts'
import type { AtPlace, Surroundings } from '../command.ts'
import { Failure } from '../failure.ts'
import type { Place } from '../place.ts'
import { countsOf, storeTenantNamed } from '../tenant.ts'
import { withProgress } from './progress.ts'
import type { Counts, ExportRecord } from './records.ts'

export const exportTenant: AtPlace =
	({ args: [name = ''], values: { out: file }, surroundings }) =>
	async (place) => {
		const tenant = await storeTenantNamed(place, name)
		if (file === undefined) {
			await writeRecords(place, tenant, { write: async (text) => surroundings.out(text), surroundings })
			return undefined
		}
		const counts = await exportToFile(place, tenant, { file, surroundings })
		return { text: `Exported ${inWords(counts)} to ${file}`, json: { name, file, ...counts } }
	}

/** Writes all of a tenant's directory to a new file, which is its owner's alone to read. */
export async function exportToFile(
	place: Place,
	tenant: Tenant,
	{ file, surroundings }: { readonly file: string; readonly surroundings: Surroundings },
): Promise<Counts> {
	const handle = await open(file, 'wx', 0o600).catch((cause: unknown) => {
		const isThere = codeOf(cause) === 'EEXIST'
		const problem = isThere
			? 'is there already'
			: `cannot be written: ${cause instanceof Error ? cause.message : cause}`
		throw new Failure(`${file} ${problem}`, { hint: 'name another file with --out', cause })
	})
	try {
		const write = async (text: string): Promise<void> => {
			await handle.writeFile(text)
		}
		const counts = await writeRecords(place, tenant, { write, surroundings })
		await handle.sync()
		await handle.close()
		return counts
	} catch (error) {
		await handle.close()
		await rm(file)
		throw error
	}
}

type Writing = { readonly write: (text: string) => Promise<void>; readonly surroundings: Surroundings }

const writeRecords = (place: Place, tenant: Tenant, { write, surroundings }: Writing): Promise<Counts> =>
	withProgress(surroundings, async (show) => {
		const { users, groups } = await countsOf(place, tenant)
		const walk: Walk = { counts: { users: 0, groups: 0, memberships: 0 }, steps: 0 }
		for await (const records of recordsOf(place.open(tenant), tenant.name, walk)) {
			for (const chunk of chunked(records, batch)) {
				await write(chunk.map((record) => `${JSON.stringify(record)}\n`).join(''))
			}
			// Each group is a step twice: with its attributes, and with its members. A directory without anybody is done.
			show(walk.steps / (users + 2 * groups || 1), inWords(walk.counts))
		}
		return walk.counts
	})

/** What a walk through a directory has come by. */
type Walk = { readonly counts: { -readonly [What in keyof Counts]: number }; steps: number }

/** Records are written so many at a time. */
const batch = 500

/** The records of a directory, which are counted on the way. */
async function* recordsOf(store: ResourceStore, tenant: string, walk: Walk): AsyncGenerator<readonly ExportRecord[]> {
	const { counts } = walk
	yield [{ type: 'Export', format: 1, tenant, exported: new Date().toISOString() }]
	for await (const users of pagesOf(store, userType)) {
		counts.users += users.length
		walk.steps += users.length
		yield users.map((user) => ({ type: 'User', ...recordOf(user) }))
	}
	const groupIds: StoredResource['id'][] = []
	for await (const groups of pagesOf(store, groupType)) {
		counts.groups += groups.length
		walk.steps += groups.length
		groupIds.push(...groups.map(({ id }) => id))
		yield groups.map((group) => ({ type: 'Group', ...recordOf(group) }))
	}
	for (const ids of chunked(groupIds, groupsAtOnce)) {
		for (const memberships of await inParallel(ids, (id) => membershipsOf(store, id))) {
			counts.memberships += memberships.length
			walk.steps++
			yield memberships
		}
	}
	yield [{ type: 'End', ...counts }]
}

/** The members of so many groups are in memory. */
const groupsAtOnce = 8
const pageSize = 500

async function* pagesOf(store: ResourceStore, type: ResourceType): AsyncGenerator<readonly StoredResource[]> {
	let after: string | undefined = ''
	while (after !== undefined) {
		const page: Awaited<ReturnType<ResourceStore['query']>> = await store.query(type, {
			page: { after, count: pageSize },
		})
		yield page.resources
		after = page.next
	}
}

const recordOf = ({ id, attributes, created, lastModified }: StoredResource) => ({
	...{ id, attributes, created, lastModified },
})

async function membershipsOf(store: ResourceStore, group: StoredResource['id']): Promise<readonly ExportRecord[]> {
	const { members = [] } = (await store.get(groupType, group, { members: true })) ?? {}
	return members.map(({ value, display }) => ({
		...{ type: 'Membership', group, member: value },
		...(display !== undefined && { display }),
	}))
}

/** @example inWords({ users: 1, groups: 0 }) // '1 user, 0 groups' */
export const inWords = (counts: Partial<Counts>): string =>
	Object.entries(counts)
		.map(([what, count]) => `${count.toLocaleString('en')} ${count === 1 ? what.slice(0, -1) : what}`)
		.join(', ')
