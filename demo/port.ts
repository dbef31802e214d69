import { once } from 'node:events'
import { createServer } from 'node:net'
import { parseArgs } from 'node:util'
import { dashes } from '../shared/cli/dashes.ts'
import { UsageError } from '../shared/cli/usage-error.ts'

/** The usual port of application servers. On the machine of a reader, another program may have it already. */
const usual = 11015

/**
 * Reads `--port N` and returns a port that is free on 127.0.0.1: the port that the user names, or else the usual one.
 * If the usual port is in use, says so and returns any free port.
 *
 * @throws UsageError if the command line is wrong, or if the port that the user names is in use
 */
export async function applicationPort(args: readonly string[], say: (text: string) => void): Promise<number> {
	const named = portOf(args)
	const free = await freePort(named ?? usual)
	if (free !== undefined) return free
	if (named !== undefined)
		throw new UsageError(`port ${named} is in use`, { hint: 'choose another port, or leave out --port' })
	const other = await freePort(0)
	if (other === undefined) throw new Error('no port of 127.0.0.1 is free')
	say(`Port ${usual} is in use: the application server listens on port ${other}. Choose one with --port N.`)
	return other
}

const hint = `npm run demo:relay ${dashes()} --port 11016`

function portOf(args: readonly string[]): number | undefined {
	const { port } = valuesOf(args)
	if (port === undefined) return undefined
	const number = /^\d{1,5}$/.test(port) ? Number(port) : Number.NaN
	if (number >= 1 && number <= 65_535) return number
	throw new UsageError(`--port ${port} is not a valid port`, { hint: 'use a number from 1 to 65535' })
}

function valuesOf(args: readonly string[]) {
	try {
		return parseArgs({ args: [...args], options: { port: { type: 'string' } } }).values
	} catch (cause) {
		throw new UsageError('the only option is --port N', { hint, cause })
	}
}

/** The port, or any free port for 0; undefined if another program has the port. */
async function freePort(port: number): Promise<number | undefined> {
	const server = createServer()
	const listening = once(server, 'listening').then(() => true)
	server.listen(port, '127.0.0.1')
	if (!(await listening.catch(() => false))) return undefined
	const address = server.address()
	await new Promise((resolve) => server.close(resolve))
	return typeof address === 'object' && address !== null ? address.port : undefined
}
