import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lockFolder } from '../../local/lock.ts'

let parent = ''
beforeEach(async () => {
	parent = await mkdtemp(join(tmpdir(), 'rollcall-lock-'))
})
afterEach(() => rm(parent, { recursive: true }))

describe('the lock of a folder', () => {
	test('is created with the folder, for its owner only, and is removed when it is released', async () => {
		const folder = join(parent, 'deep', 'data')
		const unlock = await lockFolder(folder)
		expect((await stat(folder)).mode & 0o777).toBe(0o700)
		expect(await readFile(join(folder, 'lock'), 'utf8')).toBe(String(process.pid))
		await unlock()
		expect(existsSync(join(folder, 'lock'))).toBe(false)
	})

	test.each([
		['the parent process', process.ppid],
		['the first process, which may run under another account', 1],
	])('refuses a folder that a running process has, such as %s', async (_, owner) => {
		const path = join(parent, 'lock')
		await writeFile(path, String(owner))
		await expect(lockFolder(parent)).rejects.toMatchObject({
			name: 'UsageError',
			message: `process ${owner} already serves the folder ${parent}`,
			hint: `stop it, choose another folder with --data, or delete ${path} if it is another program`,
		})
		expect(await readFile(path, 'utf8')).toBe(String(owner))
	})

	test.each([
		['a dead process', () => String(spawnSync(process.execPath, ['--version']).pid)],
		['a process with our own pid', () => String(process.pid)],
		['a process that was killed before it wrote its pid', () => ''],
	])('of %s does not count', async (_, owner) => {
		const path = join(parent, 'lock')
		await writeFile(path, owner())
		const unlock = await lockFolder(parent)
		expect(await readFile(path, 'utf8')).toBe(String(process.pid))
		await unlock()
		expect(existsSync(path)).toBe(false)
	})

	test('cannot be taken if the folder cannot be created', async () => {
		const file = join(parent, 'file')
		await writeFile(file, '')
		await expect(lockFolder(join(file, 'data'))).rejects.toMatchObject({
			name: 'UsageError',
			message: expect.stringMatching(/^the folder .*\/file\/data cannot be written: ENOTDIR: .*$/),
			hint: 'choose another one with --data',
		})
	})
})
