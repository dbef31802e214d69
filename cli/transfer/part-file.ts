import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { takeLock } from '../../local/lock.ts'
import { fileReason } from '../../shared/cli/file-reason.ts'
import { codeOf } from '../../shared/cli/usage-error.ts'
import type { ResourceId } from '../../shared/scim/resource.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { Failure } from '../failure.ts'
import { type ExportCounts, type ExportLine, recordsIn } from './records.ts'

/** The progress of an export. */
export type ExportProgress = {
	/** The time at which it began; undefined if nothing is written yet. */
	began: string | undefined
	readonly counts: { -readonly [What in keyof ExportCounts]: number }
	/** The last user that was written. Users are written in the order of their ids; groups follow in the order of theirs. */
	user: ResourceId | undefined
	/** The groups that were written. `hasAllGroups` says whether all of them are. */
	readonly groups: ResourceId[]
	hasAllGroups: boolean
	/** The number of groups whose memberships are written too. */
	groupsDone: number
	isComplete: boolean
}

export const noProgress = (): ExportProgress => ({
	began: undefined,
	counts: { users: 0, groups: 0, memberships: 0 },
	user: undefined,
	groups: [],
	hasAllGroups: false,
	groupsDone: 0,
	isComplete: false,
})

/** An export in progress. It is in the file FILE.part, which is renamed to FILE when it is complete. */
export type PartFile = {
	readonly path: string
	/** The progress of earlier attempts. */
	readonly progress: ExportProgress
	write(text: string): Promise<void>
	finish(): Promise<void>
	/** Closes the file and keeps it for another attempt, or removes it. */
	abandon(fate: 'kept' | 'removed'): Promise<void>
}

/**
 * Opens the export of a tenant at the point where an earlier attempt ended. The attempt may have been killed at any byte, so
 * lines that may be incomplete are removed: a last line without an end, and the memberships of the last group.
 *
 * @throws Failure if FILE already exists, or if FILE.part is not an export of this tenant
 */
export async function openPartFile(file: string, tenant: Tenant): Promise<PartFile> {
	const path = `${file}.part`
	const lock = `${path}.lock`
	await refuseExisting(file)
	const reporting = failureReporter(path, file)
	await reporting(() =>
		takeLock(lock, (owner) => {
			const hint = `wait for that process, or delete ${lock} if it is another program`
			return new Failure(`process ${owner} already writes ${path}`, { hint })
		}),
	)
	try {
		// The file holds personal data. Only its owner may read it, even if another program has created it.
		const handle = await reporting(() => open(path, 'a+', 0o600))
		try {
			await reporting(() => handle.chmod(0o600))
			const { progress, end } = await progressIn(handle, { path, tenant })
			await reporting(() => handle.truncate(end))
			return {
				path,
				progress,
				write: (text) => reporting(() => handle.writeFile(text)),
				async finish() {
					await reporting(() => handle.sync())
					await handle.close()
					await refuseExisting(file)
					await reporting(() => rename(path, file))
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
	if (isThere) throw new Failure(`${file} already exists`, { hint: 'give another file with --out' })
}

/** Turns an error of the file system into a Failure, because it is not a bug in rollcall. */
const failureReporter =
	(path: string, file: string) =>
	async <T>(work: () => Promise<T>): Promise<T> => {
		try {
			return await work()
		} catch (cause) {
			if (cause instanceof Failure) throw cause
			const hint = 'check the folder and its free space, or give another file with --out'
			if (codeOf(cause) === 'ENOENT') {
				throw new Failure(`${file} cannot be written: there is no such folder`, { hint, cause })
			}
			throw new Failure(`${path} cannot be written: ${fileReason(cause)}`, { hint, cause })
		}
	}

type ExportSource = { readonly path: string; readonly tenant: Tenant }

/** Reads the progress of an unfinished file. `end` is the byte up to which the file is kept. */
async function progressIn(
	handle: FileHandle,
	origin: ExportSource,
): Promise<{ readonly progress: ExportProgress; readonly end: number }> {
	const progress = noProgress()
	let end = 0
	/** The last group, whose memberships may be incomplete. */
	let last: { readonly group: ResourceId; readonly begin: number; count: number } | undefined
	const hint = `delete ${origin.path} and export again`
	for await (const line of recordsIn(handle, { name: origin.path, hintAt: () => hint, isLoose: false })) {
		const { record } = line
		if (progress.began === undefined || record.type === 'Export') progress.began = startOf(line, origin)
		else if (record.type === 'User') {
			progress.counts.users++
			progress.user = record.id
		} else if (record.type === 'Group') {
			progress.counts.groups++
			progress.groups.push(record.id)
		} else if (record.type === 'Membership') {
			if (last?.group !== record.group) last = { group: record.group, begin: end, count: 0 }
			last.count++
			progress.counts.memberships++
			progress.hasAllGroups = true
		} else {
			progress.isComplete = true
		}
		end = line.end
	}
	if (progress.isComplete || last === undefined) return { progress, end }
	progress.counts.memberships -= last.count
	progress.groupsDone = progress.groups.indexOf(last.group)
	if (progress.groupsDone === -1) throw new Failure(`${origin.path} has no line for the group ${last.group}`, { hint })
	return { progress, end: last.begin }
}

/** The time at which the export began. Throws a Failure if it is not an export of this tenant. */
function startOf({ number, record }: ExportLine, { path, tenant }: ExportSource): string {
	const hint = `delete ${path}, or give another file with --out`
	if (record.type !== 'Export' || number !== 1) throw new Failure(`${path} is not the beginning of an export`, { hint })
	if (record.tenant === tenant.name && record.table === tenant.table) return record.exported
	const whose = record.tenant === tenant.name ? `an earlier tenant ${tenant.name}` : `the tenant ${record.tenant}`
	throw new Failure(`${path} is the beginning of an export of ${whose}`, { hint })
}
