import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { applicationPort } from '../../demo/port.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
	for (const close of closing.splice(0)) await close()
})

/** Listens on a port of 127.0.0.1; undefined if another program has it already. */
async function occupy(port: number): Promise<number | undefined> {
	const server = createServer().listen(port, '127.0.0.1')
	const isListening = await once(server, 'listening').then(
		() => true,
		() => false,
	)
	if (!isListening) return undefined
	closing.push(() => new Promise((resolve) => server.close(resolve)))
	return (server.address() as AddressInfo).port // sound: it listens on a port, not on a pipe
}

async function choose(...args: string[]) {
	const said: string[] = []
	const port = await applicationPort(args, (text) => said.push(text))
	return { port, said }
}

test('the usual port is left to the program that has it, and the demo says which port it uses', async () => {
	await occupy(11015)
	const { port, said } = await choose()
	expect(port).not.toBe(11015)
	expect(said).toEqual([
		`Port 11015 is in use: the application server listens on port ${port}. Choose one with --port N.`,
	])
})

test('a port that the user names is used, or refused if another program has it', async () => {
	const taken = await occupy(0)
	await expect(choose('--port', String(taken))).rejects.toMatchObject({
		name: 'UsageError',
		message: `port ${taken} is in use`,
	})
	for (const close of closing.splice(0)) await close()
	expect(await choose('--port', String(taken))).toEqual({ port: taken, said: [] })
})

test.each([
	[['--port', '0'], '--port 0 is not a valid port'],
	[['--port', '65536'], '--port 65536 is not a valid port'],
	[['--port'], 'the only option is --port N'],
	[['--prot', '1'], 'the only option is --port N'],
	[['1'], 'the only option is --port N'],
])('%j is refused', async (args, message) => {
	await expect(choose(...args)).rejects.toMatchObject({ name: 'UsageError', message })
})
