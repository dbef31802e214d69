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
	const output = { out: '', err: '' }
	child.stdout.on('data', (text) => (output.out += text))
	child.stderr.on('data', (text) => (output.err += text))
	return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...output })))
}

const connection = ['--namespace', 'localhost:1', '--hybrid-connection', 'demo']
const keys = { ROLLCALL_LISTEN_KEY: 'listenkey', ROLLCALL_SEND_KEY: 'sendkey' }

test.each([
	[['--help'], {}, 0, /--hybrid-connection NAME/, /^$/],
	[[], keys, 2, /^$/, /^error: --namespace is missing\nhint: npm run relay:conformance -- --help\n$/],
	[connection, { ...keys, ROLLCALL_SEND_KEY: '' }, 2, /^$/, /^error: ROLLCALL_SEND_KEY is missing\n/],
	[[...connection, '--send-key', 'x'], keys, 2, /^$/, /^error: Unknown option '--send-key'/],
	[[...connection, '--ca', '/absent.pem'], keys, 2, /^$/, /^error: cannot read \/absent\.pem/],
	[connection, keys, 1, /^$/, /^error: cannot reach localhost:1: lost: .*ECONNREFUSED.*\n$/],
])('%j exits with its code', async (args, environment, code, out, err) => {
	expect(await run(args, environment)).toEqual({
		code,
		out: expect.stringMatching(out),
		err: expect.stringMatching(err),
	})
})
