import { createHash } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { addToken, changeTokens, fileSource, tokensIn } from '../../../shared/auth/file-source.ts'
import { storedDigestOf } from '../../../shared/auth/tokens.ts'

const now = Date.UTC(2026, 0, 2)
const created = '2026-01-01T00:00:00Z'
let folder = ''
let path = ''

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-tokens-'))
	path = join(folder, 'tokens.json')
})
afterEach(() => rm(folder, { recursive: true }))

const write = (tokens: unknown) => writeFile(path, JSON.stringify({ tokens }))
const valuesOf = (tokens: readonly { readonly value: string }[]) => tokens.map(({ value }) => value)

/** A token as a host reads it, without its times. Its id is the beginning of its SHA-256. */
const full = (value: string) => ({
	value,
	id: createHash('sha256').update(value).digest('hex').slice(0, 12),
	scope: 'scim',
})

describe('tokens in a file', () => {
	test('are all there if many are added at once, whatever one of the changes meets', async () => {
		const names = Array.from({ length: 20 }, (_, index) => `tenant-${index}`)
		const failing = changeTokens(path, 'demo', () => {
			throw new Error('not this one')
		})
		const adding = names.map((name) => addToken(path, name, { value: `of ${name}`, created }))
		await expect(failing).rejects.toThrow('not this one')
		await Promise.all(adding)
		const stored = await Promise.all(names.map((name) => tokensIn(path, name, now)))
		expect(stored).toEqual(names.map((name) => [`of ${name}`]))
	})

	test('are the enabled and unexpired tokens of one tenant, newest first, with their times', async () => {
		await write({
			demo: [
				{ value: 'plain', created },
				{ value: 'disabled', created, enabled: false },
				{ value: 'expired', created, expires: '2026-01-02T00:00:00Z' },
				{
					value: 'dated',
					created: '2026-01-01T01:00:00+01:00',
					notBefore: '2026-01-03T00:00:00Z',
					expires: '2026-01-04T00:00:00.5Z',
				},
				{ value: 'newer', created: '2026-01-01T00:00:01Z', enabled: true },
			],
			other: [{ value: 'other', created }],
		})
		expect(await fileSource(path, {})('demo', now)).toEqual([
			{ ...full('newer'), created: Date.UTC(2026, 0, 1, 0, 0, 1) },
			{ ...full('plain'), created: Date.UTC(2026, 0, 1) },
			{
				...full('dated'),
				created: Date.UTC(2026, 0, 1),
				notBefore: Date.UTC(2026, 0, 3),
				expires: Date.UTC(2026, 0, 4, 0, 0, 0, 500),
			},
		])
		expect(await tokensIn(path, 'demo', now)).toEqual(['newer', 'plain'])
	})

	test('are listed for the owner of the file without those of which only the digest is there', async () => {
		const digest = storedDigestOf('secret')
		await write({
			demo: [
				{ value: digest, created },
				{ value: 'plain', created },
			],
		})
		expect(await tokensIn(path, 'demo', now)).toEqual(['plain'])
		expect(valuesOf(await fileSource(path, {})('demo', now))).toEqual([digest, 'plain'])
	})

	test('may have a label, and may be for reading only', async () => {
		await write({ demo: [{ value: 'reader', created, label: 'HR application', scope: 'scim.read' }] })
		const [token] = await fileSource(path, {})('demo', now)
		expect(token).toEqual({
			...full('reader'),
			created: Date.UTC(2026, 0, 1),
			label: 'HR application',
			scope: 'scim.read',
		})
		expect(await tokensIn(path, 'demo', now)).toEqual([])
	})

	test.each(['nobody', 'constructor', '__proto__'])('do not exist for %s', async (tenant) => {
		await write({ demo: [{ value: 'plain', created }] })
		expect(await fileSource(path, {})(tenant, now)).toEqual([])
	})

	test('are read again for each lookup, even if the file keeps its size and time', async () => {
		const source = fileSource(path, {})
		await write({ demo: [{ value: 'one', created }] })
		const { atime, mtime } = await stat(path)
		expect(valuesOf(await source('demo', now))).toEqual(['one'])
		await write({ demo: [{ value: 'two', created }] })
		await utimes(path, atime, mtime)
		expect(valuesOf(await source('demo', now))).toEqual(['two'])
	})

	test.each([
		['nothing', '', 'is not JSON'],
		['half a file', '{"tokens": {"demo": [{"value": "top-secret"', 'is not JSON'],
		['no tokens', '{}', 'tokens'],
		['a bare token', '{"tokens": {"demo": ["top-secret"]}}', 'tokens.demo[0]'],
		['an empty token', `{"tokens": {"demo": [{"value": "", "created": "${created}"}]}}`, 'tokens.demo[0].value'],
		['no time', '{"tokens": {"demo": [{"value": "top-secret"}]}}', 'tokens.demo[0].created'],
		['a bad time', '{"tokens": {"demo": [{"value": "top-secret", "created": "now"}]}}', 'tokens.demo[0].created'],
		[
			'a misspelt property',
			`{"tokens": {"demo": [{"value": "top-secret", "created": "${created}", "expire": "${created}"}]}}`,
			'"expire"',
		],
	])('are unknown if the file has %s, and the error does not reveal a token', async (_, text, word) => {
		await writeFile(path, text)
		const error = await fileSource(path, {})('demo', now).catch((thrown: unknown) => thrown)
		expect(error).toBeInstanceOf(Error)
		expect(inspect(error)).toContain(path)
		expect(inspect(error)).toContain(word)
		expect(inspect(error)).not.toContain('top-secret')
	})

	test('are unknown if the file is missing, unless the caller allows a missing file', async () => {
		await expect(fileSource(path, {})('demo', now)).rejects.toMatchObject({ code: 'ENOENT' })
		expect(await tokensIn(path, 'demo', now)).toEqual([])
		await expect(tokensIn(folder, 'demo', now)).rejects.toMatchObject({ code: 'EISDIR' })
	})

	test.each([
		{ WEBSITE_INSTANCE_ID: '4f1', FUNCTIONS_WORKER_RUNTIME: 'node' },
		{ WEBSITE_SITE_NAME: 'rollcall', FUNCTIONS_WORKER_RUNTIME: 'node' },
	])('are refused inside Azure, which sets %j', (environment) => {
		expect(() => fileSource(path, environment)).toThrow(
			'tokens are not read from a file inside Azure: set ROLLCALL_KEY_VAULT_URL instead',
		)
	})

	test('are read under the local Functions host', () => {
		expect(fileSource(path, { FUNCTIONS_WORKER_RUNTIME: 'node', WEBSITE_HOSTNAME: 'localhost:7071' })).toBeTypeOf(
			'function',
		)
	})
})

describe('an added token', () => {
	test('is stored beside the others in a file that only its owner can read, and no draft is left', async () => {
		await addToken(path, 'demo', { value: 'one', created })
		await chmod(path, 0o644)
		await addToken(path, 'constructor', { value: 'two', created })
		await addToken(path, 'demo', { value: 'three', created, expires: '2027-01-01T00:00:00Z' })
		expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
			tokens: {
				demo: [
					{ value: 'one', created },
					{ value: 'three', created, expires: '2027-01-01T00:00:00Z' },
				],
				constructor: [{ value: 'two', created }],
			},
		})
		expect((await stat(path)).mode & 0o777).toBe(0o600)
		expect(await readdir(folder)).toEqual(['tokens.json'])
	})

	test('does not change a file that cannot be read', async () => {
		await writeFile(path, '{"tokens": ')
		await expect(addToken(path, 'demo', { value: 'one', created })).rejects.toThrow(`${path} is not JSON`)
		expect(await readFile(path, 'utf8')).toBe('{"tokens": ')
	})
})
