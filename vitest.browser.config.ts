import { defineConfig } from 'vitest/config'
import { settings } from './vitest.config.ts'

// Tests in a real browser: Chromium, whose path is in the variable CHROMIUM or /usr/bin/chromium.
export default defineConfig({
	test: { ...settings, include: ['test/browser/**/*.test.ts'], exclude: [], globalSetup: 'test/browser/chromium.ts' },
})
