import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { settings } from './vitest.config.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

// Tests in a real browser: Chromium, whose path is in the variable CHROMIUM or /usr/bin/chromium.
export default defineConfig({
	// As in a build, so that the pictures show it.
	define: { ROLLCALL_VERSION: JSON.stringify(version) },
	test: { ...settings, include: ['test/browser/**/*.test.ts'], exclude: [], globalSetup: 'test/browser/chromium.ts' },
})
