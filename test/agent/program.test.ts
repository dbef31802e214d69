import { expect, test } from 'vitest'
import { pasteable } from '../../agent/program.ts'

test.each([
	['/opt/rollcall-relay/main.js', '/opt/rollcall-relay', 'node main.js'],
	['/opt/rollcall-relay/main.js', '/root', 'node /opt/rollcall-relay/main.js'],
	['/srv/our agent/main.js', '/root', 'node "/srv/our agent/main.js"'],
	['/usr/local/bin/rollcall-relay', '/root', 'rollcall-relay'],
])('for %s started in %s, commands begin with %s', (script, cwd, program) => {
	expect(
		pasteable('Pin it: rollcall-relay doctor --config relay.json, or rollcall-relay --help', { script, cwd }),
	).toBe(`Pin it: ${program} doctor --config relay.json, or ${program} --help`)
})

test('the names of service and product stay unchanged', () => {
	const text = 'rollcall-relay 0.1.0: journalctl -u rollcall-relay -n 50, /etc/rollcall-relay/relay.json'
	expect(pasteable(text, { script: '/root/main.js', cwd: '/root' })).toBe(text)
})
