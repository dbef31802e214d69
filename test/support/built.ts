import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Beside the packages: Azurite is not bundled and must be found from there. */
const cache = resolve('node_modules/.cache/rollcall-built')
const day = 24 * 3_600_000

/**
 * The folder that `node build.mjs` makes of the sources as they are. The first test file that needs the folder builds it,
 * and the others use the same. No test may change it: `copyBuilt` makes a copy.
 */
export async function builtFolder(): Promise<string> {
	const { digestOf } = await import(pathToFileURL(resolve('build-stamp.mjs')).href)
	const folder = join(cache, await digestOf('.'))
	await mkdir(cache, { recursive: true })
	if (!(await exists(folder))) await buildInto(folder)
	return folder
}

/** Copies the folder that `node build.mjs` makes. */
export async function copyBuilt(folder: string): Promise<void> {
	await cp(await builtFolder(), folder, { recursive: true })
}

const exists = (folder: string): Promise<boolean> =>
	stat(folder).then(
		() => true,
		() => false,
	)

/** Another process may build the same at the same time. The first that has finished is used. */
async function buildInto(folder: string): Promise<void> {
	await removeOld()
	const draft = await mkdtemp(join(cache, 'draft-'))
	const [code] = await once(spawn(process.execPath, ['build.mjs', draft], { stdio: 'inherit' }), 'exit')
	if (code !== 0) throw new Error(`node build.mjs ended with ${code}`)
	await rename(draft, folder).catch(() => rm(draft, { recursive: true }))
}

/** Other sources were built long ago. Another process may remove the same folder. */
async function removeOld(): Promise<void> {
	for (const name of await readdir(cache)) {
		const made = await stat(join(cache, name)).catch(() => undefined)
		if (made !== undefined && Date.now() - made.mtimeMs > day)
			await rm(join(cache, name), { recursive: true, force: true })
	}
}
