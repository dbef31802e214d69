import { defineConfig, type ViteUserConfig } from 'vitest/config'

export const settings: ViteUserConfig['test'] = {
	include: ['test/**/*.test.ts'],
	// A test may take long on a busy machine. What hangs is ended all the same.
	testTimeout: 120_000,
	hookTimeout: 120_000,
	pool: 'forks',
}

export default defineConfig({ test: settings })
