import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { takeLock } from '../../local/lock.ts'
import { codeOf } from '../../shared/cli/usage-error.ts'
import type { ResourceId } from '../../shared/scim/resource.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { Failure } from '../failure.ts'
import { type ExportCounts, type ExportLine, recordsIn } from './records.ts'

/** How far an export has come. */
export type ExportProgress = {
	/** When it began; undefined where nothing is written yet. */
	began: string | undefined
	readonly counts: { -readonly [What in keyof ExportCounts]: number }
	/** The user that was written last. Users are written in the order of their ids, and so are the groups after them. */
	user: ResourceId | undefined
	/** The groups that were written; whether all are. */
	readonly groups: ResourceId[]
	areGroupsWhole: boolean
	/** Of how many of them the memberships are written, too. */
	groupsDone: number
	isWhole: boolean
}

export const nothing = (): ExportProgress => ({
	began: undefined,
	counts: { users: 0, groups: 0, memberships: 0 },
	user: undefined,
	groups: [],
	areGroupsWhole: false,
	groupsDone: 0,
	isWhole: false,
})

/** An export under way, in the file FILE.part, which is called FILE when it is whole. */
export type PartFile = {
	readonly path: string
	/** What an earlier attempt has come to. */
	readonly reached: ExportProgress
	write(text: string): Promise<void>
	finish(): Promise<void>
	/** Leaves it for another attempt, or takes it away. */
	abandon(fate: 'kept' | 'removed'): Promise<void>
}

/**
 * Opens the export of a tenant to a file, where an earlier attempt has ended: at any byte, however it was killed. The last
 * lines go where they may not be all of their kind: one without an end, and the memberships of the last group.
 *
 * @throws Failure where there is such a file, or what it is to go on with is no export of this tenant
 */
export async function openPartFile(file: string, tenant: Tenant): Promise<PartFile> {
	const path = `${file}.part`
	const lock = `${path}.lock`
	await refuseExisting(file)
	const written = writing(path, file)
	await written(() =>
		takeLock(lock, (owner) => {
			const hint = `wait for it, or delete ${lock} if that process is something else`
			return new Failure(`process ${owner} already writes ${path}`, { hint })
		}),
	)
	try {
		// Only its owner is to see who is provisioned, whoever has made the file.
		const handle = await written(() => open(path, 'a+', 0o600))
		try {
			await written(() => handle.chmod(0o600))
			const { reached, end } = await reachedIn(handle, { path, tenant })
			await written(() => handle.truncate(end))
			return {
				path,
				reached,
				write: (text) => written(() => handle.writeFile(text)),
				async finish() {
					await written(() => handle.sync())
					await handle.close()
					await refuseExisting(file)
					await written(() => rename(path, file))
					await rm(lock, { force: true })
				},
				async abandon(fate) {
					await handle.close()
					if (fate === 'removed') await rm(path, { force: true })
					await rm(lock, { force: true })
				},
			}
		} catch (error) {
			await handle.close()
			throw error
		}
	} catch (error) {
		await rm(lock, { force: true })
		throw error
	}
}

async function refuseExisting(file: string): Promise<void> {
	const isThere = await stat(file).then(
		() => true,
		(error: unknown) => codeOf(error) !== 'ENOENT',
	)
	if (isThere) throw new Failure(`${file} is there already`, { hint: 'name another file with --out' })
}

/** What the system refuses is nothing that anybody would look for in our code. */
const writing =
	(path: string, file: string) =>
	async <T>(work: () => Promise<T>): Promise<T> => {
		try {
			return await work()
		} catch (cause) {
			if (cause instanceof Failure) throw cause
			const hint = 'look at the folder and the room in it, or name another file with --out'
			const what = codeOf(cause) === 'ENOENT' ? file : path
			throw new Failure(`${what} cannot be written: ${reasonOf(cause)}`, { hint, cause })
		}
	}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

type ExportSource = { readonly path: string; readonly tenant: Tenant }

/** What an unfinished file has come to, and how much of it that is. */
async function reachedIn(
	handle: FileHandle,
	origin: ExportSource,
): Promise<{ readonly reached: ExportProgress; readonly end: number }> {
	const reached = nothing()
	let end = 0
	/** What may be only some of the memberships of a group. */
	let last: { readonly group: ResourceId; readonly begin: number; count: number } | undefined
	const hint = `delete ${origin.path}, and export again`
	for await (const line of recordsIn(handle, { name: origin.path, hint, isLoose: false })) {
		const { record } = line
		if (reached.began === undefined || record.type === 'Export') reached.began = beginningOf(line, origin)
		else if (record.type === 'User') {
			reached.counts.users++
			reached.user = record.id
		} else if (record.type === 'Group') {
			reached.counts.groups++
			reached.groups.push(record.id)
		} else if (record.type === 'Membership') {
			if (last?.group !== record.group) last = { group: record.group, begin: end, count: 0 }
			last.count++
			reached.counts.memberships++
			reached.areGroupsWhole = true
		} else {
			reached.isWhole = true
		}
		end = line.end
	}
	if (reached.isWhole || last === undefined) return { reached, end }
	reached.counts.memberships -= last.count
	reached.groupsDone = reached.groups.indexOf(last.group)
	if (reached.groupsDone === -1) throw new Failure(`${origin.path} has no line of the group ${last.group}`, { hint })
	return { reached, end: last.begin }
}

/** When the export began, if it is one of this tenant. */
function beginningOf({ number, record }: ExportLine, { path, tenant }: ExportSource): string {
	const hint = `delete ${path}, or name another file with --out`
	if (record.type !== 'Export' || number !== 1) throw new Failure(`${path} is not the beginning of an export`, { hint })
	if (record.tenant === tenant.name && record.table === tenant.table) return record.exported
	const whose = record.tenant === tenant.name ? `an earlier tenant ${tenant.name}` : `the tenant ${record.tenant}`
	throw new Failure(`${path} is the beginning of an export of ${whose}`, { hint })
}
