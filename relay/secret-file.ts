import { statSync } from 'node:fs'
import { UsageError } from '../shared/cli/usage-error.ts'
import { readText } from './config.ts'

/** Reads a file that only its owner may read. Windows keeps no such bits; its access lists are not looked at. */
export function readSecret(file: string): string {
	const secret = readText(file, 'It must exist and be readable by the user that the agent runs as.').trim()
	if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
		throw new UsageError(`${file} can be read by others`, { hint: `chmod 600 ${file}` })
	if (secret === '') throw new UsageError(`${file} is empty`, { hint: 'Write the secret into it, and nothing else.' })
	return secret
}
