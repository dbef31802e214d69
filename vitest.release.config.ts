import { defineConfig } from 'vitest/config'
import { releaseTest, settings } from './vitest.config.ts'

/** Makes a release twice, which takes minutes, and downloads Node for three platforms the first time. */
export default defineConfig({
	test: { ...settings, include: [releaseTest], exclude: [], testTimeout: 600_000, hookTimeout: 1_200_000 },
})
