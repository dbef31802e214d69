import { promisify } from 'node:util'
import { type AsyncZippable, type AsyncZippableFile, zip } from 'fflate'

/** A file of an archive, by its name. */
export type ArchiveFiles = Readonly<Record<string, { readonly content: Buffer; readonly isProgram?: boolean }>>

const unix = 3
const regularFile = 0o100000

/**
 * A zip file, the same for the same files and time. The process must be in the time zone UTC: the times in a zip file are
 * local times. The bytes of fflate, which is JavaScript, are the same on every processor. Those of zlib are not.
 */
export async function archiveOf(files: ArchiveFiles, time: Date): Promise<Uint8Array> {
	const entries = Object.entries(files).map(([name, { content, isProgram = false }]): [string, AsyncZippableFile] => {
		const mode = regularFile | (isProgram ? 0o755 : 0o644)
		return [name, [content, { os: unix, attrs: (mode << 16) >>> 0, mtime: time, level: 6 }]]
	})
	return promisify<AsyncZippable, Uint8Array>(zip)(Object.fromEntries(entries))
}

/** Starts the agent with the Node of its folder, also by a link. */
export const linuxScript = `#!/bin/sh
folder=$(dirname "$(readlink -f "$0")")
exec "$folder/node" "$folder/main.cjs" "$@"
`

/** The same on Windows, with the line ends of Windows. */
export const windowsScript = '@"%~dp0node.exe" "%~dp0main.cjs" %*\r\n'
