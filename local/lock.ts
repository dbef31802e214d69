import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, explained, UsageError } from '../shared/cli/usage-error.ts'

/**
 * Creates a folder if it is missing, and locks it until the result is called. The lock of a dead process does not count.
 *
 * @throws UsageError if the folder cannot be written, or if another process has locked it
 */
export function lockFolder(folder: string): Promise<() => Promise<void>> {
	return explained(`the folder ${folder} cannot be written`, 'choose another one with --data', async () => {
		// The folder holds personal data. Only its owner may read it.
		await mkdir(folder, { recursive: true, mode: 0o700 })
		const path = join(folder, 'lock')
		await takeLock(
			path,
			(owner) =>
				new UsageError(`process ${owner} already serves the folder ${folder}`, {
					hint: `stop it, choose another folder with --data, or delete ${path} if it is another program`,
				}),
		)
		return () => rm(path, { force: true })
	})
}

/**
 * Creates a file that names this process. The file of a dead process does not count.
 *
 * @param refusal makes the error to throw if another process has the lock
 */
export async function takeLock(path: string, refusal: (owner: number) => Error): Promise<void> {
	try {
		await writeFile(path, String(process.pid), { flag: 'wx' })
	} catch (error) {
		if (codeOf(error) !== 'EEXIST') throw error
		const owner = Number(await readFile(path, 'utf8'))
		if (isAnother(owner)) throw refusal(owner)
		await writeFile(path, String(process.pid))
	}
}

/** The process that has locked a folder; undefined if no other process has. */
export async function lockOwner(folder: string): Promise<number | undefined> {
	try {
		const owner = Number(await readFile(join(folder, 'lock'), 'utf8'))
		return isAnother(owner) ? owner : undefined
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined
		throw error
	}
}

/** Says whether another process runs under this pid. Our own pid does not count: in a container, a dead process had it too. */
function isAnother(pid: number): boolean {
	if (pid === process.pid || !(pid > 0)) return false
	try {
		return process.kill(pid, 0)
	} catch (error) {
		// EPERM: the process runs under another account.
		return codeOf(error) === 'EPERM'
	}
}
