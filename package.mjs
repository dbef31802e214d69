// Packs dist/app into dist/rollcall.zip, which az publishes as it is. `node package.mjs FOLDER` does so there instead.
// The same files make the same bytes: what was deployed can be compared with what a commit builds.

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zipSync } from 'fflate'

const dist = process.argv[2] ?? 'dist'
const app = join(dist, 'app')
const target = join(dist, 'rollcall.zip')

const names = (await readdir(app)).sort()
const files = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(app, name))])))
const zip = zipSync(files, { level: 9, mtime: '1980-01-01T00:00:00Z' })
await writeFile(target, zip)
console.log(`${target}  ${names.length} files, ${(zip.length / 1e6).toFixed(2)} MB`)
