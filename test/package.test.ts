import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, expect, test } from 'vitest'

let folder: string

const run = (script: string): string => {
	const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' })
	if (status !== 0) throw new Error(stderr)
	return stdout
}

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-package-'))
	run('build.mjs')
})
afterAll(() => rm(folder, { recursive: true }))

test('the package has the bundled app, its host.json and package.json, and is small', async () => {
	expect(run('package.mjs')).toMatch(/rollcall\.zip {2}\d+ files, 0\.\d\d MB\n$/)
	const zip = await readFile(join(folder, 'rollcall.zip'))
	expect(zip.length).toBeLessThan(1_500_000)
	const files = unzipSync(zip)
	const names = Object.keys(files)
	expect(names).toEqual(expect.arrayContaining(['host.json', 'index.js', 'package.json']))
	expect(names.filter((name) => !/^([\w-]+\.js|host\.json|package\.json)$/.test(name))).toEqual([])
	for (const [name, content] of Object.entries(files)) {
		expect(Buffer.from(content).equals(await readFile(join(folder, 'app', name)))).toBe(true)
	}
})

test('packed again it is the same, byte for byte', async () => {
	run('package.mjs')
	const first = await readFile(join(folder, 'rollcall.zip'))
	run('build.mjs')
	run('package.mjs')
	expect(first.equals(await readFile(join(folder, 'rollcall.zip')))).toBe(true)
})
