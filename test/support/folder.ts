import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'

/** A new folder for each test of a file. */
export function useFolder(prefix: string): () => string {
	let folder = ''
	beforeEach(async () => {
		folder = await mkdtemp(join(tmpdir(), prefix))
	})
	afterEach(() => rm(folder, { recursive: true }))
	return () => folder
}
