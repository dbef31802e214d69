import { execFileSync } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'postject'

// https://nodejs.org/docs/latest-v24.x/api/single-executable-applications.html

/** Node looks for the blob if the character after this text is 1. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
const resource = 'NODE_SEA_BLOB'

/**
 * The blob of a program, made by the Node that is to run it. It is the same for all platforms, because it has no snapshot
 * and no code cache. `NODE_OPTIONS` has no effect on the program. The blob names the file, so the name is relative.
 *
 * @param folder holds `main.cjs`, and gets the files of this step
 */
export async function blobOf(folder: string, node: string): Promise<Buffer> {
	const settings = {
		main: 'main.cjs',
		output: 'agent.blob',
		disableExperimentalSEAWarning: true,
		useSnapshot: false,
		useCodeCache: false,
		execArgvExtension: 'none',
	}
	await writeFile(join(folder, 'sea.json'), JSON.stringify(settings))
	execFileSync(node, ['--experimental-sea-config', 'sea.json'], { cwd: folder, stdio: 'pipe' })
	return readFile(join(folder, settings.output))
}

/** Writes an executable that holds Node and the blob. */
export async function writeExecutable(file: string, node: Buffer, blob: Buffer): Promise<void> {
	await writeFile(file, node)
	await inject(file, resource, blob, { sentinelFuse: fuse })
	// Not left to the umask of the caller.
	await chmod(file, 0o755)
}
