import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { codeOf } from '../shared/cli/usage-error.ts'

/** How a program of the same user gets a link of the console that `npm start` serves. */
export type ConsoleFile = {
	/** `http://127.0.0.1:<port>` */
	readonly url: string
	/** The key of the owner, in base64url. */
	readonly key: string
}

const shape = z.strictObject({
	url: z.string().regex(/^http:\/\/127\.0\.0\.1:\d+$/),
	key: z.string().regex(/^[\w-]{43}$/),
})

const fileIn = (folder: string): string => join(folder, 'console.json')

/** Writes the file into a data folder. Only its owner may read it. The result removes the file. */
export async function keepConsoleFile(folder: string, content: ConsoleFile): Promise<() => Promise<void>> {
	const path = fileIn(folder)
	// The mode holds only for a file that is made now.
	await rm(path, { force: true })
	await writeFile(path, `${JSON.stringify(content)}\n`, { mode: 0o600 })
	return () => rm(path, { force: true })
}

/** The file of a data folder; undefined if its server has no console. */
export async function readConsoleFile(folder: string): Promise<ConsoleFile | undefined> {
	try {
		return shape.parse(JSON.parse(await readFile(fileIn(folder), 'utf8')))
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined
		throw error
	}
}
