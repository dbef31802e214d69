import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

let folder = ''
beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-build-'))
})
afterAll(() => rm(folder, { recursive: true }))

const build = (dist: string): void => {
	const { status, stderr } = spawnSync(process.execPath, ['build.mjs', dist, '--if-changed'], { encoding: 'utf8' })
	if (status !== 0) throw new Error(stderr)
}

/** The digest of sources, asked of the module as the build does. */
const digestOf = (root: string): string => {
	const script = `import { digestOf } from './build-stamp.mjs'; console.log(await digestOf(${JSON.stringify(root)}))`
	return execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' }).trim()
}

test('what is built is not built again, and what is incomplete or older than the sources is', async () => {
	const dist = join(folder, 'dist')
	const builtAt = async () => (await stat(join(dist, 'cli/main.js'))).mtimeMs
	build(dist)
	const first = await builtAt()
	build(dist)
	expect(await builtAt()).toBe(first)
	await writeFile(join(dist, '.built'), 'the digest of other sources')
	build(dist)
	const second = await builtAt()
	expect(second).toBeGreaterThan(first)
	await rm(join(dist, '.built'))
	build(dist)
	expect(await builtAt()).toBeGreaterThan(second)
	expect(existsSync(join(dist, '.built'))).toBe(true)
}, 240_000)

test('the digest of the sources differs if a file is changed, added, renamed or removed', async () => {
	const root = join(folder, 'sources')
	await mkdir(join(root, 'shared/scim'), { recursive: true })
	const digests = [digestOf(root)]
	const then = async (change: Promise<void>) => {
		await change
		digests.push(digestOf(root))
	}
	await then(writeFile(join(root, 'shared/scim/urn.ts'), 'a'))
	await then(writeFile(join(root, 'shared/scim/urn.ts'), 'b'))
	await then(writeFile(join(root, 'build.mjs'), 'b'))
	await then(rm(join(root, 'shared/scim/urn.ts')))
	await then(writeFile(join(root, 'shared/urn.ts'), 'b'))
	expect(new Set(digests).size).toBe(digests.length)
	expect(digestOf(root)).toBe(digests.at(-1))
})
