// Makes the files of a release of the agent. The same commit makes the same bytes on every machine.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { UsageError } from '../shared/cli/usage-error.ts'
import { type ArchiveFiles, archiveOf, linuxScript, windowsScript } from './archive.ts'
import { agentBill } from './bill.ts'
import { blobOf, writeExecutable } from './executable.ts'
import { binaryIn, contentOf, fetchPackage, nodePackages, nodeVersion, type Platform } from './node-binaries.ts'
import { withoutSignature } from './portable-executable.ts'
import { type Sources, sourcesOf } from './sources.ts'

const usage = `npm run release -- [--out FOLDER] [--cache FOLDER] [--allow-changes]

Makes single executables and zip files of the agent, their digests, notices and bill of materials.

  --out FOLDER       where to write them; dist/release by default, which is emptied first
  --cache FOLDER     where to keep the packages with Node; ~/.cache/rollcall by default
  --allow-changes    files may differ from the commit
`

process.env.TZ = 'UTC'

async function main(): Promise<void> {
	const { values } = parseArgs({
		options: {
			help: { type: 'boolean' },
			out: { type: 'string', default: 'dist/release' },
			cache: { type: 'string', default: join(homedir(), '.cache/rollcall') },
			'allow-changes': { type: 'boolean', default: false },
		},
	})
	if (values.help) return print(usage)
	if (process.platform !== 'linux' || process.arch !== 'x64')
		throw new UsageError('a release is made on Linux x64', { hint: 'Node for Linux x64 packs the agent.' })
	const sources = sourcesOf({ areChangesAllowed: values['allow-changes'] })
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-release-'))
	try {
		await release({ ...values, folder, sources })
	} finally {
		await rm(folder, { recursive: true })
	}
}

type ReleaseOptions = {
	readonly out: string
	readonly cache: string
	/** For files between the steps. */
	readonly folder: string
	readonly sources: Sources
}

async function release({ out, cache, folder, sources }: ReleaseOptions): Promise<void> {
	const { version } = JSON.parse(await readFile('package.json', 'utf8'))
	print(`rollcall-relay ${version} of ${sources.commit}, with Node ${nodeVersion}\n`)
	const node = binariesIn(cache)
	const agent = await bundledIn(folder, cache)
	const nameOf = (ending: string) => join(out, `rollcall-relay-${version}${ending}`)
	await rm(out, { recursive: true, force: true })
	await mkdir(out, { recursive: true })

	const archive = async (platform: Platform, files: ArchiveFiles) => {
		const common = { 'main.cjs': { content: agent.program }, LICENSE: { content: agent.license } }
		const all = { ...files, ...common, 'THIRD_PARTY_NOTICES.txt': { content: Buffer.from(agent.notices) } }
		await writeFile(nameOf(`-${platform}.zip`), await archiveOf(all, sources.time))
	}
	const forLinux = (binary: Buffer): ArchiveFiles => ({
		node: { content: binary, isProgram: true },
		'rollcall-relay': { content: Buffer.from(linuxScript), isProgram: true },
	})
	await Promise.all([
		archive('linux-x64', forLinux(node['linux-x64'])),
		archive('linux-arm64', forLinux(node['linux-arm64'])),
		archive('win-x64', {
			'node.exe': { content: node['win-x64'] },
			'rollcall-relay.cmd': { content: Buffer.from(windowsScript) },
		}),
		writeExecutables({ folder, node, nameOf }),
	])
	await writeFile(join(out, 'LICENSE'), agent.license)
	await writeFile(join(out, 'THIRD_PARTY_NOTICES.txt'), agent.notices)
	await writeFile(nameOf('.cdx.json'), agentBill({ ...agent, sources, nodes: Object.values(nodePackages) }))
	print(await writeSums(out))
}

type NodeBinaries = Readonly<Record<Platform, Buffer>>

const binariesIn = (cache: string): NodeBinaries => ({
	'linux-x64': binaryIn(fetchPackage(nodePackages['linux-x64'], cache), nodePackages['linux-x64']),
	'linux-arm64': binaryIn(fetchPackage(nodePackages['linux-arm64'], cache), nodePackages['linux-arm64']),
	'win-x64': binaryIn(fetchPackage(nodePackages['win-x64'], cache), nodePackages['win-x64']),
})

type BundledAgent = {
	readonly program: Buffer
	readonly license: Buffer
	/** The notices of its packages and of Node. */
	readonly notices: string
	/** The bill of materials of the whole product. */
	readonly product: string
}

/** Builds the agent as one file of CommonJS. */
async function bundledIn(folder: string, cache: string): Promise<BundledAgent> {
	const dist = join(folder, 'dist')
	execFileSync(process.execPath, ['build.mjs', dist], { stdio: 'inherit' })
	execFileSync(process.execPath, ['package.mjs', dist], { stdio: ['ignore', 'ignore', 'inherit'] })
	const ofPackages = await readFile(join(dist, 'executable/THIRD_PARTY_NOTICES.txt'), 'utf8')
	const ofNode = contentOf(fetchPackage(nodePackages['linux-x64'], cache), 'LICENSE').toString()
	const rule = '-'.repeat(80)
	return {
		program: await readFile(join(dist, 'executable/main.cjs')),
		license: await readFile('LICENSE'),
		notices: `${ofPackages}\n${rule}\nNode.js ${nodeVersion}\n${rule}\n\n${ofNode.trim()}\n`,
		product: await readFile(join(dist, 'rollcall.cdx.json'), 'utf8'),
	}
}

type ExecutableOptions = {
	readonly folder: string
	readonly node: NodeBinaries
	readonly nameOf: (ending: string) => string
}

async function writeExecutables({ folder, node, nameOf }: ExecutableOptions): Promise<void> {
	const own = join(folder, 'node')
	await writeFile(own, node['linux-x64'], { mode: 0o755 })
	const blob = await blobOf(join(folder, 'dist/executable'), own)
	await writeExecutable(nameOf('-linux-x64'), node['linux-x64'], blob)
	await writeExecutable(nameOf('-win-x64.exe'), withoutSignature(node['win-x64']), blob)
}

/** Writes SHA256SUMS in the format of `sha256sum --check`. Returns the text. */
async function writeSums(out: string): Promise<string> {
	const names = (await readdir(out)).sort()
	const lines = await Promise.all(
		names.map(async (name) => {
			const content = await readFile(join(out, name))
			return `${createHash('sha256').update(content).digest('hex')}  ${name}\n`
		}),
	)
	const text = lines.join('')
	await writeFile(join(out, 'SHA256SUMS'), text)
	return text
}

function print(text: string): void {
	process.stdout.write(text)
}

main().catch((error: unknown) => {
	const hint = error instanceof UsageError ? `\nhint: ${error.hint}` : ''
	process.stderr.write(`error: ${error instanceof Error ? error.message : error}${hint}\n`)
	process.exitCode = 1
})
