import { writeFileSync } from 'node:fs'
import { createServer as createPlain } from 'node:http'
import type { ServerOptions } from 'node:https'
import { createServer as createTcp } from 'node:net'
import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../agent/config.ts'
import { showCertificate } from '../../../agent/doctor/certificate.ts'
import type { DoctorFinding } from '../../../agent/doctor/check.ts'
import { notYetValid, selfSigned, withExtension } from '../../support/relay-stand-in/certificates.ts'
import { ca } from '../../support/relay-stand-in/lab.ts'
import { json, startOrigin } from '../../support/relay-stand-in/origin.ts'
import { useRig, verdicts, wrong } from './rig.ts'

const { lab, configured, diagnosed, origin, listen, stopLater } = useRig()

type Settings = { readonly url?: string; readonly tls?: object; readonly clientCertificate?: object }

/** A SCIM server with this certificate. */
const serverWith = async (options: ServerOptions) => stopLater(await startOrigin(options))

const at = (host: string, port: number) => `https://${host}:${port}/scim`

/** What is wrong, which is one thing about the connection alone. */
async function fault(more: Settings): Promise<Required<DoctorFinding>> {
	const findings = wrong(await diagnosed(origin(more)))
	expect(findings).toEqual([
		{ code: expect.any(String), verdict: 'FAIL', seen: expect.any(String), remedy: expect.any(String) },
	])
	const [{ code, verdict, seen, remedy = '' } = { code: '', verdict: 'FAIL', seen: '' } as const] = findings
	expect(seen).not.toMatch(/\n|routines/)
	return { code, verdict, seen, remedy }
}

/** Does what a remedy says: saves the certificate by the command, and takes the lines over into the settings. */
async function follow(way: string, more: Settings): Promise<Settings> {
	const [, command, file = ''] = /rollcall-relay doctor --config (\S+) --save-certificate (\S+),/.exec(way) ?? []
	if (command !== undefined) writeFileSync(file, (await showCertificate(readConfig(command))).pem)
	const lines = [...way.matchAll(/"(tls|clientCertificate|url)": (\{[^}]*\}|"[^"]*")/g)]
	expect(lines).not.toEqual([])
	return { ...more, ...Object.fromEntries(lines.map(([, name = '', value = '']) => [name, JSON.parse(value)])) }
}

const system = { mode: 'system' }
const authority = { mode: 'ca', caFile: 'ca.pem' }
const own = selfSigned(['DNS:localhost'])
const other = selfSigned(['DNS:localhost'])
const trusted = ca.issue(['DNS:localhost'])
const issuing = ca.below('Issuing')
const label = hostname().toLowerCase().split('.')[0]

describe('each fault of its certificate has a name and ways out, every one of which works', () => {
	test.each<[string, ServerOptions, string, object, string, readonly RegExp[]]>([
		['self-signed', own, 'localhost', system, 'origin_tls_untrusted: self-signed certificate', [/^It is self-signed/]],
		[
			'self-signed and without a name',
			selfSigned([], 'appsrv01'),
			'127.0.0.1',
			system,
			'origin_tls_untrusted',
			[/pin it/],
		],
		[
			'of an authority that is not given',
			trusted,
			'localhost',
			system,
			'origin_tls_untrusted',
			[/issued by Lab, .* set "tls": { "mode": "ca", "caFile": "ca\.pem" } in origin/, /^Pin it/],
		],
		[
			'of an authority that is not given but sent along',
			{ ...trusted, cert: trusted.cert + ca.cert },
			'localhost',
			system,
			'origin_tls_untrusted: self-signed certificate in certificate chain',
			[/issued by Lab, .* set "tls": { "mode": "ca", "caFile": "ca\.pem" }/, /^Pin it/],
		],
		[
			'of an authority below the one that is given',
			issuing.issue(['DNS:localhost']),
			'localhost',
			authority,
			'origin_tls_untrusted: unable to get local issuer certificate',
			[/^It was issued by Issuing, which is not in \S+ca\.pem: add the certificate of that authority\.$/, /^Pin it/],
		],
		[
			'of an authority that is not given, and of another name',
			ca.issue(['DNS:appsrv01.corp.local']),
			'127.0.0.1',
			system,
			'origin_tls_untrusted',
			[/"tls": { "mode": "ca", "caFile": "ca\.pem", "serverName": "appsrv01\.corp\.local" }/, /^Pin it/],
		],
		[
			'with only a common name',
			ca.issue([]),
			'127.0.0.1',
			authority,
			'origin_tls_name: it is not for 127.0.0.1',
			[/"serverName": "leaf" }/, /^Have it issued again with IP:127\.0\.0\.1/, /^Pin it/],
		],
		[
			'for another name, at 127.0.0.1',
			ca.issue(['DNS:appsrv01.corp.local']),
			'127.0.0.1',
			authority,
			'origin_tls_name: it is not for 127.0.0.1',
			[/"serverName": "appsrv01\.corp\.local" }/, /IP:127\.0\.0\.1/, /^Pin it/],
		],
		[
			'for another name, at localhost',
			ca.issue(['DNS:appsrv01.corp.local']),
			'localhost',
			authority,
			'origin_tls_name: it is not for localhost',
			[/"serverName": "appsrv01\.corp\.local" }/, /DNS:localhost/, /^Pin it/],
		],
		[
			'for another name than the one to check',
			ca.issue(['DNS:localhost']),
			'localhost',
			{ ...authority, serverName: 'appsrv01' },
			'origin_tls_name: it is not for appsrv01',
			[/"serverName": "localhost" }/, /DNS:appsrv01/, /^Pin it/],
		],
		[
			'for localhost, at 127.0.0.1',
			trusted,
			'127.0.0.1',
			authority,
			'origin_tls_name: it is not for 127.0.0.1',
			[/"serverName": "localhost" }/, /IP:127\.0\.0\.1/, /^Pin it/],
		],
		[
			'for 127.0.0.1 as a DNS name, at 127.0.0.1',
			ca.issue(['DNS:127.0.0.1']),
			'127.0.0.1',
			authority,
			'origin_tls_name: it is not for 127.0.0.1',
			[
				/^It has 127\.0\.0\.1 as DNS:127\.0\.0\.1, which does not count: an address must be an IP entry\. .*IP:127\.0\.0\.1/,
				/^Pin it/,
			],
		],
		[
			'for 127.0.0.1 as a DNS name and for another name, at 127.0.0.1',
			ca.issue(['DNS:127.0.0.1', 'DNS:appsrv01']),
			'127.0.0.1',
			authority,
			'origin_tls_name',
			[/"serverName": "appsrv01" }/, /must be an IP entry/, /^Pin it/],
		],
		[
			'for an address alone, at localhost',
			ca.issue(['IP:10.0.0.5']),
			'localhost',
			authority,
			'origin_tls_name',
			[/"serverName": "10\.0\.0\.5" }/, /DNS:localhost/, /^Pin it/],
		],
		[
			'for a wildcard',
			ca.issue(['DNS:*.corp.local']),
			'localhost',
			authority,
			'origin_tls_name',
			[new RegExp(`"serverName": "${label}\\.corp\\.local" }`), /DNS:localhost/, /^Pin it/],
		],
		[
			'for things that are no servers, and for one',
			ca.issue(['URI:https://app.example/x', 'email:a@b.c', 'DNS:appsrv01.corp.local']),
			'localhost',
			authority,
			'origin_tls_name',
			[/"serverName": "appsrv01\.corp\.local" }/, /DNS:localhost/, /^Pin it/],
		],
		[
			'that is not the pinned one',
			own,
			'localhost',
			{ mode: 'pin', certificateFile: 'pin.pem' },
			'origin_tls_pin',
			[/^Pinned is [\w:]{95} in \S+pin\.pem, shown is [\w:]{95}\. If it was renewed, pin the new one: .*pin\.pem" }/],
		],
		[
			'issued by the pinned one',
			trusted,
			'localhost',
			{ mode: 'pin', certificateFile: 'ca.pem' },
			'origin_tls_pin',
			[
				/ca\.pem has the certificate of the authority that issued it: set "tls": { "mode": "ca", "caFile": ".*ca\.pem" }/,
			],
		],
	])('%s', async (_, certificate, host, tls, name, ways) => {
		lab().write('pin.pem', other.cert)
		const server = await serverWith(certificate)
		const more = { url: at(host, server.port), tls }
		const { code, seen, remedy } = await fault(more)
		expect(code).toBe('O3')
		expect(seen).toMatch(new RegExp(`^${name.replaceAll('.', '\\.')}.*; certificate for .*SHA-256 `))
		expect(server.requests).toEqual([])
		const told = remedy.split(' Or: ')
		expect(told).toEqual(ways.map((way) => expect.stringMatching(way)))
		for (const way of told.filter((each) => each.includes('"tls"'))) {
			configured(origin(more))
			expect(wrong(await diagnosed(origin(await follow(way, more))))).toEqual([])
		}
	})
})

describe('a certificate that no setting lets pass', () => {
	const pin = (cert: string) => ({ mode: 'pin', certificateFile: lab().write('pin.pem', cert) })
	const ended = ca.issue(['DNS:localhost'], -1)
	const future = notYetValid()
	const ofEnded = ca.below('Issuing', -1)
	const { cert, key } = ofEnded.issue(['DNS:localhost'])
	const belowEnded = { cert: cert + ofEnded.cert, key }
	const forClients = withExtension('extendedKeyUsage=clientAuth')

	test.each([
		[
			'out of date',
			ended,
			() => authority,
			/^origin_tls_expired: certificate has expired; /,
			/^It ended on \d{4}-\d\d-\d\d: renew it/,
		],
		[
			'out of date though pinned',
			ended,
			() => pin(ended.cert),
			/^origin_tls_expired: /,
			/^It ended on .* The clock of this machine says 20/,
		],
		[
			'not valid yet',
			future,
			() => pin(future.cert),
			/^origin_tls_expired: certificate is not yet valid; /,
			/^It is not valid before 2040-01-01T00:00:00\.000Z\. The clock of this machine says 20.*set it, if that is wrong \(see H2\)/,
		],
		[
			'not for servers',
			forClients,
			() => pin(forClients.cert),
			/^origin_tls_untrusted: unsuitable certificate purpose/,
			/extendedKeyUsage=serverAuth/,
		],
		[
			'of an authority that is out of date',
			belowEnded,
			() => authority,
			/^origin_tls_expired: certificate has expired; /,
			/^The certificate of an authority above it \(CN=Issuing\) is out of date: renew that one/,
		],
	])('%s', async (_, certificate, tls, seen, remedy) => {
		const server = await serverWith(certificate)
		expect(await fault({ url: at('localhost', server.port), tls: tls() })).toMatchObject({
			code: 'O3',
			seen: expect.stringMatching(seen),
			remedy: expect.stringMatching(remedy),
		})
		expect(server.requests).toEqual([])
	})
})

describe('a certificate that is accepted', () => {
	test.each([
		['self-signed and named as its own authority', own, 'localhost', { mode: 'ca', caFile: 'own.pem' }],
		['for localhost, at localhost', trusted, 'localhost', authority],
		[
			'of an authority that is named, without the one above it',
			issuing.issue(['DNS:localhost']),
			'localhost',
			{ mode: 'ca', caFile: 'issuing.pem' },
		],
		['for 127.0.0.1, at 127.0.0.1', ca.issue(['IP:127.0.0.1']), '127.0.0.1', authority],
	])('%s', async (_, certificate, host, tls) => {
		lab().write('own.pem', own.cert)
		lab().write('issuing.pem', issuing.cert)
		const server = await serverWith(certificate)
		const findings = await diagnosed(origin({ url: at(host, server.port), tls }))
		expect(verdicts(findings)).toEqual(
			expect.arrayContaining(['PASS O1', 'PASS O2', 'WARN O3', 'PASS O4', 'PASS O5', 'PASS O6']),
		)
		expect(findings.find(({ code }) => code === 'O3')).toEqual({
			code: 'O3',
			verdict: 'WARN',
			seen: expect.stringMatching(
				/^accepted: certificate for \S+ \(CN=\w+\), (self-signed|issued by (Lab|Issuing)), until \d{4}-\d\d-\d\d \(1 day\), TLSv1\.3, SHA-256 /,
			),
			remedy: 'It ends in 1 day: renew it on the SCIM server.',
		})
	})
})

describe('TLS that does not come about', () => {
	const wanting = { ...trusted, requestCert: true, rejectUnauthorized: true, ca: ca.cert }

	test.each([
		['TLS 1.3', wanting],
		['TLS 1.2', { ...wanting, maxVersion: 'TLSv1.2' as const }],
	])('a wish for a certificate of the agent over %s', async (_, options) => {
		const server = await serverWith(options)
		const more = { url: at('localhost', server.port) }
		const { code, seen, remedy } = await fault(more)
		expect(code).toBe('O3')
		expect(seen).toMatch(/^origin_tls_client_cert: .*; certificate for DNS:localhost/)
		expect(server.requests).toEqual([])
		const client = ca.issue(['DNS:agent'])
		lab().write('client.pem', client.cert)
		lab().write('client.key', client.key)
		expect(wrong(await diagnosed(origin(await follow(remedy, more))))).toEqual([])
	})

	test.each<[string, ServerOptions, RegExp, RegExp]>([
		[
			'an old protocol',
			{ minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
			/^origin_tls_protocol: .*protocol version; /,
			/^It speaks TLSv1 at most: enable TLS 1\.2/,
		],
		[
			'no cipher in common',
			{ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA' },
			/^origin_tls_protocol: /,
			/no cipher in common/,
		],
	])('%s', async (_, options, seen, remedy) => {
		const server = await serverWith({ ...trusted, ...options })
		expect(await fault({ url: at('localhost', server.port) })).toMatchObject({
			code: 'O3',
			seen: expect.stringMatching(seen),
			remedy: expect.stringMatching(remedy),
		})
	})

	test.each([
		[
			'SSH',
			() => createTcp((socket) => socket.end('SSH-2.0-OpenSSH_9\r\n')),
			/^origin_not_tls: /,
			/does not speak TLS/,
		],
		['plain HTTP', () => createPlain((_, response) => response.end()), /^origin_not_tls: /, /enable TLS/],
		['nothing', () => createTcp(), /^origin_connect_timeout: no connection within 5000 ms$/, /firewall/],
		[
			'nothing, and the end',
			() => createTcp((socket) => socket.destroy()),
			/^origin_reset before the handshake: /,
			/^Something listens there and hangs up before TLS begins/,
		],
	])('%s in its place', async (_, server, seen, remedy) => {
		expect(await fault({ url: at('localhost', await listen(server())) })).toMatchObject({
			code: 'O3',
			seen: expect.stringMatching(seen),
			remedy: expect.stringMatching(remedy),
		})
	})
})

describe('no way to it', () => {
	test('a name without an address', async () => {
		expect(await fault({ url: 'https://absent.invalid:11015/scim' })).toMatchObject({
			code: 'O1',
			seen: expect.stringMatching(/^origin_dns: absent\.invalid: getaddrinfo ENOTFOUND/),
			remedy: expect.stringContaining('"url": "https://localhost:11015/scim" if the server runs on this machine'),
		})
	})

	test('a port that nothing listens on', async () => {
		expect(await fault({ url: at('localhost', 1) })).toMatchObject({
			code: 'O2',
			seen: expect.stringMatching(/^origin_refused: connect ECONNREFUSED 127\.0\.0\.1:1/),
			remedy: expect.stringContaining('"url": "https://localhost:PORT/scim"'),
		})
	})

	test('an address that it does not listen on, when it does on another of this machine', async () => {
		const more = { url: at('127.0.0.2', (await serverWith(ca.issue(['IP:127.0.0.1']))).port) }
		const { code, seen, remedy } = await fault(more)
		expect({ code, seen }).toEqual({ code: 'O2', seen: expect.stringMatching(/^origin_refused: /) })
		expect(wrong(await diagnosed(origin(await follow(remedy, more))))).toEqual([])
	})

	test('which of several addresses listens is said', async () => {
		const [finding] = (await diagnosed()).filter(({ code }) => code === 'O1')
		expect(finding?.seen).toMatch(/^localhost is (::1 \(nothing listens\), )?127\.0\.0\.1 \(listens\)/)
	})
})

describe('what it answers', () => {
	test.each([
		[
			401,
			/refuses the token in .*origin\.token: .* Or: That is the token of another tenant, .* it is "https:.*\/scim"\.$/,
		],
		[403, /refuses the token in/],
		[404, /Is origin\.url the address/],
	])('%i for users', async (status, remedy) => {
		lab().origin.answer = (incoming, response) => json(response, incoming.url?.includes('Users') ? status : 200, {})
		expect(await fault({})).toMatchObject({
			code: 'O5',
			seen: `GET /Users?count=1: ${status}`,
			remedy: expect.stringMatching(remedy),
		})
	})

	test.each<[string, Parameters<typeof serve>[0], RegExp, RegExp]>([
		[
			'pages for people',
			(_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>IIS'),
			/origin_bad_response: 200 with a body that is not JSON$/,
			/^What answers is not SCIM/,
		],
		[
			'another address',
			(_, response) => response.writeHead(302, { location: 'https://login.corp.local/' }).end(),
			/302, to https:\/\/login\.corp\.local\/$/,
			/^It sends on to another address/,
		],
		['the end of the connection', (incoming) => incoming.socket.destroy(), /origin_reset: socket hang up$/, /own log/],
	])('%s', async (_, answer, seen, remedy) => {
		serve(answer)
		const findings = await diagnosed()
		expect(wrong(findings).map((each) => [each.code, each.seen, each.remedy])).toEqual(
			['O4', 'O5'].map((code) => [code, expect.stringMatching(seen), expect.stringMatching(remedy)]),
		)
		expect(verdicts(findings)).toContain('WARN O3')
	})

	function serve(answer: ReturnType<typeof lab>['origin']['answer']) {
		lab().origin.answer = answer
	}

	test.each([
		[200, '<html><head><title>\nIIS Windows\tServer</title>', '"IIS Windows Server"', /^What answers is not SCIM/],
		[
			400,
			'<title>400 No required SSL certificate was sent</title>',
			'"400 No required SSL certificate was sent"',
			/"clientCertificate": {/,
		],
		[
			403,
			'<title>IIS 10.0 Detailed Error - 403.7 - Forbidden</title>',
			'"IIS 10.0 Detailed Error - 403.7 - Forbidden"',
			/"clientCertificate": {/,
		],
		[403, `<title>${'x'.repeat(200)}</title>`, `"${'x'.repeat(100)}"`, /refuses the token/],
	])('%i and a page %s, whose title says more', async (status, page, title, remedy) => {
		lab().origin.answer = (incoming, response) =>
			incoming.url?.includes('ServiceProviderConfig')
				? response.writeHead(status, { 'content-type': 'text/html' }).end(page)
				: json(response, 200, {})
		expect(await fault({})).toMatchObject({
			code: 'O4',
			seen: expect.stringMatching(new RegExp(`^GET /ServiceProviderConfig: .*${status}.*, a page titled ${title}$`)),
			remedy: expect.stringMatching(remedy),
		})
	})

	test('how fast it is, and that some of it failed', async () => {
		const o6 = async () => (await diagnosed()).find(({ code }) => code === 'O6')
		expect(await o6()).toEqual({
			code: 'O6',
			verdict: 'PASS',
			seen: expect.stringMatching(/^20 requests: p50 \d+ ms, p95 \d+ ms$/),
		})
		let asked = 0
		lab().origin.answer = (incoming, response) =>
			++asked % 10 === 0 ? incoming.socket.destroy() : json(response, 200, {})
		expect(await o6()).toMatchObject({ verdict: 'WARN', seen: expect.stringMatching(/, 2 failed$/) })
	})

	test('schemas that are too large for the control channel are seen', async () => {
		lab().origin.answer = (incoming, response) =>
			json(response, 200, { text: incoming.url === '/scim/Schemas' ? 'x'.repeat(65_536) : '' })
		expect((await diagnosed()).find(({ code }) => code === 'O7')).toEqual({
			code: 'O7',
			verdict: 'PASS',
			seen: 'GET /Schemas: 200, 65547 bytes, which goes packed or by a rendezvous',
		})
	})
})
