import { chmodSync, readFileSync, statSync } from 'node:fs'
import { createServer as createPlain } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeBundle } from '../../../relay/doctor/bundle.ts'
import type { Finding } from '../../../relay/doctor/check.ts'
import { diagnose, report } from '../../../relay/doctor/doctor.ts'
import { systemClock } from '../../../shared/relay/clock.ts'
import { selfSigned } from '../../support/relay-stand-in/certificates.ts'
import { ca, type Lab, settings, startLab } from '../../support/relay-stand-in/lab.ts'
import { json, startOrigin } from '../../support/relay-stand-in/origin.ts'

let lab: Lab
const running: { stop(): unknown }[] = []

beforeEach(async () => {
	lab = await startLab({ serviceClock: systemClock })
})
afterEach(async () => {
	await lab.stop()
	for (const { stop } of running.splice(0)) await stop()
})

/** A machine on which nothing is installed. */
const machine = { platform: 'linux', folder: '/absent', run: () => 'LoadState=not-found\n' }
const examination = { clock: systemClock, machine }

const configured = (more = {}) =>
	lab.write('relay.json', JSON.stringify({ ...settings(lab.standIn, lab.origin), ...more }))
const diagnosed = (more = {}, how = {}) => diagnose(configured(more), { ...examination, ...how })
const wrong = (findings: readonly Finding[]) => findings.filter(({ verdict }) => verdict === 'FAIL')

test('with nothing wrong, nothing is found wrong, and nothing has listened', async () => {
	const findings = await diagnosed()
	expect(findings.map(({ code, verdict }) => `${verdict} ${code}`)).toEqual([
		...[
			'PASS C1',
			'PASS C2',
			'PASS C2',
			'PASS H1',
			'SKIP H3',
			'PASS H4',
			'PASS N1',
			'PASS N2',
			'PASS N3',
			'PASS N4',
			'PASS N5',
			'PASS H2',
			'WARN N6',
			'PASS A1',
			'PASS A2',
			'SKIP A3',
		],
		...['PASS O1', 'PASS O3', 'WARN O3', 'PASS O4', 'PASS O5', 'PASS O6', 'SKIP O7', 'SKIP E1'],
	])
	expect(lab.standIn.journal.count('listening')).toBe(0)
	expect(report(findings)).toMatch(/^PASS C1 {2}.*\n/)
	expect(report(findings)).not.toMatch(/listenkey|origin-secret/)
})

describe('what is wrong with the way to the service', () => {
	const relay = (more: object) => ({ relay: { ...settings(lab.standIn, lab.origin).relay, ...more } })

	test.each<[string, () => object, string, RegExp, RegExp]>([
		[
			'a setting of another name',
			() => ({ concurency: 1 }),
			'C1',
			/concurency is no setting/,
			/Did you mean concurrency\?/,
		],
		['no such namespace', () => relay({ namespace: 'absent.invalid' }), 'N1', /absent\.invalid/, /relay\.namespace/],
		[
			'a port that nothing listens on',
			() => relay({ namespace: 'localhost:1' }),
			'N2',
			/ECONNREFUSED/,
			/"proxy": "http:/,
		],
		[
			'an authority that is unknown',
			() => relay({ caFile: lab.write('other.pem', selfSigned().cert) }),
			'N3',
			/certificate/,
			/"caFile": "firewall-ca\.pem"/,
		],
		[
			'no such hybrid connection',
			() => relay({ hybridConnection: 'absent' }),
			'N5',
			/^404 EntityNotFound/,
			/no hybrid connection "hybridConnection": "absent"/,
		],
		[
			'a key that is not there',
			() => ({ credentials: { type: 'sas', keyName: 'listen', keyFile: 'absent.key' } }),
			'C2',
			/absent\.key cannot be read/,
			/readable by the user/,
		],
	])('%s', async (_, more, code, seen, remedy) => {
		const found = wrong(await diagnosed(more()))
		expect(found).toContainEqual({
			code,
			verdict: 'FAIL',
			seen: expect.stringMatching(seen),
			remedy: expect.stringMatching(remedy),
		})
	})

	test('a key that others can read', async () => {
		chmodSync(lab.write('listen.key', 'listenkey'), 0o644)
		expect(wrong(await diagnosed())).toContainEqual(
			expect.objectContaining({ code: 'C2', remedy: expect.stringMatching(/^chmod 600 .*listen\.key$/) }),
		)
	})

	test('a clock that is ten minutes off', async () => {
		const ahead = { ...systemClock, now: () => Date.now() + 600_000 }
		expect(wrong(await diagnosed({}, { clock: ahead }))).toEqual([
			{
				code: 'H2',
				verdict: 'FAIL',
				seen: expect.stringMatching(/^this clock is \d+ s off/),
				remedy: expect.stringMatching(/NTP/),
			},
		])
	})

	test('a proxy that wants credentials', async () => {
		const proxy = createPlain().on('connect', (_, socket) => socket.end('HTTP/1.1 407 Credentials\r\n\r\n'))
		const findings = await diagnosed(relay({ proxy: `http://127.0.0.1:${await listen(proxy)}` }))
		expect(wrong(findings)).toEqual([
			{
				code: 'N2',
				verdict: 'FAIL',
				seen: 'the proxy answered 407 Credentials',
				remedy: expect.stringMatching(/"proxy": "http:\/\/user:password@/),
			},
		])
	})
})

describe('what is wrong with the SCIM server', () => {
	const origin = (port: number, more = {}) => ({
		origin: { ...settings(lab.standIn, lab.origin).origin, url: `https://localhost:${port}/scim`, ...more },
	})
	const trusted = ca.issue(['DNS:localhost'])
	const own = selfSigned(['DNS:localhost'])

	test.each([
		['self-signed', own, {}, {}, 'origin_tls_untrusted', /"mode": "pin", "certificateFile": "origin\.pem"/],
		[
			'of an unknown authority',
			trusted,
			{ tls: { mode: 'system' } },
			{},
			'origin_tls_untrusted',
			/"mode": "ca", "caFile": "ca\.pem"/,
		],
		[
			'of another name',
			ca.issue(['DNS:appsrv01.corp.local']),
			{},
			{},
			'origin_tls_name',
			/"serverName": "appsrv01\.corp\.local"/,
		],
		['expired', ca.issue(['DNS:localhost'], -1), {}, {}, 'origin_tls_expired', /renew it/],
		[
			'not the pinned one',
			own,
			{ tls: { mode: 'pin', certificateFile: 'pin.pem' } },
			{},
			'origin_tls_pin',
			/"mode": "pin"/,
		],
		[
			'shown by an old protocol',
			trusted,
			{},
			{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
			'origin_tls_protocol',
			/TLS 1\.2/,
		],
		[
			'and a wish for one of the agent',
			trusted,
			{},
			{ requestCert: true, rejectUnauthorized: true, ca: ca.cert },
			'origin_tls_client_cert',
			/"clientCertificate": \{/,
		],
	] as const)('a certificate %s', async (_, certificate, more, options, code, remedy) => {
		lab.write('pin.pem', selfSigned(['DNS:localhost']).cert)
		const server = await startOrigin({ ...certificate, ...options })
		running.push(server)
		expect(wrong(await diagnosed(origin(server.port, more)))).toEqual([
			{ code: 'O3', verdict: 'FAIL', seen: expect.stringMatching(`^${code}: `), remedy: expect.stringMatching(remedy) },
		])
		expect(server.requests).toEqual([])
	})

	test.each<[string, () => Promise<object>, string, RegExp, RegExp]>([
		[
			'no address',
			async () => ({ origin: { ...settings(lab.standIn, lab.origin).origin, url: 'https://absent.invalid/scim' } }),
			'O1',
			/^origin_dns/,
			/"url": "https:\/\/localhost\/scim"/,
		],
		['nothing that listens', async () => origin(1), 'O2', /^origin_refused/, /"url": "https:\/\/localhost:1\/scim"/],
		[
			'no TLS',
			async () => origin(await listen(createPlain((_, response) => response.end()))),
			'O3',
			/^origin_not_tls/,
			/plain HTTP/,
		],
		[
			'nothing to say',
			async () => origin(await listen(createTcp(() => undefined))),
			'O2',
			/^origin_connect_timeout/,
			/firewalls/,
		],
	])('%s', async (_, more, code, seen, remedy) => {
		expect(wrong(await diagnosed(await more()))).toEqual([
			{ code, verdict: 'FAIL', seen: expect.stringMatching(seen), remedy: expect.stringMatching(remedy) },
		])
	})

	test.each([
		[401, 'O5', /refuses the token in .*origin\.token/],
		[403, 'O5', /refuses the token in/],
		[404, 'O5', /Is origin\.url the address/],
	])('%i for users', async (status, code, remedy) => {
		lab.origin.answer = (incoming, response) => json(response, incoming.url?.includes('Users') ? status : 200, {})
		expect(wrong(await diagnosed())).toEqual([
			{ code, verdict: 'FAIL', seen: `GET /Users?count=1: ${status}`, remedy: expect.stringMatching(remedy) },
		])
	})

	test('pages for people', async () => {
		lab.origin.answer = (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>IIS')
		expect(wrong(await diagnosed()).map(({ code, remedy }) => [code, remedy])).toEqual([
			['O4', expect.stringMatching(/^What answers is not SCIM/)],
			['O5', expect.stringMatching(/^What answers is not SCIM/)],
		])
	})
})

test('large requests come by other hosts, which are named', async () => {
	const { relay } = settings(lab.standIn, lab.origin)
	const n6 = async (more: object) =>
		(await diagnosed({ relay: { ...relay, ...more } })).filter(({ code }) => code === 'N6')
	const seen = 'large requests come by any host below .servicebus.windows.net, port 443, which this machine must reach'
	expect(await n6({ namespace: 'absent.servicebus.windows.net', proxy: 'http://127.0.0.1:1' })).toEqual([
		{ code: 'N6', verdict: 'PASS', seen },
	])
	expect(await n6({ namespace: 'absent.servicebus.chinacloudapi.cn', proxy: 'http://127.0.0.1:1' })).toEqual([
		{
			code: 'N6',
			verdict: 'WARN',
			seen: `${seen}; absent.servicebus.chinacloudapi.cn is not below it`,
			remedy: 'In a sovereign cloud: "rendezvousSuffix": ".servicebus.chinacloudapi.cn" in relay.',
		},
	])
})

test.each([
	['https://relay.azure.net/', 'PASS', /of the identity agent-1, which needs the role Azure Relay Listener on demo$/],
	['https://management.azure.com/', 'FAIL', /^it is for https:\/\/management\.azure\.com\/, of the identity agent-1$/],
])('a token for %s: %s', async (aud, verdict, seen) => {
	const claims = Buffer.from(JSON.stringify({ aud, oid: 'agent-1' })).toString('base64url')
	const arc = createPlain((_, response) =>
		response.end(JSON.stringify({ access_token: `x.${claims}.x`, expires_on: '1900000000' })),
	)
	process.env.IDENTITY_ENDPOINT = `http://127.0.0.1:${await listen(arc)}/`
	const findings = await diagnosed({ credentials: { type: 'arc' } })
	Reflect.deleteProperty(process.env, 'IDENTITY_ENDPOINT')
	expect(findings.find(({ code }) => code === 'A2')).toMatchObject({ verdict, seen: expect.stringMatching(seen) })
})

test('schemas that are too large for the control channel are seen', async () => {
	lab.origin.answer = (incoming, response) =>
		json(response, 200, { text: incoming.url === '/scim/Schemas' ? 'x'.repeat(65_536) : '' })
	expect((await diagnosed()).find(({ code }) => code === 'O7')).toEqual({
		code: 'O7',
		verdict: 'PASS',
		seen: 'GET /Schemas: 200, 65547 bytes, which goes packed or by a rendezvous',
	})
})

describe('a bundle for somebody else', () => {
	const bundle = async (more: object, run: () => string) => {
		const config = configured(more)
		const file = join(dirname(config), 'bundle.json')
		const findings = await diagnose(config, examination)
		writeBundle(file, { config, findings, machine: { ...machine, run }, version: '1.2.3' })
		expect(statSync(file).mode & 0o777).toBe(0o600)
		const text = readFileSync(file, 'utf8')
		expect(text).not.toMatch(/listenkey|origin-secret|word@/)
		return { ...JSON.parse(text), all: findings }
	}

	test('has settings, findings, versions and the log, and no secret', async () => {
		const { relay } = settings(lab.standIn, lab.origin)
		const proxy = 'http://user:pass@word@127.0.0.1:1'
		const { versions, config, findings, log, all } = await bundle({ relay: { ...relay, proxy } }, () => 'one\ntwo')
		expect(versions).toMatchObject({ 'rollcall-relay': '1.2.3', node: process.versions.node })
		expect(config.relay.proxy).toBe('http://…@127.0.0.1:1')
		expect(config.origin.authorization.tokenFile).toMatch(/origin\.token$/)
		expect(findings).toEqual(all)
		expect(log).toEqual(['one', 'two'])
	})

	test('says what it lacks', async () => {
		const { config, log, findings } = await bundle({ concurency: 1 }, () => {
			throw new Error('no journalctl')
		})
		expect(config).toEqual({ missing: expect.stringContaining('concurency is no setting') })
		expect(log).toEqual({ missing: 'no journalctl' })
		expect(findings).toMatchObject([{ code: 'C1', verdict: 'FAIL' }])
	})
})

async function listen(server: Server): Promise<number> {
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	running.push({ stop: () => server.close() })
	return (server.address() as AddressInfo).port // sound: it listens on TCP
}
