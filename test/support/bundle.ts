import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'

export type Bundle = {
	/** The path of the program, for node. */
	readonly file: string
	remove(): void
}

/** Bundles a program into one file, so that a test can start it in its own process. */
export async function bundle(program: string): Promise<Bundle> {
	const folder = mkdtempSync(join(tmpdir(), 'rollcall-bundle-'))
	const file = join(folder, 'program.mjs')
	await build({
		entryPoints: [program],
		outfile: file,
		bundle: true,
		platform: 'node',
		format: 'esm',
		// Exists only inside the Functions worker.
		external: ['@azure/functions-core'],
		banner: {
			js: "import { createRequire as bundleRequire } from 'node:module'; const require = bundleRequire(import.meta.url);",
		},
	})
	return { file, remove: () => rmSync(folder, { recursive: true }) }
}
