import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../shared/cli/usage-error.ts'

/** The URL of `npm start` without another port: `http://127.0.0.1:7071`. */
export const defaultUrl = 'http://127.0.0.1:7071'

const fileIn = (folder: string): string => join(folder, 'url')

/** Keeps the URL of `npm start` in its data folder, so that `rollcall` prints Tenant URLs with the same port. */
export const keepUrl = (folder: string, url: string): Promise<void> => writeFile(fileIn(folder), `${url}\n`)

/** The URL that `npm start` used last with this data folder; undefined if there is none. */
export async function lastUrl(folder: string): Promise<string | undefined> {
	try {
		const text = (await readFile(fileIn(folder), 'utf8')).trim()
		return /^https?:\/\/127\.0\.0\.1:\d+$/.test(text) ? text : undefined
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined
		throw error
	}
}
