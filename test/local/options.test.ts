import { describe, expect, test } from 'vitest'
import { help, parseOptions } from '../../local/options.ts'

describe('the command line', () => {
	test('may be empty', () => {
		expect(parseOptions([])).toEqual({
			port: 7071,
			data: 'data',
			tenants: ['demo'],
			token: undefined,
			rate: undefined,
			tls: undefined,
			hasConsole: true,
		})
	})

	test('may have every option', () => {
		const args = [
			'--port',
			'0',
			'--data',
			'/srv/scim',
			'--token=AZaz09-._~+/AZaz==',
			'--tenant',
			'acme',
			'--tenant',
			'globex-2',
			'--tenant',
			'acme',
			'--rate',
			'25',
			'--tls-cert',
			'cert.pem',
			'--tls-key',
			'key.pem',
		]
		expect(parseOptions(args)).toEqual({
			port: 0,
			data: '/srv/scim',
			tenants: ['acme', 'globex-2'],
			token: 'AZaz09-._~+/AZaz==',
			rate: 25,
			tls: { cert: 'cert.pem', key: 'key.pem' },
			hasConsole: false,
		})
	})

	test('may leave out the console', () => {
		expect(parseOptions(['--no-console'])).toMatchObject({ hasConsole: false, tls: undefined })
	})

	test('may ask for data in memory, and for the highest port', () => {
		expect(parseOptions(['--ephemeral', '--port', '65535'])).toMatchObject({ data: undefined, port: 65_535 })
	})

	test('may ask for help, which lists every option', () => {
		expect(parseOptions(['--port', '1', '--help'])).toBe('help')
		const named = [...help.matchAll(/^ +(--[a-z-]+)/gm)].map(([, option]) => option)
		expect(named).toEqual([
			'--port',
			'--data',
			'--ephemeral',
			'--tenant',
			'--token',
			'--rate',
			'--tls-cert',
			'--tls-key',
			'--no-console',
			'--help',
		])
	})

	const list = 'npm start -- --help lists the options'
	const port = 'use a number from 0 to 65535'
	const tenant =
		'use 2 to 39 lower-case letters and digits, with single hyphens between them; words such as "users" are reserved'
	const token = 'use 16 or more letters, digits and - . _ ~ + /, for example from: openssl rand -hex 24'
	const rate = 'use a whole number of requests a second, 25 or more'
	test.each([
		[['--prot', '80'], 'unknown option --prot', 'did you mean --port?'],
		[['--epheremal'], 'unknown option --epheremal', 'did you mean --ephemeral?'],
		[['--tlscert', 'x'], 'unknown option --tlscert', 'did you mean --tls-cert?'],
		[['--tenants=x'], 'unknown option --tenants', 'did you mean --tenant?'],
		[['--hots'], 'unknown option --hots', list],
		[['--verbose'], 'unknown option --verbose', list],
		[['-p', '80'], 'unknown option -p', list],
		[['demo'], "Unexpected argument 'demo'. This command does not take positional arguments", list],
		[['--port'], "Option '--port <value>' argument missing", list],
		[['--port', '--ephemeral'], "Option '--port' argument is ambiguous.", list],
		[['--ephemeral=yes'], "Option '--ephemeral' does not take an argument", list],
		[['--port', '65536'], '--port 65536 is not a valid port', port],
		[['--port', '80a'], '--port 80a is not a valid port', port],
		[['--port='], '--port  is not a valid port', port],
		[['--port', '1e3'], '--port 1e3 is not a valid port', port],
		[['--data', ''], '--data needs a folder', 'leave it out for ./data'],
		[['--data', 'x', '--ephemeral'], '--ephemeral and --data cannot be combined', 'leave out one of them'],
		[['--tenant', 'Acme'], '--tenant Acme is not a valid name of a tenant', tenant],
		[['--tenant', 'demo', '--tenant', 'users'], '--tenant users is not a valid name of a tenant', tenant],
		[['--token', 'fifteen-letters'], '--token is not a valid token', token],
		[['--token', 'sixteen letters and spaces'], '--token is not a valid token', token],
		[['--token', '=================='], '--token is not a valid token', token],
		[['--rate', '24'], '--rate 24 is not a valid rate', rate],
		[['--rate', 'all'], '--rate all is not a valid rate', rate],
		[['--tls-cert', 'x'], '--tls-cert and --tls-key are needed together', 'add --tls-key'],
		[['--tls-key', 'x'], '--tls-cert and --tls-key are needed together', 'add --tls-cert'],
	])('%j is refused', (args, message, hint) => {
		expect(() => parseOptions(args)).toThrow(expect.objectContaining({ name: 'UsageError', message, hint }))
	})
})
