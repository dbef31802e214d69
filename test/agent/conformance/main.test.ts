import { spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bundle, bundle } from '../../support/bundle.ts'

let program: Bundle

beforeAll(async () => {
	program = await bundle('agent/conformance/main.ts')
})
afterAll(() => program.remove())

function run(args: readonly string[], keys: Readonly<Record<string, string>>) {
	const child = spawn(process.execPath, [program.file, ...args], { env: { ...process.env, ...keys } })
	const seen = { out: '', err: '' }
	child.stdout.on('data', (text) => (seen.out += text))
	child.stderr.on('data', (text) => (seen.err += text))
	return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...seen })))
}

const connection = ['--namespace', 'localhost:1', '--hybrid-connection', 'demo']
const keys = { ROLLCALL_LISTEN_KEY: 'listenkey', ROLLCALL_SEND_KEY: 'sendkey' }

test.each([
	[['--help'], {}, 0, /--hybrid-connection NAME/, /^$/],
	[[], keys, 2, /^$/, /^error: --namespace is missing\nhint: npm run relay:conformance -- --help\n$/],
	[connection, { ...keys, ROLLCALL_SEND_KEY: '' }, 2, /^$/, /^error: ROLLCALL_SEND_KEY is missing\n/],
	[[...connection, '--send-key', 'x'], keys, 2, /^$/, /^error: Unknown option '--send-key'/],
	[[...connection, '--ca', '/absent.pem'], keys, 2, /^$/, /^error: \/absent\.pem cannot be read/],
	[connection, keys, 1, /^$/, /^error: localhost:1 is not reached: lost: .*ECONNREFUSED.*\n$/],
])('%j exits with its code', async (args, environment, code, out, err) => {
	expect(await run(args, environment)).toEqual({
		code,
		out: expect.stringMatching(out),
		err: expect.stringMatching(err),
	})
})
