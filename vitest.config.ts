import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

export const releaseTest = 'test/release/release.test.ts'

export const settings: ViteUserConfig['test'] = {
	include: ['test/**/*.test.ts'],
	// npm run test:browser, and test:release
	exclude: ['test/browser/**', releaseTest],
	// A test may take long on a busy machine. What hangs is ended all the same.
	testTimeout: 120_000,
	hookTimeout: 120_000,
	pool: 'forks',
	// Programs that tests start compile their modules once. https://nodejs.org/api/module.html#module-compile-cache
	env: { NODE_COMPILE_CACHE: resolve('node_modules/.cache/rollcall-compiled') },
	// Many tests wait for a clock or a process. Two workers take less time than one, also on two cores.
	maxWorkers: Math.max(2, availableParallelism() - 1),
}

/** Tests that are also run in directories whose feed has no epochs: those of tenants that are not raised to format 2 yet. */
const alsoWithoutEpochs = [
	'faults',
	'interleaving',
	'simulator',
	'table-store',
	'membership/apply',
	'membership/linked',
	'resource/read',
	'transaction/commit',
]

const withoutEpochs = {
	...settings,
	name: 'operations',
	env: { ...settings.env, FEED: 'operations' },
	include: alsoWithoutEpochs.map((name) => `test/shared/storage/${name}.test.ts`),
}

export default defineConfig({ test: { projects: [{ test: { ...settings, name: 'all' } }, { test: withoutEpochs }] } })
