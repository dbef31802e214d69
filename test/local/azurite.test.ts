import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TableClient } from '@azure/data-tables'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startAzurite } from '../../local/azurite.ts'

let folder = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-azurite-'))
})
afterEach(() => rm(folder, { recursive: true }))

const tableIn = (connectionString: string) =>
	TableClient.fromConnectionString(connectionString, 'people', {
		allowInsecureConnection: true,
		retryOptions: { maxRetries: 0 },
	})

const joy = { partitionKey: 'demo', rowKey: 'joy', name: 'Joy é 🙂' }

describe('the table service', () => {
	test('has its data again after a restart', async () => {
		const first = await startAzurite({ folder })
		const table = tableIn(first.connectionString)
		await table.createTable()
		await table.createEntity(joy)
		await first.close()
		expect(await readdir(folder)).toEqual(['tables.json'])

		const second = await startAzurite({ folder })
		expect(await tableIn(second.connectionString).getEntity('demo', 'joy')).toMatchObject(joy)
		await second.close()
	})

	test('writes no file if the data is in memory', async () => {
		const { connectionString, close } = await startAzurite({ memory: true })
		const table = tableIn(connectionString)
		await table.createTable()
		await table.createEntity(joy)
		await close()
		expect(existsSync('unused.json')).toBe(false)
	})

	test('listens on loopback and accepts only its own key, not the well-known development key', async () => {
		const { connectionString, close } = await startAzurite({ folder })
		expect(connectionString).toMatch(/;TableEndpoint=http:\/\/127\.0\.0\.1:\d+\/rollcall$/)
		await tableIn(connectionString).createTable()
		const known = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
		const guessed = connectionString.replace(/AccountKey=[^;]+/, `AccountKey=${known}`)
		expect(guessed).not.toBe(connectionString)
		await expect(tableIn(guessed).createEntity(joy)).rejects.toMatchObject({ statusCode: 403 })
		const usual = guessed.replaceAll('rollcall', 'devstoreaccount1')
		await expect(tableIn(usual).createEntity(joy)).rejects.toMatchObject({ statusCode: 404 })
		await close()
	})

	test('does not start with a malformed file, and does not change the file', async () => {
		const file = join(folder, 'tables.json')
		await writeFile(file, '{"collections": [')
		await expect(startAzurite({ folder })).rejects.toMatchObject({
			name: 'UsageError',
			message: expect.stringMatching(/^the data in .*\/tables\.json cannot be used: .+$/),
			hint: 'restore a copy of the file, or choose another folder with --data',
		})
		expect(await readdir(folder)).toEqual(['tables.json'])
		expect(await readFile(file, 'utf8')).toBe('{"collections": [')
	})

	test('does not start if another process has the folder', async () => {
		await writeFile(join(folder, 'lock'), String(process.ppid))
		await expect(startAzurite({ folder })).rejects.toMatchObject({
			name: 'UsageError',
			message: `process ${process.ppid} already serves the folder ${folder}`,
		})
		expect(existsSync(join(folder, 'tables.json'))).toBe(false)
	})
})
