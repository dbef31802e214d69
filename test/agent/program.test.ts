import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { hasOwnNode, ownFiles, pasteable } from '../../agent/program.ts'

const text = 'Pin it: rollcall-relay doctor --config relay.json, or rollcall-relay --help'
const node = '/usr/bin/node'

test.each([
	['/opt/rollcall-relay/main.js', '/opt/rollcall-relay', 'node main.js'],
	['/opt/rollcall-relay/main.js', '/root', 'node /opt/rollcall-relay/main.js'],
	['/srv/our agent/main.js', '/root', 'node "/srv/our agent/main.js"'],
	['/usr/local/bin/rollcall-relay', '/root', 'rollcall-relay'],
])('for %s started in %s, commands begin with %s', (script, cwd, program) => {
	expect(pasteable(text, { files: { node, program: '/opt/rollcall-relay/main.js' }, script, cwd })).toBe(
		`Pin it: ${program} doctor --config relay.json, or ${program} --help`,
	)
})

test.each([
	['a single executable', '/opt/relay/rollcall-relay', undefined, '/opt/relay', './rollcall-relay'],
	['a single executable', '/opt/relay/rollcall-relay', undefined, '/opt', './relay/rollcall-relay'],
	['a single executable', '/opt/our relay/agent', undefined, '/root', '"/opt/our relay/agent"'],
	['a folder with Node', '/opt/relay/node', '/opt/relay/main.cjs', '/opt/relay', './rollcall-relay'],
	['a folder with Node', '/opt/relay/node', '/opt/relay/main.cjs', '/root', '/opt/relay/rollcall-relay'],
	['a single executable', '/usr/local/bin/rollcall-relay', undefined, '/usr', 'rollcall-relay'],
	['a single executable', '/usr/local/bin/rollcall-relay-2', undefined, '/root', '/usr/local/bin/rollcall-relay-2'],
])('for %s, %s with %s in %s, commands begin with %s', (_, node, program, cwd, started) => {
	expect(pasteable(text, { files: { node, program }, script: program ?? node, cwd, path: '/bin:/usr/local/bin' })).toBe(
		`Pin it: ${started} doctor --config relay.json, or ${started} --help`,
	)
})

test('the names of service and product stay unchanged', () => {
	const text = 'rollcall-relay 0.1.0: journalctl -u rollcall-relay -n 50, /etc/rollcall-relay/relay.json'
	const files = { node, program: '/root/main.js' }
	expect(pasteable(text, { files, script: '/root/main.js', cwd: '/root' })).toBe(text)
})

test.each([
	['/usr/bin/node', '/opt/rollcall-relay/main.js', false],
	['/opt/rollcall-relay/node', '/opt/rollcall-relay/main.cjs', true],
	['C:\\Program Files\\nodejs\\node.exe', 'C:\\rollcall-relay\\main.js', false],
	['C:\\rollcall-relay\\node.exe', 'C:\\rollcall-relay\\main.cjs', true],
	['C:\\rollcall-relay\\rollcall-relay.exe', undefined, true],
])('%s with %s has its own Node: %s', (node, program, expected) => {
	expect(hasOwnNode({ node, program })).toBe(expected)
})

test('this process is Node with a file', () => {
	expect(ownFiles).toEqual({ node: process.execPath, program: resolve('agent/program.ts') })
})
