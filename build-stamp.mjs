// Tells whether what a folder holds was built from the sources as they are.

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

const folders = ['agent', 'bench', 'cli', 'console', 'demo', 'docs', 'functions', 'local', 'shared', 'test/support']
const files = [
	'build.mjs',
	'build-page.mjs',
	'build-stamp.mjs',
	'third-party.mjs',
	'host.json',
	'README.md',
	'package.json',
	'package-lock.json',
]

const stampOf = (dist) => join(dist, '.built')

export const isBuilt = async (dist) =>
	existsSync(stampOf(dist)) && (await readFile(stampOf(dist), 'utf8')) === (await digestOf('.'))

export const stamp = async (dist) => writeFile(stampOf(dist), await digestOf('.'))

/** A digest of the names and contents of everything below `root` that a build reads. */
export async function digestOf(root) {
	const hash = createHash('sha256')
	for (const name of [...files, ...(await Promise.all(folders.map((folder) => namesIn(root, folder)))).flat()]) {
		const path = join(root, name)
		if (existsSync(path))
			hash
				.update(`${name}\0`)
				.update(await readFile(path))
				.update('\0')
	}
	return hash.digest('hex')
}

async function namesIn(root, folder) {
	if (!existsSync(join(root, folder))) return []
	const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
	return entries
		.filter((entry) => entry.isFile())
		.map(({ parentPath, name }) => relative(root, join(parentPath, name)))
		.sort()
}
