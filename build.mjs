// Bundles the Functions app into dist/app, a folder to deploy as it is, and the loopback host into dist/local.
// `node build.mjs FOLDER` builds there instead of in dist; --if-changed builds only if the sources have changed since.
// One file instead of 1,500 halves the time from a cold instance to its first answer.

import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { buildPage } from './build-page.mjs'
import { isBuilt, stamp } from './build-stamp.mjs'
import { noticesOf } from './third-party.mjs'

const words = process.argv.slice(2)
const dist = words.find((word) => !word.startsWith('--')) ?? 'dist'
if (words.includes('--if-changed') && (await isBuilt(dist))) process.exit(0)
const { name, version, license } = JSON.parse(await readFile('package.json', 'utf8'))

/** zod brings its messages in fifty languages along: a third of the app, and never spoken. */
const englishOnly = {
	name: 'english-only',
	setup({ onResolve }) {
		onResolve({ filter: /\/locales\/index\.js$/ }, ({ path, resolveDir }) => ({
			path: join(resolveDir, path.replace(/index\.js$/, 'en.js')),
		}))
	},
}

/** The identity library opens a browser for a sign-in that the app never starts. */
const noBrowser = {
	name: 'no-browser',
	setup({ onResolve, onLoad }) {
		onResolve({ filter: /^open$/ }, () => ({ path: 'open', namespace: 'no-browser' }))
		onLoad({ filter: /.*/, namespace: 'no-browser' }, () => ({
			contents: "export default () => { throw new Error('the app opens no browser') }",
		}))
	},
}

/** The package debug takes colours from a package that only development tools bring along. It works without. */
const noColours = {
	name: 'no-colours',
	setup({ onResolve }) {
		onResolve({ filter: /^supports-color$/ }, ({ path }) => ({ path, external: true }))
	},
}

const bundle = {
	plugins: [englishOnly, noColours],
	bundle: true,
	platform: 'node',
	target: 'node20',
	format: 'esm',
	legalComments: 'none',
	logLevel: 'warning',
	define: { ROLLCALL_VERSION: JSON.stringify(version) },
	// The packages inside are CommonJS and call require, which an ES module does not have.
	banner: {
		js: "import { createRequire as bundleRequire } from 'node:module'; const require = bundleRequire(import.meta.url);",
	},
}

await rm(dist, { recursive: true, force: true })
await mkdir(join(dist, 'app'), { recursive: true })

await Promise.all([
	deliver('app', {
		...bundle,
		plugins: [englishOnly, noColours, noBrowser],
		entryPoints: { index: 'functions/index.ts' },
		// Identity and vault clients are loaded when they are first needed; each in a chunk of its own.
		splitting: true,
		minify: true,
		// Exists only inside the Functions worker.
		external: ['@azure/functions-core'],
	}),
	deliver('local', {
		...bundle,
		entryPoints: { main: 'local/main.ts' },
		splitting: true,
		external: ['@azure/functions-core', 'azurite'],
	}),
	deliver('relay', {
		...bundle,
		entryPoints: { main: 'agent/main.ts' },
		banner: { js: `#!/usr/bin/env node\n${bundle.banner.js}` },
	}),
	// For releases: a single executable of Node runs CommonJS alone.
	deliver('executable', {
		...bundle,
		entryPoints: { main: 'agent/main.ts' },
		format: 'cjs',
		outExtension: { '.js': '.cjs' },
		define: { ...bundle.define, 'import.meta.url': 'ownUrl' },
		banner: { js: "const ownUrl = require('node:url').pathToFileURL(__filename).href;" },
		// The comments in the bundle name files. With this, they do so alike on every machine.
		preserveSymlinks: true,
	}),
	deliver('cli', {
		...bundle,
		entryPoints: { main: 'cli/main.ts' },
		// The clients of Azure, and Azurite, are loaded by the commands that need them.
		splitting: true,
		banner: { js: `#!/usr/bin/env node\n${bundle.banner.js}` },
		external: ['azurite'],
	}),
	build({
		...bundle,
		entryPoints: { main: 'agent/conformance/main.ts' },
		outdir: join(dist, 'conformance'),
	}),
	build({
		...bundle,
		entryPoints: ['demo/application.ts', 'demo/relay.ts'],
		outdir: join(dist, 'demo'),
		external: ['@azure/functions-core', 'azurite'],
	}),
	build({
		...bundle,
		entryPoints: ['bench/main.ts', 'bench/host.ts', 'bench/azurite.ts', 'bench/simulator.ts', 'bench/hop.ts'],
		outdir: join(dist, 'bench'),
		splitting: true,
		external: ['@azure/functions-core', 'azurite'],
	}),
	build({
		...bundle,
		entryPoints: { index: 'bench/hello.ts' },
		outdir: join(dist, 'bench/hello'),
		minify: true,
		external: ['@azure/functions-core'],
	}),
	buildPage(join(dist, 'local/console')),
	buildPage(join(dist, 'cli/console')),
	cp('host.json', join(dist, 'app/host.json')),
	writePackage('app', { name, version, license, type: 'module', main: 'index.js' }),
	writePackage('bench/hello', { name: 'hello', version, type: 'module', main: 'index.js' }),
	writePackage('relay', { name: 'rollcall-relay', version, license, type: 'module', bin: 'main.js' }),
])

await stamp(dist)

/** Builds a folder that people receive, with the notices of the packages in it. */
async function deliver(folder, options) {
	const outdir = join(dist, folder)
	const { metafile } = await build({ ...options, outdir, metafile: true })
	await writeFile(join(outdir, 'THIRD_PARTY_NOTICES.txt'), await noticesOf(metafile))
}

async function writePackage(folder, content) {
	await mkdir(join(dist, folder), { recursive: true })
	await writeFile(join(dist, folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`)
}
