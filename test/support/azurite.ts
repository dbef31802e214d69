import { afterAll, beforeAll } from 'vitest'
import { type Azurite, startAzurite } from '../../local/azurite.ts'

/** Starts one table service for a test file, in memory. Call the result inside a test. */
export function useAzurite(): () => Azurite {
	let running: Azurite | undefined
	beforeAll(async () => {
		running = await startAzurite({ memory: true })
	})
	afterAll(() => running?.close())
	return () => {
		if (running === undefined) throw new Error('Azurite runs only while tests run')
		return running
	}
}
