import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'
import { type Config, readText } from './config.ts'

/** Reads a file that only its owner may read. Windows keeps no such bits; its access lists are not looked at. */
export function readSecret(file: string): string {
	const given = handedOver(file)
	const secret = readText(given ?? file, 'It must exist and be readable by the user that the agent runs as.').trim()
	if (given === undefined && process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
		throw new UsageError(`${file} can be read by others`, { hint: `chmod 600 ${file}` })
	if (secret === '') throw new UsageError(`${file} is empty`, { hint: 'Write the secret into it, and nothing else.' })
	if (/[\0\ufffd]/.test(secret))
		throw new UsageError(`${file} is no text in UTF-8; it may be in UTF-16`, {
			hint: 'PowerShell writes UTF-16 with > and Out-File: write the secret by Set-Content -Encoding ascii.',
		})
	return secret
}

/** Reads a secret that goes into a header: one line without spaces. */
export function readToken(file: string): string {
	const token = readSecret(file)
	if (/^[\x21-\x7e]+$/.test(token)) return token
	throw new UsageError(`${file} has more in it than a token: a space, a line break or a letter beyond ASCII`, {
		hint: 'Write the token into it, in one line and nothing else.',
	})
}

/**
 * systemd gives the service copies of such files, which can then belong to root. It guards the folder, and shows its
 * access lists as bits of a group. https://systemd.io/CREDENTIALS
 */
function handedOver(file: string): string | undefined {
	const folder = process.env.CREDENTIALS_DIRECTORY
	const copy = folder === undefined ? undefined : join(folder, credentialName(file))
	return copy !== undefined && existsSync(copy) ? copy : undefined
}

/** The name of the copy tells which file it is of: settings that name another one must not find it. */
export const credentialName = (file: string): string => encodeURIComponent(file)

/** The files that the settings name: those with a secret, and the others. */
export function filesOf(config: Config): { readonly secret: readonly string[]; readonly open: readonly string[] } {
	const named: (readonly [string, string])[] = []
	JSON.stringify(config, (name, value: unknown) => {
		if (name.endsWith('File') && typeof value === 'string') named.push([name, value])
		return value
	})
	const isSecret = ([name]: readonly [string, string]) => name === 'keyFile' || name === 'tokenFile'
	return {
		secret: [...new Set(named.filter(isSecret).map(([, file]) => file))],
		open: [...new Set(named.filter((each) => !isSecret(each)).map(([, file]) => file))],
	}
}
