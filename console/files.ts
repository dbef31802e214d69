import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type ConsoleAnswer, ConsoleError } from './answer.ts'

/** The files of the page: every path with its file and its type. */
const files: ReadonlyMap<string, readonly [file: string, type: string]> = new Map([
	['/', ['index.html', 'text/html; charset=utf-8']],
	['/page.js', ['page.js', 'text/javascript; charset=utf-8']],
	['/page.css', ['page.css', 'text/css; charset=utf-8']],
	['/icon.svg', ['icon.svg', 'image/svg+xml']],
])

/** Where a bundle has the page, and where a build has it for the sources. */
const folders = ['./console/', '../dist/local/console/'].map((path) => new URL(path, import.meta.url))

type FileRequest = {
	readonly method: string
	readonly path: string
	/** The folder of the page, if it is not in its usual place. */
	readonly page: URL | undefined
}

/** Answers with a file of the page. */
export async function pageFile({ method, path, page }: FileRequest): Promise<ConsoleAnswer> {
	const [file, type] = files.get(path) ?? []
	if (file === undefined || type === undefined) throw new ConsoleError(`the console has no ${path}`, { status: 404 })
	if (method !== 'GET' && method !== 'HEAD') throw new ConsoleError(`${path} takes GET only`, { status: 405 })
	return { status: 200, headers: { 'Content-Type': type }, body: await readFile(new URL(file, builtFolder(page))) }
}

/**
 * The folder of the built page.
 *
 * @param page the folder, if it is not in its usual place
 * @throws ConsoleError 503 if the page is not built
 */
export function builtFolder(page: URL | undefined): URL {
	const folder = page ?? folders.find((each) => existsSync(fileURLToPath(new URL('index.html', each))))
	if (folder === undefined) throw new ConsoleError('the page is not built', { status: 503, hint: 'npm run build' })
	return folder
}
