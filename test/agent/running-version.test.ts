import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { versionLines } from '../../agent/running-version.ts'
import { settings } from '../support/relay-stand-in/lab.ts'

let folder = ''
let server: Server
let answer = ''
beforeEach(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-version-'))
	server = createServer((request, response) =>
		response.setHeader('connection', 'close').end(request.url === '/status' ? answer : '{}'),
	)
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
	await new Promise((resolve) => server.close(resolve))
	rmSync(folder, { recursive: true })
})

/** A settings file with the port of the server. */
function settingsFile(more: object): string {
	const file = join(folder, 'relay.json')
	const common = settings({ host: 'contoso.servicebus.windows.net' }, { port: 11015 })
	writeFileSync(file, JSON.stringify({ ...common, ...more }))
	return file
}

/** What is printed if the agent answers this. */
async function linesFor(status: object): Promise<string> {
	answer = JSON.stringify(status)
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	return versionLines(settingsFile({ admin: { port } }))
}

const rollcall = { version: '0.3.0', newestAgent: '0.3.0' }

test.each([
	['0.3.0', { rollcall }, 'AgentVersion=0.3.0\nRollcallVersion=0.3.0\n'],
	['0.2.0', { rollcall, upgrade: '0.3.0' }, 'AgentVersion=0.2.0\nRollcallVersion=0.3.0\nUpgrade=0.3.0\n'],
	['0.2.0', {}, 'AgentVersion=0.2.0\nRollcallVersion=unknown: no request has arrived yet\n'],
	[
		'0.2.0',
		{ servers: [{}, { rollcall, upgrade: '0.3.0' }, { rollcall, upgrade: '0.10.0' }, { rollcall, upgrade: '0.9.0' }] },
		'AgentVersion=0.2.0\nRollcallVersion=0.3.0\nUpgrade=0.10.0\n',
	],
])('an agent of version %s that answers %j', async (version, more, lines) => {
	expect(await linesFor({ version, state: 'online', ...more })).toBe(lines)
})

test('an agent that cannot be asked is explained', async () => {
	const file = settingsFile({})
	expect(await versionLines(file)).toBe(`AgentVersion=unknown: "admin": { "port": 9110 } is missing in ${file}\n`)
	expect(await versionLines('/absent.json')).toMatch(/^AgentVersion=unknown: cannot read \/absent\.json/)
	expect(await linesFor({})).toBe('AgentVersion=unknown: another program answers at admin.port\n')
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	await new Promise((resolve) => server.close(resolve))
	expect(await versionLines(settingsFile({ admin: { port } }))).toMatch(/^AgentVersion=unknown: .*ECONNREFUSED/)
})
