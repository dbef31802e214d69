import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Keeps texts until they are needed. Beyond a size they are in a temporary file that no other process can find. */
export type Spool = {
	/** Keeps a text. The result reads it again. */
	keep(text: string): Promise<() => Promise<string>>
	/** Forgets all texts. */
	clear(): Promise<void>
	/** Ends the file. */
	close(): Promise<void>
}

/** @param maxLength characters that are kept in memory */
export function openSpool(maxLength: number): Spool {
	let length = 0
	let file: Promise<FileHandle> | undefined
	let end = 0
	return {
		async keep(text) {
			if (length + text.length <= maxLength) {
				length += text.length
				return async () => text
			}
			const bytes = Buffer.from(text)
			const begin = end
			end += bytes.length
			file ??= openFile()
			const handle = await file
			await handle.write(bytes, 0, bytes.length, begin)
			return () => readText(handle, begin, bytes.length)
		},
		async clear() {
			length = 0
			end = 0
			if (file !== undefined) await (await file).truncate()
		},
		async close() {
			if (file !== undefined) await (await file).close()
		},
	}
}

/** The file has personal data. It has no name any more once it is open, so nothing is left of it if the process dies. */
async function openFile(): Promise<FileHandle> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-export-'))
	const handle = await open(join(folder, 'lines'), 'wx+', 0o600)
	await rm(folder, { recursive: true, force: true })
	return handle
}

async function readText(handle: FileHandle, begin: number, length: number): Promise<string> {
	const { buffer } = await handle.read(Buffer.alloc(length), 0, length, begin)
	return buffer.toString()
}
