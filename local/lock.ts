import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, explained, UsageError } from '../shared/cli/usage-error.ts'

/**
 * Makes a folder where it is missing and keeps other processes of ours out of it until the result is called. The lock of a
 * process that is gone does not count.
 *
 * @throws UsageError for a folder that cannot be written, or that another process has
 */
export function lockFolder(folder: string): Promise<() => Promise<void>> {
	return explained(`the folder ${folder} cannot be written`, 'choose another one with --data', async () => {
		// Only its owner is to see who is provisioned.
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
 * Makes a file that names this process. One of a process that is gone does not count.
 *
 * @param refusal what to throw where another process has it
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

/** Whether a process runs that is not this one, which may have the number of one that is gone: in a container all have. */
function isAnother(pid: number): boolean {
	if (pid === process.pid || !(pid > 0)) return false
	try {
		return process.kill(pid, 0)
	} catch (error) {
		// EPERM: it runs under another account.
		return codeOf(error) === 'EPERM'
	}
}
