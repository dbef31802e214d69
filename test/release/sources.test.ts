import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { sourcesOf } from '../../release/sources.ts'

let folder = ''
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-sources-'))
	mkdirSync(join(folder, 'tree'))
	vi.stubEnv('GIT_DIR', join(folder, 'git'))
	vi.stubEnv('GIT_WORK_TREE', join(folder, 'tree'))
})
afterEach(() => {
	vi.unstubAllEnvs()
	rmSync(folder, { recursive: true })
})

const git = (...words: readonly string[]): string =>
	execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...words], {
		encoding: 'utf8',
		env: { ...process.env, GIT_COMMITTER_DATE: '2026-11-30T12:00:00Z' },
	}).trim()

function commitOne(): string {
	git('init', '--quiet')
	writeFileSync(join(folder, 'tree/file'), 'one')
	git('add', '--all')
	git('commit', '--quiet', '--message', 'one')
	return git('rev-parse', 'HEAD')
}

test('a release has the name and the time of its commit', () => {
	const commit = commitOne()
	const expected = { commit, time: new Date('2026-11-30T12:00:00Z') }
	expect(sourcesOf({ areChangesAllowed: false })).toEqual(expected)
	expect(sourcesOf({ areChangesAllowed: true })).toEqual(expected)
})

test('a changed file is refused, or noted if changes are allowed', () => {
	const commit = commitOne()
	writeFileSync(join(folder, 'tree/file'), 'two')
	expect(() => sourcesOf({ areChangesAllowed: false })).toThrow('these files differ from the commit:\n M file')
	expect(sourcesOf({ areChangesAllowed: true }).commit).toBe(`${commit}-changed`)
})

test('without a commit there is no release', () => {
	expect(() => sourcesOf({ areChangesAllowed: true })).toThrow('a release is made of a commit, and git knows none')
})
