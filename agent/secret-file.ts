import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'
import { readText } from './config.ts'

/**
 * Reads a secret. Throws a UsageError if the file is missing, empty, not UTF-8 or readable by others.
 * Windows access lists are not checked.
 */
export function readSecret(file: string): string {
	const copy = credentialCopy(file)
	const secret = readText(
		copy ?? file,
		'The file must exist, and the user of the agent must be able to read it.',
	).trim()
	if (copy === undefined && process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
		throw new UsageError(`other users can read ${file}`, { hint: `chmod 600 ${file}` })
	if (secret === '') throw new UsageError(`${file} is empty`, { hint: 'Write only the secret into it.' })
	if (/[\0\ufffd]/.test(secret))
		throw new UsageError(`${file} is not UTF-8 text; it may be UTF-16`, {
			hint: '> and Out-File in PowerShell write UTF-16. Use Set-Content -Encoding ascii.',
		})
	return secret
}

/** Reads a secret for a header: one line of printable ASCII without spaces. Throws a UsageError otherwise. */
export function readToken(file: string): string {
	const token = readSecret(file)
	if (/^[\x21-\x7e]+$/.test(token)) return token
	throw new UsageError(`${file} contains more than a token: a space, a line break or a non-ASCII character`, {
		hint: 'Write only the token into it, on one line.',
	})
}

/**
 * The copy of the file that systemd made for the service, if there is one. The original may then belong to root.
 * The mode of a copy is not checked, because its access list appears as group bits. https://systemd.io/CREDENTIALS
 */
function credentialCopy(file: string): string | undefined {
	const folder = process.env.CREDENTIALS_DIRECTORY
	const copy = folder === undefined ? undefined : join(folder, credentialName(file))
	return copy !== undefined && existsSync(copy) ? copy : undefined
}

/** The file that is read for a secret: the copy of systemd if there is one. */
export const sourceOf = (file: string): string => credentialCopy(file) ?? file

/** Whether the file was changed after systemd made its copy, which only a restart of the service renews. */
export function isOutdated(file: string): boolean {
	const copy = credentialCopy(file)
	return copy !== undefined && existsSync(file) && statSync(file).mtimeMs > statSync(copy).mtimeMs
}

/** The name of systemd's copy. It contains the path, so that changed settings never read the copy of another file. */
export const credentialName = (file: string): string => encodeURIComponent(file)

const secretSettings: ReadonlySet<string> = new Set(['keyFile', 'tokenFile', 'proxyPasswordFile'])

/** The files that the settings name: `secret` with a key or token, `open` the others. */
export function filesOf(settings: object): { readonly secret: readonly string[]; readonly open: readonly string[] } {
	const entries: (readonly [string, string])[] = []
	JSON.stringify(settings, (name, value: unknown) => {
		if (name.endsWith('File') && typeof value === 'string') entries.push([name, value])
		if (name === 'pins' && Array.isArray(value)) for (const file of value) entries.push([name, file])
		return value
	})
	const isSecret = ([name]: readonly [string, string]) => secretSettings.has(name)
	return {
		secret: [...new Set(entries.filter(isSecret).map(([, file]) => file))],
		open: [...new Set(entries.filter((entry) => !isSecret(entry)).map(([, file]) => file))],
	}
}
