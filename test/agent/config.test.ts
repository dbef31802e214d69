import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readConfig, readSettings } from '../../agent/config.ts'
import { readSecret } from '../../agent/secret-file.ts'
import { settings } from '../support/relay-stand-in/lab.ts'

let folder = ''
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const good = settings({ host: 'contoso.servicebus.windows.net' }, { port: 11015 })
const read = (value: unknown) => {
	const file = join(folder, 'relay.json')
	writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
	return readConfig(file)
}

const reference = 'See the settings in docs/relay-reference.md.'
const jsonHint = 'Look for an extra or missing comma or bracket. In paths, write \\\\ instead of \\.'

test('a byte order mark before the settings is ignored', () => {
	expect(read(`\ufeff${JSON.stringify(good)}`)).toEqual(read(good))
})

test('settings in UTF-16 are refused, with a hint how to write UTF-8', () => {
	const file = join(folder, 'relay.json')
	writeFileSync(file, `\ufeff${JSON.stringify(good)}`, 'utf16le')
	expect(() => readConfig(file)).toThrow(
		expect.objectContaining({
			message: `${file} is not UTF-8 text; it may be UTF-16`,
			hint: expect.stringMatching(/Set-Content -Encoding utf8/),
		}),
	)
})

test('file names are resolved against the folder of the settings, and defaults are filled in', () => {
	expect(read(good)).toEqual({
		relay: {
			namespace: 'contoso.servicebus.windows.net',
			hybridConnection: 'demo',
			rendezvousSuffix: '.servicebus.windows.net',
			audience: 'https://relay.azure.net/',
			caFile: join(folder, 'ca.pem'),
		},
		credentials: { type: 'sas', keyName: 'listen', keyFile: join(folder, 'listen.key') },
		origin: {
			url: 'https://localhost:11015/scim',
			tls: { mode: 'ca', caFile: join(folder, 'ca.pem') },
			authorization: { type: 'bearer', tokenFile: join(folder, 'origin.token') },
		},
		agentId: good.agentId,
		concurrency: 16,
	})
})

test('pins are one or two files, and the name of one file is enough', () => {
	const pinned = (tls: object) => ({ ...good, origin: { ...good.origin, tls: { mode: 'pin', ...tls } } })
	expect(read(pinned({ pins: ['old.pem', '/new.pem'] })).origin.tls).toEqual({
		mode: 'pin',
		pins: [join(folder, 'old.pem'), '/new.pem'],
	})
	for (const [tls, message] of [
		[{}, /origin\.tls\.certificateFile is missing$/],
		[{ certificateFile: 'a', pins: ['b'] }, /origin\.tls\.certificateFile: cannot stand beside pins$/],
		[{ pins: [] }, /origin\.tls\.pins: /],
		[{ pins: ['a', 'b', 'c'] }, /origin\.tls\.pins: must be at most two files$/],
	] as const)
		expect(() => read(pinned(tls))).toThrow(message)
})

test('an audit log keeps five files of 10 MB by default', () => {
	const file = join(folder, 'audit', 'a.log')
	expect(read({ ...good, audit: { file: 'audit/a.log' } }).audit).toEqual({ file, megabytes: 10, keep: 5 })
	expect(read({ ...good, audit: { file: '../..audit/a.log' } }).audit?.file).toBe(
		join(folder, '..', '..audit', 'a.log'),
	)
})

test('an agent without an id has the same one at every start', () => {
	const { agentId: _, ...others } = good
	expect(read(others).agentId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
	expect(read(others).agentId).toBe(read(others).agentId)
})

test.each([
	['{', /relay\.json(, line 1)? is not JSON: /, jsonHint],
	['{\n  "relay": {},\n}', /relay\.json, line 3 is not JSON: /, jsonHint],
	['{\n  "credentials": { "keyFile": "C:\\keys" }\n}', /relay\.json, line 2 is not JSON: /, jsonHint],
	[
		{ ...good, relay: { namespace: 'contoso.servicebus.windows.net', hybridConection: 'demo' } },
		/relay\.hybridConection is an unknown setting$/,
		'Did you mean hybridConnection?',
	],
	[
		{ ...good, relay: { namespace: 'contoso.servicebus.windows.net' } },
		/: relay\.hybridConnection is missing$/,
		'See the settings in docs/relay-reference.md.',
	],
	[
		{ ...good, credentials: { ...good.credentials, type: 'sass' } },
		/: credentials\.type: "sass" must be one of sas, arc, enrolled, certificate$/,
		'See the settings in docs/relay-reference.md.',
	],
	[[], /: the file: /, 'See the settings in docs/relay-reference.md.'],
	[{ ...good, concurency: 2 }, /concurency is an unknown setting$/, 'Did you mean concurrency?'],
	[
		{ ...good, relay: { ...good.relay, nameSpace: 'x' } },
		/relay\.nameSpace is an unknown setting$/,
		'Did you mean namespace?',
	],
	[{ ...good, rejectUnauthorized: false }, /rejectUnauthorized is an unknown setting$/, 'Remove it.'],
	[
		{ ...good, origin: { ...good.origin, url: 'http://localhost/scim' } },
		/origin\.url: must be an https URL with \/scim in its path, such as https:\/\/localhost:11015\/scim/,
		'See the settings in docs/relay-reference.md.',
	],
	[
		{ ...good, origin: { ...good.origin, url: 'https://localhost/x' } },
		/origin\.url: /,
		'See the settings in docs/relay-reference.md.',
	],
	[
		{ ...good, origin: { ...good.origin, tls: { mode: 'off' } } },
		/origin\.tls/,
		'See the settings in docs/relay-reference.md.',
	],
	[
		{ ...good, allow: { Users: ['GET', 'get'] } },
		/: allow\.Users\.1: must be "GET", "POST", "PUT", "PATCH" or "DELETE", not the string "get"$/,
		reference,
	],
	[{ ...good, allow: { Users: [] } }, /: allow\.Users: must list a method, such as GET$/, reference],
	[{ ...good, allow: { Users: 'GET' } }, /: allow\.Users: must be a list, not the string "GET"$/, reference],
	[{ ...good, allow: {} }, /: allow: must list an endpoint, such as "Users": \["GET"\]$/, reference],
	[{ ...good, allow: ['Users'] }, /: allow: must be an object, not/, reference],
	[{ ...good, allow: { users: ['GET'] } }, /: allow\.users: is not an endpoint of SCIM; write Users$/, reference],
	[{ ...good, allow: { Grops: ['GET'] } }, /: allow\.Grops: is not an endpoint of SCIM; write Groups$/, reference],
	[
		{ ...good, allow: { Users: ['GET'], Bulk: ['POST'] } },
		/: allow\.Bulk: cannot be listed, because its requests may touch every resource type$/,
		reference,
	],
	[{ ...good, allow: { me: ['GET'] } }, /: allow\.me: cannot be listed/, reference],
	[{ ...good, allow: { '.search': ['POST'] } }, /: allow\.\.search: must be the name of an endpoint/, reference],
	[{ ...good, allow: { 'Users/1': ['GET'] } }, /: allow\.Users\/1: must be the name of an endpoint/, reference],
	[{ ...good, audit: {} }, /: audit\.file is missing$/, reference],
	[{ ...good, audit: { file: 'a/b', keep: 0 } }, /: audit\.keep: is less than 1$/, reference],
	[{ ...good, audit: { file: 'a/b', megabytes: 0.5 } }, /: audit\.megabytes: must be a whole number/, reference],
	[{ ...good, audit: { file: 'a/b', keeps: 1 } }, /audit\.keeps is an unknown setting$/, 'Did you mean keep?'],
	...['audit.log', '../audit.log', '/audit.log'].map((name): [object, RegExp, string] => [
		{ ...good, audit: { file: name } },
		/: audit\.file must be in a folder of its own, not beside the settings$/,
		'Create a folder that the user of the agent may write, such as audit, and name audit/audit.log.',
	]),
	[{ ...good, alow: { Users: ['GET'] } }, /alow is an unknown setting$/, 'Did you mean allow?'],
])('%j is refused with the name of the setting', (value, message, hint) => {
	expect(() => read(value)).toThrow(
		expect.objectContaining({ name: 'UsageError', message: expect.stringMatching(message), hint }),
	)
})

const { agentId: _, ...server } = good
const hq = { name: 'hq', ...server }
const branch = { ...hq, name: 'branch', relay: { ...good.relay, hybridConnection: 'branch' } }
const write = (value: unknown) => {
	writeFileSync(join(folder, 'relay.json'), JSON.stringify(value))
	return join(folder, 'relay.json')
}

test('a file may have several servers, and one of them can be chosen', () => {
	const file = write({ servers: [hq, branch], admin: { port: 9110 } })
	const { servers, admin } = readSettings(file)
	expect(admin).toEqual({ port: 9110 })
	expect(servers.map(({ name, relay, admin }) => [name, relay.hybridConnection, admin])).toEqual([
		['hq', 'demo', { port: 9110 }],
		['branch', 'branch', { port: 9110 }],
	])
	expect(servers[1]?.origin.authorization).toEqual({ type: 'bearer', tokenFile: join(folder, 'origin.token') })
	expect(servers[0]?.agentId).not.toBe(servers[1]?.agentId)
	expect(readConfig(file, 'branch')).toEqual(servers[1])
	expect(() => readConfig(file)).toThrow(
		expect.objectContaining({
			message: `${file} has several servers`,
			hint: 'Choose one with --server NAME: hq, branch.',
		}),
	)
	expect(() => readConfig(file, 'sales')).toThrow(`${file} has no server named sales`)
	expect(() => readConfig(write(good), 'hq')).toThrow('has no server named hq')
	expect(readConfig(write({ servers: [hq] })).name).toBe('hq')
})

test.each<[unknown, RegExp, string | RegExp]>([
	[{ servers: [] }, /: servers: must list a server$/, reference],
	[{ servers: [good] }, /: servers\.0\.name is missing$/, reference],
	[{ servers: [{ ...hq, name: 'H Q' }] }, /: servers\.0\.name: must be up to 32 lowercase letters/, reference],
	[{ servers: [hq, { ...branch, name: 'hq' }] }, /: servers\.1\.name is that of hq, too$/, /a name of its own/],
	[
		{ servers: [hq, { ...hq, name: 'b', relay: { ...good.relay, hybridConnection: 'DEMO' } }] },
		/: servers\.1\.relay\.hybridConnection is that of hq, too$/,
		/a hybrid connection of its own/,
	],
	[
		{
			servers: [
				{ ...hq, audit: { file: 'a/b' } },
				{ ...branch, audit: { file: 'a/b', keep: 9 } },
			],
		},
		/: servers\.1\.audit\.file is that of hq, too$/,
		/the same megabytes and keep/,
	],
	[{ servers: [{ ...hq, audit: { file: 'b' } }] }, /: audit\.file must be in a folder of its own/, /Create a folder/],
	[{ servers: [hq], relay: good.relay }, /: relay is an unknown setting$/, /Beside "servers" there is only "admin"/],
	[
		{ servers: [{ ...hq, admin: { port: 1 } }] },
		/: servers\.0\.admin is an unknown setting$/,
		/Write it beside "servers"/,
	],
	[
		{ servers: [{ ...hq, origin: { ...good.origin, ulr: '' } }] },
		/servers\.0\.origin\.ulr is an unknown/,
		'Did you mean url?',
	],
	[{ ...good, name: 'hq' }, /: name is an unknown setting$/, /for the entries of "servers" alone/],
])('%j is refused', (value, message, hint) => {
	expect(() => readSettings(write(value))).toThrow(
		expect.objectContaining({
			name: 'UsageError',
			message: expect.stringMatching(message),
			hint: typeof hint === 'string' ? hint : expect.stringMatching(hint),
		}),
	)
})

test('a secret that other users can read is refused', () => {
	const file = join(folder, 'secret')
	writeFileSync(file, 'secret\n')
	chmodSync(file, 0o640)
	expect(() => readSecret(file)).toThrow(expect.objectContaining({ hint: `chmod 600 ${file}` }))
	chmodSync(file, 0o600)
	expect(readSecret(file)).toBe('secret')
})
