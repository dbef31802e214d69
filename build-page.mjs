// Builds the page of the console: index.html, page.js, page.css and the icon, with the documentation that it shows.

import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { noticesOf } from './third-party.mjs'

/** Builds the page into a folder. */
export async function buildPage(outdir) {
	await mkdir(outdir, { recursive: true })
	const { metafile } = await build({
		entryPoints: { page: 'console/page/main.tsx' },
		outdir,
		bundle: true,
		minify: true,
		format: 'esm',
		// Browsers since 2024 have light-dark() and the other features that the style uses.
		target: ['es2022', 'chrome123', 'firefox120', 'safari17.5'],
		jsx: 'automatic',
		jsxImportSource: 'preact',
		legalComments: 'none',
		logLevel: 'warning',
		metafile: true,
	})
	await build({
		entryPoints: { page: 'console/page/style.css' },
		outdir,
		minify: true,
		target: ['chrome123', 'firefox120', 'safari17.5'],
		logLevel: 'warning',
	})
	for (const file of ['index.html', 'icon.svg']) await copyFile(join('console/page', file), join(outdir, file))
	await copyFile('README.md', join(outdir, 'README.md'))
	for (const folder of ['docs', 'docs/decisions']) await copyPages(folder, outdir)
	await writeFile(join(outdir, 'THIRD_PARTY_NOTICES.txt'), await noticesOf(metafile))
}

/** Copies the pages of a folder of the documentation. */
async function copyPages(folder, outdir) {
	await mkdir(join(outdir, folder), { recursive: true })
	const names = (await readdir(folder)).filter((name) => name.endsWith('.md'))
	for (const name of names) await copyFile(join(folder, name), join(outdir, folder, name))
}
