import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { copyBuilt } from './support/built.ts'

let folder: string

const run = (script: string, more: Readonly<Record<string, string>> = {}): string => {
	const env = { ...process.env, ...more }
	const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8', env })
	if (status !== 0) throw new Error(stderr)
	return stdout
}

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-package-'))
	await copyBuilt(folder)
})
afterAll(() => rm(folder, { recursive: true }))

test('the package has the bundled app, its host.json and package.json, and is small', async () => {
	expect(run('package.mjs')).toMatch(/rollcall\.zip {2}\d+ files, 0\.\d\d MB\n$/)
	const zip = await readFile(join(folder, 'rollcall.zip'))
	expect(zip.length).toBeLessThan(1_500_000)
	const files = unzipSync(zip)
	const names = Object.keys(files)
	expect(names).toEqual(expect.arrayContaining(['host.json', 'index.js', 'package.json', 'THIRD_PARTY_NOTICES.txt']))
	expect(
		names.filter((name) => !/^([\w-]+\.js|host\.json|package\.json|THIRD_PARTY_NOTICES\.txt)$/.test(name)),
	).toEqual([])
	for (const [name, content] of Object.entries(files)) {
		expect(Buffer.from(content).equals(await readFile(join(folder, 'app', name)))).toBe(true)
	}
})

test('packed again, in another time zone, it is the same, byte for byte', async () => {
	run('package.mjs')
	const first = await readFile(join(folder, 'rollcall.zip'))
	run('build.mjs')
	run('package.mjs', { TZ: 'America/New_York' })
	expect(first.equals(await readFile(join(folder, 'rollcall.zip')))).toBe(true)
})

const noticed = async (name: string): Promise<readonly string[]> => {
	const text = await readFile(join(folder, name, 'THIRD_PARTY_NOTICES.txt'), 'utf8')
	return [...text.matchAll(/^-{80}\n(\S+) (\S+) \(.+\)\n-{80}$/gm)].map(([, name, version]) => `${name}@${version}`)
}

const billOfMaterials = z.object({
	metadata: z.object({ component: z.object({ name: z.literal('rollcall'), type: z.literal('application') }) }),
	components: z.array(z.object({ 'bom-ref': z.string() })).min(20),
})

test.each(['app', 'local', 'cli', 'relay'])(
	'dist/%s has the notices of its packages, all in the bill of materials',
	async (name) => {
		run('package.mjs')
		const text = await readFile(join(folder, 'rollcall.cdx.json'), 'utf8')
		const components = billOfMaterials.parse(JSON.parse(text)).components.map((component) => component['bom-ref'])
		const packages = await noticed(name)
		expect(packages.map((each) => each.replace(/@[^@]+$/, ''))).toContain('zod')
		expect(packages.filter((each) => !components.includes(each))).toEqual([])
	},
)

test('the app holds no code that starts programs', async () => {
	for (const name of await readdir(join(folder, 'app'))) {
		const text = await readFile(join(folder, 'app', name), 'utf8')
		expect({ name, startsPrograms: /["'`](node:)?child_process["'`]/.test(text) }).toEqual({
			name,
			startsPrograms: false,
		})
	}
})
