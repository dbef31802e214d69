// Packs dist/app into dist/rollcall.zip, which az publishes as it is, and writes a bill of materials beside it.
// `node package.mjs FOLDER` does so there instead. The same commit makes the same bytes, so that a deployment can be
// compared with what a commit builds.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zipSync } from 'fflate'

// The times in a zip file are local times.
process.env.TZ = 'UTC'

const dist = process.argv[2] ?? 'dist'
const app = join(dist, 'app')
const target = join(dist, 'rollcall.zip')

const names = (await readdir(app)).sort()
const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(app, name))])))
const zip = zipSync(files, { level: 9, mtime: '1980-01-01T00:00:00Z' })
await writeFile(target, zip)
await writeFile(join(dist, 'rollcall.cdx.json'), `${JSON.stringify(billOfMaterials(), null, 2)}\n`)
console.log(`${target}  ${names.length} files, ${(zip.length / 1e6).toFixed(2)} MB`)

/**
 * The packages that the deliverables may hold, in CycloneDX, without what differs from one run to the next.
 * `npm sbom --omit dev` would leave out each package that a development tool needs too.
 */
function billOfMaterials() {
	const { name, dependencies: direct } = JSON.parse(readFileSync('package.json', 'utf8'))
	const { serialNumber, metadata, components, dependencies, ...bill } = JSON.parse(npm('sbom --sbom-format cyclonedx'))
	const { timestamp, component, ...rest } = metadata
	const needs = new Map(dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]))
	const needed = new Set(needs.get(component['bom-ref']).filter((ref) => ref.replace(/@[^@]+$/, '') in direct))
	for (const ref of needed) for (const next of needs.get(ref) ?? []) needed.add(next)
	return {
		...bill,
		metadata: { ...rest, component: { ...component, name } },
		components: components.filter((each) => needed.has(each['bom-ref'])),
		dependencies: dependencies.filter(({ ref }) => needed.has(ref)),
	}
}

function npm(command) {
	const words = `${command} --sbom-type application --package-lock-only`.split(' ')
	return execFileSync('npm', words, { encoding: 'utf8', shell: process.platform === 'win32', maxBuffer: 2 ** 26 })
}
