import { createRequire } from 'node:module'
import { afterAll, beforeAll } from 'vitest'

const require = createRequire(import.meta.url)

export type Azurite = { readonly connectionString: string; stop(): Promise<void> }

/** Azurite's public development account and key. */
const account = 'devstoreaccount1'
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Starts a table service in this process, in memory, on a free port of the loopback interface. */
export async function startAzurite(): Promise<Azurite> {
	// Azurite exports no server class, so this imports an inner module; hence the pinned version.
	const TableServer = require('azurite/dist/src/table/TableServer').default
	const TableConfiguration = require('azurite/dist/src/table/TableConfiguration').default
	const keepAliveSeconds = 120
	const inMemory = true
	const server = new TableServer(
		new TableConfiguration(
			'127.0.0.1',
			0,
			keepAliveSeconds,
			'unused.json',
			false,
			false,
			undefined,
			undefined,
			false,
			true,
			'',
			'',
			'',
			undefined,
			false,
			inMemory,
		),
	)
	await server.start()
	return {
		connectionString: `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};TableEndpoint=${server.getHttpServerAddress()}/${account}`,
		stop: () => server.close(),
	}
}

/** Starts one table service for a test file. Call the result inside a test. */
export function useAzurite(): () => Azurite {
	let running: Azurite | undefined
	beforeAll(async () => {
		running = await startAzurite()
	})
	afterAll(() => running?.stop())
	return () => {
		if (running === undefined) throw new Error('Azurite runs only while tests run')
		return running
	}
}
