import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startAdmin } from '../../../agent/admin.ts'
import { readSettings } from '../../../agent/config.ts'
import { writeBundle } from '../../../agent/doctor/bundle.ts'
import type { DoctorFinding } from '../../../agent/doctor/check.ts'
import { diagnose, report } from '../../../agent/doctor/doctor.ts'
import { openFleet } from '../../../agent/fleet.ts'
import { metricsOf } from '../../../agent/metrics.ts'
import { systemClock } from '../../../shared/relay/clock.ts'
import { machine, useRig } from './rig.ts'

const { lab, defaultSettings } = useRig()

/** Settings of two servers. The second one names a token that does not exist. */
function writeTwo(admin?: { readonly port: number }): string {
	const { agentId: _, ...server } = defaultSettings()
	const origin = { ...server.origin, authorization: { type: 'bearer', tokenFile: 'branch.token' } }
	const branch = { ...server, name: 'branch', relay: { ...server.relay, hybridConnection: 'deep/name' }, origin }
	const servers = [{ ...server, name: 'hq' }, branch]
	return lab().write('relay.json', JSON.stringify({ servers, ...(admin && { admin }) }))
}

const check = (file: string, more = {}) => diagnose(file, { clock: systemClock, machine, ...more })
const failed = (findings: readonly DoctorFinding[]) =>
	findings.filter(({ verdict }) => verdict === 'FAIL').map(({ server, code }) => `${server} ${code}`)

test('each server is checked, and the report is by server', async () => {
	const file = writeTwo()
	const findings = await check(file)
	expect(failed(findings)).toEqual(['branch C2'])
	expect(findings[0]).toEqual({ code: 'C1', verdict: 'PASS', seen: `${file} is valid` })
	for (const [code, servers] of [
		['O4', ['hq', 'branch']],
		['N2', ['hq', 'branch']],
		['H4', ['hq']],
	] as const)
		expect(findings.filter((finding) => finding.code === code).map(({ server }) => server)).toEqual(servers)
	expect(findings.find(({ code }) => code === 'H4')?.seen).toMatch(/196 needed$/)
	expect(report(findings)).toMatch(/^PASS C1 .*\n\nhq\nPASS C2[\s\S]*\n\nbranch\nPASS C2/)
	expect(report(findings)).toMatch(/\n\n1 check failed\. Start with C2 of branch\.\n$/)
})

test('one server can be chosen, and a request through Rollcall needs the choice', async () => {
	const file = writeTwo()
	expect(failed(await check(file, { server: 'hq' }))).toEqual([])
	expect(await check(file, { server: 'sales' })).toMatchObject([
		{ code: 'C1', verdict: 'FAIL', seen: `${file} has no server named sales` },
	])
	const cloud = { url: 'https://localhost:1/scim/demo', tokenFile: lab().write('client.token', 'token\n') }
	const endToEnd = async (more: object) => (await check(file, { cloud, ...more })).filter(({ code }) => code === 'E1')
	expect(await endToEnd({})).toEqual([
		{
			server: 'hq',
			code: 'E1',
			verdict: 'SKIP',
			seen: 'not requested: choose the server of the tenant with --server NAME',
		},
		{ server: 'branch', code: 'E1', verdict: 'SKIP', seen: expect.stringMatching(/--server NAME$/) },
	])
	expect(await endToEnd({ server: 'hq' })).toMatchObject([
		{ verdict: 'FAIL', seen: expect.stringMatching(/^GET https/) },
	])
})

test('the running agent tells of each server', async () => {
	const fleet = openFleet({ clock: systemClock, log: () => undefined, random: () => 0.5 })
	const admin = await startAdmin(0, {
		servers: fleet.servers,
		reload: async () => [],
		metrics: metricsOf(() => undefined),
		version: '',
	})
	const file = writeTwo({ port: admin.port })
	fleet.apply(readSettings(file), { isForced: true })
	await fleet.servers()[0]?.agent?.online
	const running = async () => (await check(file)).filter(({ code }) => code === 'A3')
	expect(await running()).toMatchObject([
		{ server: 'hq', verdict: 'PASS', seen: expect.stringMatching(/ is online on demo, /) },
		{
			server: 'branch',
			verdict: 'FAIL',
			seen: expect.stringMatching(/ is failed on deep\/name, .*; settings: cannot read .*branch\.token/),
			remedy: 'Repair the settings, or the files that they name (C1 and C2).',
		},
	])
	lab().write('branch.token', 'secret\n')
	fleet.apply(readSettings(file), { isForced: false })
	await fleet.servers()[1]?.agent?.online
	lab().write('branch.token', '')
	fleet.apply(readSettings(file), { isForced: false })
	expect((await running())[1]).toMatchObject({
		verdict: 'WARN',
		seen: expect.stringMatching(/online on deep\/name, .*, with earlier settings: .*branch\.token is empty$/),
	})
	await admin.close()
	await fleet.drain()
})

test('a bundle has the settings of all servers', () => {
	const config = writeTwo()
	const file = lab().write('bundle.json', '')
	writeBundle(file, { config, findings: [], machine, version: '' })
	expect(JSON.parse(readFileSync(file, 'utf8')).config.servers.map(({ name }: { name: string }) => name)).toEqual([
		'hq',
		'branch',
	])
})
