import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, UsageError } from '../shared/cli/usage-error.ts'

/**
 * Keeps other processes from enrolling in the folder, until the returned function is called: two would mix their keys and
 * settings. Throws a UsageError if another process enrols there. The file of a process that has ended counts for nothing.
 */
export function lockEnrolment(folder: string): () => void {
	const file = join(folder, 'enrol.lock')
	if (!isMade(file)) {
		if (isHeld(file)) refuse(folder, file)
		rmSync(file, { force: true })
		if (!isMade(file)) refuse(folder, file)
	}
	return () => rmSync(file, { force: true })
}

function isMade(file: string): boolean {
	try {
		writeFileSync(file, String(process.pid), { flag: 'wx' })
		return true
	} catch (error) {
		if (codeOf(error) === 'EEXIST') return false
		throw error
	}
}

/** Whether the process that has made the file runs. A file without a number was made in this moment. */
function isHeld(file: string): boolean {
	try {
		const pid = Number(readFileSync(file, 'utf8'))
		return pid === 0 || process.kill(pid, 0)
	} catch (error) {
		// The process belongs to another user. Other errors say that the process or the file is gone.
		return codeOf(error) === 'EPERM'
	}
}

function refuse(folder: string, file: string): never {
	throw new UsageError(`another rollcall-relay enrol is running in ${folder}`, {
		hint: `Wait until it has ended. If there is none, delete ${file}.`,
	})
}
