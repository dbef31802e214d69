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
import { json, resource, startOrigin } from '../../support/relay-stand-in/origin.ts'
import { failures, useRig, verdicts } from './rig.ts'

const { lab, writeSettings, diagnoseWith, origin, listen, stopLater } = useRig()

type Settings = { readonly url?: string; readonly tls?: object; readonly clientCertificate?: object }

/** Starts a SCIM server with this certificate. */
async function serverWith(options: ServerOptions) {
	const server = stopLater(await startOrigin(options))
	server.answer = (_, response) => resource(response, 200)
	return server
}

const at = (host: string, port: number) => `https://${host}:${port}/scim`

/** The only failed check for these settings. */
async function failureFor(settings: Settings): Promise<Required<Omit<DoctorFinding, 'server'>>> {
	const findings = failures(await diagnoseWith(origin(settings)))
	expect(findings).toEqual([
		{ code: expect.any(String), verdict: 'FAIL', seen: expect.any(String), remedy: expect.any(String) },
	])
	const [{ code, verdict, seen, remedy = '' } = { code: '', verdict: 'FAIL', seen: '' } as const] = findings
	expect(seen).not.toMatch(/\n|routines/)
	return { code, verdict, seen, remedy }
}

/** Follows a remedy: saves the certificate with the command, and copies the lines to the settings. */
async function follow(remedy: string, settings: Settings): Promise<Settings> {
	const [, command, file = ''] = /rollcall-relay doctor --config (\S+) --save-certificate (\S+),/.exec(remedy) ?? []
	if (command !== undefined) writeFileSync(file, (await showCertificate(readConfig(command))).pem)
	const lines = [...remedy.matchAll(/"(tls|clientCertificate|url)": (\{[^}]*\}|"[^"]*")/g)]
	expect(lines).not.toEqual([])
	return { ...settings, ...Object.fromEntries(lines.map(([, name = '', value = '']) => [name, JSON.parse(value)])) }
}

const system = { mode: 'system' }
const authority = { mode: 'ca', caFile: 'ca.pem' }
const selfIssued = selfSigned(['DNS:localhost'])
const other = selfSigned(['DNS:localhost'])
const trusted = ca.issue(['DNS:localhost'])
const issuing = ca.below('Issuing')
const label = hostname().toLowerCase().split('.')[0]

describe('every fault of a certificate has an error code, and its remedies work', () => {
	test.each<[string, ServerOptions, string, object, string, readonly RegExp[]]>([
		[
			'self-signed',
			selfIssued,
			'localhost',
			system,
			'origin_tls_untrusted: self-signed certificate',
			[/^The certificate is self-signed/],
		],
		[
			'self-signed and without a name',
			selfSigned([], 'appsrv01'),
			'127.0.0.1',
			system,
			'origin_tls_untrusted',
			[/pin it/],
		],
		[
			'of an unknown authority',
			trusted,
			'localhost',
			system,
			'origin_tls_untrusted',
			[/the issuer, Lab\. .* set "tls": { "mode": "ca", "caFile": "ca\.pem" } in origin/, /^Pin it/],
		],
		[
			'of an unknown authority that the server sends',
			{ ...trusted, cert: trusted.cert + ca.cert },
			'localhost',
			system,
			'origin_tls_untrusted: self-signed certificate in certificate chain',
			[/the issuer, Lab\. .* set "tls": { "mode": "ca", "caFile": "ca\.pem" }/, /^Pin it/],
		],
		[
			'of an authority below the known one',
			issuing.issue(['DNS:localhost']),
			'localhost',
			authority,
			'origin_tls_untrusted: unable to get local issuer certificate',
			[/^Its issuer, Issuing, is not in \S+ca\.pem\. Add the certificate of that authority\.$/, /^Pin it/],
		],
		[
			'of an unknown authority, and for another name',
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
			'origin_tls_name: the certificate is not valid for 127.0.0.1',
			[/"serverName": "leaf" }/, /^Issue a new certificate with IP:127\.0\.0\.1/, /^Pin it/],
		],
		[
			'for another name, at 127.0.0.1',
			ca.issue(['DNS:appsrv01.corp.local']),
			'127.0.0.1',
			authority,
			'origin_tls_name: the certificate is not valid for 127.0.0.1',
			[/"serverName": "appsrv01\.corp\.local" }/, /IP:127\.0\.0\.1/, /^Pin it/],
		],
		[
			'for another name, at localhost',
			ca.issue(['DNS:appsrv01.corp.local']),
			'localhost',
			authority,
			'origin_tls_name: the certificate is not valid for localhost',
			[/"serverName": "appsrv01\.corp\.local" }/, /DNS:localhost/, /^Pin it/],
		],
		[
			'for a name other than serverName',
			ca.issue(['DNS:localhost']),
			'localhost',
			{ ...authority, serverName: 'appsrv01' },
			'origin_tls_name: the certificate is not valid for appsrv01',
			[/"serverName": "localhost" }/, /DNS:appsrv01/, /^Pin it/],
		],
		[
			'for localhost, at 127.0.0.1',
			trusted,
			'127.0.0.1',
			authority,
			'origin_tls_name: the certificate is not valid for 127.0.0.1',
			[/"serverName": "localhost" }/, /IP:127\.0\.0\.1/, /^Pin it/],
		],
		[
			'for 127.0.0.1 as a DNS name, at 127.0.0.1',
			ca.issue(['DNS:127.0.0.1']),
			'127.0.0.1',
			authority,
			'origin_tls_name: the certificate is not valid for 127.0.0.1',
			[/^The certificate has DNS:127\.0\.0\.1, but an address must be an IP entry\. .*IP:127\.0\.0\.1/, /^Pin it/],
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
			'only for an address, at localhost',
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
			'for a URI, an email address and a server',
			ca.issue(['URI:https://app.example/x', 'email:a@b.c', 'DNS:appsrv01.corp.local']),
			'localhost',
			authority,
			'origin_tls_name',
			[/"serverName": "appsrv01\.corp\.local" }/, /DNS:localhost/, /^Pin it/],
		],
		[
			'other than the pinned one',
			selfIssued,
			'localhost',
			{ mode: 'pin', certificateFile: 'pin.pem' },
			'origin_tls_pin',
			[
				/^The pin in \S+pin\.pem is [\w:]{95}, the server has [\w:]{95}\. If the certificate was renewed, pin the new one: .*pin\.pem" }/,
			],
		],
		[
			'issued by the pinned one',
			trusted,
			'localhost',
			{ mode: 'pin', certificateFile: 'ca.pem' },
			'origin_tls_pin',
			[/ca\.pem is the certificate of the issuing authority\. Set "tls": { "mode": "ca", "caFile": ".*ca\.pem" }/],
		],
	])('%s', async (_, certificate, host, tls, name, remedies) => {
		lab().write('pin.pem', other.cert)
		const server = await serverWith(certificate)
		const settings = { url: at(host, server.port), tls }
		const { code, seen, remedy } = await failureFor(settings)
		expect(code).toBe('O3')
		expect(seen).toMatch(new RegExp(`^${name.replaceAll('.', '\\.')}.*; certificate for .*SHA-256 `))
		expect(server.requests).toEqual([])
		const alternatives = remedy.split(' Or: ')
		expect(alternatives).toEqual(remedies.map((remedy) => expect.stringMatching(remedy)))
		for (const alternative of alternatives.filter((each) => each.includes('"tls"'))) {
			writeSettings(origin(settings))
			expect(failures(await diagnoseWith(origin(await follow(alternative, settings))))).toEqual([])
		}
	})
})

describe('a certificate that no setting accepts', () => {
	const pin = (cert: string) => ({ mode: 'pin', certificateFile: lab().write('pin.pem', cert) })
	const expired = ca.issue(['DNS:localhost'], -1)
	const future = notYetValid()
	const expiredAuthority = ca.below('Issuing', -1)
	const { cert, key } = expiredAuthority.issue(['DNS:localhost'])
	const belowExpired = { cert: cert + expiredAuthority.cert, key }
	const forClients = withExtension('extendedKeyUsage=clientAuth')

	test.each([
		[
			'expired',
			expired,
			() => authority,
			/^origin_tls_expired: certificate has expired; /,
			/^The certificate expired on \d{4}-\d\d-\d\d\. Renew it/,
		],
		[
			'expired and pinned',
			expired,
			() => pin(expired.cert),
			/^origin_tls_expired: /,
			/^The certificate expired on .* The clock of this machine says 20/,
		],
		[
			'not valid yet',
			future,
			() => pin(future.cert),
			/^origin_tls_expired: certificate is not yet valid; /,
			/^The certificate is not valid before 2040-01-01T00:00:00\.000Z\. The clock of this machine says 20.*If that is wrong, set it \(see H2\)/,
		],
		[
			'not for servers',
			forClients,
			() => pin(forClients.cert),
			/^origin_tls_untrusted: unsuitable certificate purpose/,
			/extendedKeyUsage=serverAuth/,
		],
		[
			'of an expired authority',
			belowExpired,
			() => authority,
			/^origin_tls_expired: certificate has expired; /,
			/^The certificate of the authority CN=Issuing has expired\. Renew it/,
		],
	])('%s', async (_, certificate, tls, seen, remedy) => {
		const server = await serverWith(certificate)
		expect(await failureFor({ url: at('localhost', server.port), tls: tls() })).toMatchObject({
			code: 'O3',
			seen: expect.stringMatching(seen),
			remedy: expect.stringMatching(remedy),
		})
		expect(server.requests).toEqual([])
	})
})

describe('a certificate that is accepted', () => {
	test.each([
		['self-signed, with itself as the authority', selfIssued, 'localhost', { mode: 'ca', caFile: 'own.pem' }],
		['for localhost, at localhost', trusted, 'localhost', authority],
		[
			'of an intermediate authority in caFile',
			issuing.issue(['DNS:localhost']),
			'localhost',
			{ mode: 'ca', caFile: 'issuing.pem' },
		],
		['for 127.0.0.1, at 127.0.0.1', ca.issue(['IP:127.0.0.1']), '127.0.0.1', authority],
	])('%s', async (_, certificate, host, tls) => {
		lab().write('own.pem', selfIssued.cert)
		lab().write('issuing.pem', issuing.cert)
		const server = await serverWith(certificate)
		const findings = await diagnoseWith(origin({ url: at(host, server.port), tls }))
		expect(verdicts(findings)).toEqual(
			expect.arrayContaining(['PASS O1', 'PASS O2', 'WARN O3', 'PASS O4', 'PASS O5', 'PASS O6']),
		)
		expect(findings.find(({ code }) => code === 'O3')).toEqual({
			code: 'O3',
			verdict: 'WARN',
			seen: expect.stringMatching(
				/^accepted: certificate for \S+ \(CN=\w+\), (self-signed|issued by (Lab|Issuing)), until \d{4}-\d\d-\d\d \(1 day\), TLSv1\.3, SHA-256 /,
			),
			remedy: 'The certificate expires in 1 day. Renew it on the SCIM server.',
		})
	})
})

describe('a failed TLS handshake', () => {
	const requiring = { ...trusted, requestCert: true, rejectUnauthorized: true, ca: ca.cert }

	test.each([
		['TLS 1.3', requiring],
		['TLS 1.2', { ...requiring, maxVersion: 'TLSv1.2' as const }],
	])('the server requires a client certificate over %s', async (_, options) => {
		const server = await serverWith(options)
		const settings = { url: at('localhost', server.port) }
		const { code, seen, remedy } = await failureFor(settings)
		expect(code).toBe('O3')
		expect(seen).toMatch(/^origin_tls_client_cert: .*; certificate for DNS:localhost/)
		expect(server.requests).toEqual([])
		const client = ca.issue(['DNS:agent'])
		lab().write('client.pem', client.cert)
		lab().write('client.key', client.key)
		expect(failures(await diagnoseWith(origin(await follow(remedy, settings))))).toEqual([])
	})

	test.each<[string, ServerOptions, RegExp, RegExp]>([
		[
			'an old protocol',
			{ minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
			/^origin_tls_protocol: .*protocol version; /,
			/^The SCIM server supports at most TLSv1\. Enable TLS 1\.2/,
		],
		[
			'no common cipher',
			{ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA' },
			/^origin_tls_protocol: /,
			/no common cipher/,
		],
	])('%s', async (_, options, seen, remedy) => {
		const server = await serverWith({ ...trusted, ...options })
		expect(await failureFor({ url: at('localhost', server.port) })).toMatchObject({
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
		['plain HTTP', () => createPlain((_, response) => response.end()), /^origin_not_tls: /, /Enable TLS/],
		['silence', () => createTcp(), /^origin_connect_timeout: no connection within 5000 ms$/, /firewall/],
		[
			'an immediate disconnection',
			() => createTcp((socket) => socket.destroy()),
			/^origin_reset before the handshake: /,
			/^The server disconnects before TLS begins/,
		],
	])('%s instead of TLS', async (_, server, seen, remedy) => {
		expect(await failureFor({ url: at('localhost', await listen(server())) })).toMatchObject({
			code: 'O3',
			seen: expect.stringMatching(seen),
			remedy: expect.stringMatching(remedy),
		})
	})
})

describe('an unreachable server', () => {
	test('a name without an address', async () => {
		expect(await failureFor({ url: 'https://absent.invalid:11015/scim' })).toMatchObject({
			code: 'O1',
			seen: expect.stringMatching(/^origin_dns: absent\.invalid: getaddrinfo ENOTFOUND/),
			remedy: expect.stringContaining('If the server runs here, set "url": "https://localhost:11015/scim" in origin.'),
		})
	})

	test('a port that nothing listens on', async () => {
		expect(await failureFor({ url: at('localhost', 1) })).toMatchObject({
			code: 'O2',
			seen: expect.stringMatching(/^origin_refused: connect ECONNREFUSED 127\.0\.0\.1:1/),
			remedy: expect.stringContaining('"url": "https://localhost:PORT/scim"'),
		})
	})

	test('the server listens on another address of this machine', async () => {
		const settings = { url: at('127.0.0.2', (await serverWith(ca.issue(['IP:127.0.0.1']))).port) }
		const { code, seen, remedy } = await failureFor(settings)
		expect({ code, seen }).toEqual({ code: 'O2', seen: expect.stringMatching(/^origin_refused: /) })
		expect(failures(await diagnoseWith(origin(await follow(remedy, settings))))).toEqual([])
	})

	test('the finding says which address listens', async () => {
		const [finding] = (await diagnoseWith()).filter(({ code }) => code === 'O1')
		expect(finding?.seen).toMatch(/^localhost is (::1 \(nothing listens\), )?127\.0\.0\.1 \(listens\)/)
	})
})

describe('the answers of the server', () => {
	test.each([
		[
			401,
			/refuses the token\. .*origin\.token .* Or: If the path of origin\.url names a tenant, .* "https:.*\/scim"\.$/,
		],
		[403, /refuses the token\./],
		[404, /origin\.url must be the root/],
	])('%i for users', async (status, remedy) => {
		lab().origin.answer = (incoming, response) => resource(response, incoming.url?.includes('Users') ? status : 200)
		expect(await failureFor({})).toMatchObject({
			code: 'O5',
			seen: `GET /Users?count=1: ${status}`,
			remedy: expect.stringMatching(remedy),
		})
	})

	test.each<[string, Parameters<typeof serve>[0], RegExp, RegExp]>([
		[
			'an HTML page',
			(_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>IIS'),
			/origin_bad_response: 200 with a body that is not JSON$/,
			/^The answer is not SCIM/,
		],
		[
			'a redirect',
			(_, response) => response.writeHead(302, { location: 'https://login.corp.local/' }).end(),
			/302, redirect to https:\/\/login\.corp\.local\/$/,
			/^The agent follows no redirects/,
		],
		['a closed connection', (incoming) => incoming.socket.destroy(), /origin_reset: socket hang up$/, /own log/],
	])('%s', async (_, answer, seen, remedy) => {
		serve(answer)
		const findings = await diagnoseWith()
		expect(failures(findings).map((each) => [each.code, each.seen, each.remedy])).toEqual(
			['O4', 'O5'].map((code) => [code, expect.stringMatching(seen), expect.stringMatching(remedy)]),
		)
		expect(verdicts(findings)).toContain('WARN O3')
	})

	function serve(answer: ReturnType<typeof lab>['origin']['answer']) {
		lab().origin.answer = answer
	}

	test.each([
		[200, '<html><head><title>\nIIS Windows\tServer</title>', '"IIS Windows Server"', /^The answer is not SCIM/],
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
	])('%i with the HTML page %s', async (status, page, title, remedy) => {
		lab().origin.answer = (incoming, response) =>
			incoming.url?.includes('ServiceProviderConfig')
				? response.writeHead(status, { 'content-type': 'text/html' }).end(page)
				: resource(response, 200)
		expect(await failureFor({})).toMatchObject({
			code: 'O4',
			seen: expect.stringMatching(
				new RegExp(`^GET /ServiceProviderConfig: .*${status}.*, an HTML page titled ${title}$`),
			),
			remedy: expect.stringMatching(remedy),
		})
	})

	test('the response times, and failed requests', async () => {
		const o6 = async () => (await diagnoseWith()).find(({ code }) => code === 'O6')
		expect(await o6()).toEqual({
			code: 'O6',
			verdict: 'PASS',
			seen: expect.stringMatching(/^20 requests: p50 \d+ ms, p95 \d+ ms$/),
		})
		let asked = 0
		lab().origin.answer = (incoming, response) =>
			++asked % 10 === 0 ? incoming.socket.destroy() : resource(response, 200)
		expect(await o6()).toMatchObject({ verdict: 'WARN', seen: expect.stringMatching(/, 2 failed$/) })
	})

	test.each([
		['a list', ['hello']],
		['a text', 'hello'],
		['an object without schemas', { hello: true }],
	])('an answer that is %s is no SCIM', async (_, value) => {
		lab().origin.answer = (_, response) => json(response, 200, value)
		const found = await diagnoseWith()
		expect(verdicts(found).slice(-5, -1)).toEqual(['FAIL O4', 'FAIL O5', 'SKIP O6', 'SKIP O7'])
		expect(failures(found)[0]?.seen).toBe(
			'GET /ServiceProviderConfig: 200, but the body is not SCIM: it is no JSON object with "schemas"',
		)
	})

	test('the times of refusals do not count as response times', async () => {
		lab().origin.answer = (_, response) => resource(response, 401)
		expect(verdicts(await diagnoseWith()).slice(-5, -1)).toEqual(['FAIL O4', 'FAIL O5', 'SKIP O6', 'SKIP O7'])
		let asked = 0
		lab().origin.answer = (_, response) => resource(response, ++asked > 2 ? 401 : 200)
		const found = await diagnoseWith()
		expect(found.find(({ code }) => code === 'O6')).toMatchObject({
			verdict: 'FAIL',
			seen: expect.stringMatching(/, all failed$/),
		})
		expect(verdicts(found).at(-2)).toBe('SKIP O7')
	})

	test('schemas that are too large for the control channel', async () => {
		lab().origin.answer = (incoming, response) =>
			resource(response, 200, { text: incoming.url === '/scim/Schemas' ? 'x'.repeat(65_536) : '' })
		expect((await diagnoseWith()).find(({ code }) => code === 'O7')).toEqual({
			code: 'O7',
			verdict: 'PASS',
			seen: 'GET /Schemas: 200, 65582 bytes, sent compressed or by rendezvous',
		})
	})
})
