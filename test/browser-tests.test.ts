import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const node = (words: readonly string[], env: Record<string, string> = {}) =>
	spawnSync(process.execPath, words, { encoding: 'utf8', env: { ...process.env, ...env } })

test('the browser tests fail with a sentence if there is no Chromium', () => {
	const words = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.browser.config.ts']
	const { status, stderr } = node(words, { CHROMIUM: '/nowhere/chromium' })
	expect(status).toBe(1)
	expect(stderr).toContain(
		'there is no /nowhere/chromium: install Chromium (apt-get install chromium), or set CHROMIUM to the path of one',
	)
})

test('npm test says how many browser tests it leaves', () => {
	const { status, stdout } = node(['browser-tests-left.mjs'])
	expect(status).toBe(0)
	expect(Number(/^(\d+) browser tests are left to: npm run test:browser\n$/.exec(stdout)?.[1])).toBeGreaterThan(0)
})
