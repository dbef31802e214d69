import { createServer as createPlain } from 'node:http'
import { createServer as createTls, type TLSSocket } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { kindOf } from '../../../agent/doctor/relay.ts'
import { systemClock } from '../../../shared/relay/clock.ts'
import { type Certificate, selfSigned } from '../../support/relay-stand-in/certificates.ts'
import { ca, certificate } from '../../support/relay-stand-in/lab.ts'
import { failures, useRig, verdicts } from './rig.ts'

const { lab, diagnoseWith, defaultSettings, listen, proxyTo, relay } = useRig()

const standInPort = () => Number(lab().standIn.host.split(':')[1])

/** Starts a TLS server that calls `onData` for each piece of data. Returns its port. */
const tlsServer = (serverCertificate: Certificate, onData = (_socket: TLSSocket) => {}) =>
	listen(createTls(serverCertificate, (socket) => socket.on('error', () => undefined).on('data', () => onData(socket))))

describe('faults of the network to the service', () => {
	test.each<[string, () => Promise<object>, string, RegExp, RegExp, readonly string[]]>([
		[
			'no such namespace',
			async () => relay({ namespace: 'absent.invalid' }),
			'N1',
			/^absent\.invalid: getaddrinfo ENOTFOUND/,
			/relay\.namespace/,
			['FAIL N1', 'SKIP N2', 'SKIP N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'a port that nothing listens on',
			async () => relay({ namespace: 'localhost:1' }),
			'N2',
			/^localhost:1: connect ECONNREFUSED/,
			/"proxy": "http:/,
			['PASS N1', 'FAIL N2', 'SKIP N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'a firewall that inspects TLS',
			async () => {
				const { caFile: _, ...direct } = defaultSettings().relay
				return {
					relay: { ...direct, namespace: `localhost:${await tlsServer(selfSigned(['DNS:localhost'], 'Firewall'))}` },
				}
			},
			'N3',
			/^TLS inspection suspected: DEPTH_ZERO_SELF_SIGNED_CERT, TLSv1\.3, issued by CN=Firewall$/,
			/Exempt \*\.servicebus\.windows\.net\. Or: .*"caFile": "firewall-ca\.pem"/,
			['PASS N1', 'PASS N2', 'FAIL N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'an authority other than the named one',
			async () => relay({ caFile: lab().write('other.pem', selfSigned().cert) }),
			'N3',
			/^TLS inspection suspected: UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLSv1\.3, issued by CN=Lab$/,
			/not in .*other\.pem.* Remove "caFile"/,
			['PASS N1', 'PASS N2', 'FAIL N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'another host instead',
			async () => relay({ namespace: `localhost:${await tlsServer(ca.issue(['DNS:portal.corp.local']))}` }),
			'N3',
			/^the certificate is not valid for localhost:\d+, but for DNS:portal\.corp\.local; /,
			/^Another host answers/,
			['PASS N1', 'PASS N2', 'FAIL N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'an expired certificate, or a clock that is years off',
			async () => relay({ namespace: `localhost:${await tlsServer(ca.issue(['DNS:localhost'], -1))}` }),
			'N3',
			/^CERT_HAS_EXPIRED: .* valid from .* to /,
			/^The clock of this machine says 20.*NTP/,
			['PASS N1', 'PASS N2', 'FAIL N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'no such hybrid connection',
			async () => relay({ hybridConnection: 'absent' }),
			'N5',
			/^404 EntityNotFound/,
			/no such hybrid connection\. Create it, or correct "hybridConnection": "absent"/,
			['PASS N1', 'PASS N2', 'PASS N3', 'PASS N4', 'FAIL N5'],
		],
		[
			'a proxy that does not answer',
			async () => relay({ proxy: 'http://user:secret@127.0.0.1:1' }),
			'N2',
			/^the proxy 127\.0\.0\.1:1: connect ECONNREFUSED/,
			/"proxy": "http:\/\/HOST:PORT"/,
			['SKIP N1', 'FAIL N2', 'SKIP N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'a proxy that requires credentials',
			async () => relay({ proxy: `http://127.0.0.1:${await refusing('407 Credentials')}` }),
			'N2',
			/^the proxy 127\.0\.0\.1:\d+: the proxy answered 407 Credentials$/,
			/"proxy": "http:\/\/user:password@/,
			['SKIP N1', 'FAIL N2', 'SKIP N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'a proxy that refuses the credentials',
			async () => relay({ proxy: `http://me:wrong@127.0.0.1:${await refusing('407 Credentials')}` }),
			'N2',
			/the proxy answered 407 Credentials$/,
			/^Correct user and password of "proxy" in relay/,
			['SKIP N1', 'FAIL N2', 'SKIP N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'a proxy that accepts only NTLM',
			async () => relay({ proxy: `http://127.0.0.1:${await refusing('407 Credentials\r\nProxy-Authenticate: NTLM')}` }),
			'N2',
			/407 Credentials; it accepts only ntlm/,
			/^Exempt \*\.servicebus\.windows\.net:443 .*\. Or: Run a local proxy/,
			['SKIP N1', 'FAIL N2', 'SKIP N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'a proxy that refuses the target',
			async () => relay({ proxy: `http://127.0.0.1:${await refusing('403 Forbidden')}` }),
			'N2',
			/the proxy answered 403 Forbidden$/,
			/^Allow \*\.servicebus\.windows\.net:443 in the proxy/,
			['SKIP N1', 'FAIL N2', 'SKIP N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'a proxy that inspects TLS',
			async () => {
				const { caFile: _, ...direct } = defaultSettings().relay
				const proxy = await proxyTo(await tlsServer(selfSigned(['DNS:localhost'], 'Proxy')))
				return { relay: { ...direct, proxy: `http://127.0.0.1:${proxy}` } }
			},
			'N3',
			/^TLS inspection suspected: .* issued by CN=Proxy$/,
			/"caFile": "firewall-ca\.pem"/,
			['SKIP N1', 'PASS N2', 'FAIL N3', 'SKIP N4', 'SKIP N5'],
		],
		[
			'a web server instead',
			async () => relay({ namespace: `localhost:${lab().origin.port}` }),
			'N4',
			/^200 OK$/,
			/^A device in the network answers instead of the service/,
			['PASS N1', 'PASS N2', 'PASS N3', 'FAIL N4', 'SKIP N5'],
		],
		[
			'a firewall that blocks WebSockets',
			async () => relay({ namespace: `localhost:${await tlsServer(certificate, (socket) => socket.destroy())}` }),
			'N4',
			/socket hang up|ECONNRESET/,
			/blocks WebSockets/,
			['PASS N1', 'PASS N2', 'PASS N3', 'FAIL N4', 'SKIP N5'],
		],
	])('%s', async (_, more, code, seen, remedy, all) => {
		const findings = await diagnoseWith(await more())
		expect(failures(findings)).toEqual([
			{ code, verdict: 'FAIL', seen: expect.stringMatching(seen), remedy: expect.stringMatching(remedy) },
		])
		expect(verdicts(findings).filter((each) => /N[1-5]$/.test(each))).toEqual(all)
		expect(JSON.stringify(findings)).not.toContain('user:secret')
	})

	const refusing = (status: string) =>
		listen(createPlain().on('connect', (_, socket) => socket.end(`HTTP/1.1 ${status}\r\n\r\n`)))

	test.each([
		[600, 'FAIL', 'ahead of'],
		[-600, 'FAIL', 'behind'],
		[90, 'WARN', 'ahead of'],
	])('a clock that is %i s off', async (seconds, verdict, direction) => {
		const clock = { ...systemClock, now: () => Date.now() + seconds * 1000 }
		expect((await diagnoseWith({}, { clock })).find(({ code }) => code === 'H2')).toEqual({
			code: 'H2',
			verdict,
			seen: expect.stringMatching(new RegExp(`^the clock is \\d+ s ${direction} the clock of the service$`)),
			remedy: expect.stringMatching(/NTP/),
		})
	})
})

test('the same checks run through a proxy', async () => {
	const findings = await diagnoseWith(relay({ proxy: `http://127.0.0.1:${await proxyTo(standInPort())}` }))
	expect(failures(findings)).toEqual([])
	expect(verdicts(findings).filter((each) => /N\d|H2/.test(each))).toEqual([
		'SKIP N1',
		'PASS N2',
		'PASS N3',
		'PASS N4',
		'SKIP N5',
		'PASS H2',
		'WARN N6',
	])
	expect(lab().standIn.journal.count('listening')).toBe(0)
})

test.each([
	['a web server that answers 200', '200 OK', { verdict: 'SKIP', seen: 'not checked: repair N4 first' }],
	['a service without a time', '401 Unauthorized', { verdict: 'SKIP', seen: 'the service sent no time' }],
	['a time that is none', '401 Unauthorized\r\nDate: soon', { verdict: 'SKIP', seen: 'the service sent no time' }],
])('%s does not show whether the clock is right', async (_, head, finding) => {
	const port = await listen(
		createTls(certificate, (socket) =>
			socket
				.on('error', () => undefined)
				.on('data', () => socket.end(`HTTP/1.1 ${head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)),
		),
	)
	const findings = await diagnoseWith(relay({ namespace: `localhost:${port}` }))
	expect(findings.find(({ code }) => code === 'H2')).toEqual({ code: 'H2', ...finding })
})

test('without a token, its audience is not checked', async () => {
	process.env.IDENTITY_ENDPOINT = 'http://127.0.0.1:1/'
	const findings = await diagnoseWith({ credentials: { type: 'arc' } })
	Reflect.deleteProperty(process.env, 'IDENTITY_ENDPOINT')
	expect(verdicts(findings).filter((each) => /A[12]$/.test(each))).toEqual(['FAIL A1', 'SKIP A2'])
})

test('the other hosts for large requests are named', async () => {
	const n6 = async (more: object) => (await diagnoseWith(relay(more))).filter(({ code }) => code === 'N6')
	const seen =
		'not tried: large requests use any host below .servicebus.windows.net, port 443; this machine must reach them'
	expect(await n6({ namespace: 'absent.servicebus.windows.net', proxy: 'http://127.0.0.1:1' })).toEqual([
		{ code: 'N6', verdict: 'SKIP', seen },
	])
	expect(await n6({ namespace: 'absent.servicebus.chinacloudapi.cn', proxy: 'http://127.0.0.1:1' })).toEqual([
		{
			code: 'N6',
			verdict: 'WARN',
			seen: `${seen}; absent.servicebus.chinacloudapi.cn is not below it`,
			remedy: 'In a sovereign cloud, set "rendezvousSuffix": ".servicebus.chinacloudapi.cn" in relay.',
		},
	])
})

test.each([
	['https://relay.azure.net/', 'PASS', /of the identity agent-1, which needs the role Azure Relay Listener on demo$/],
	[
		'https://management.azure.com/',
		'FAIL',
		/^the token is for https:\/\/management\.azure\.com\/, of the identity agent-1$/,
	],
	[undefined, 'SKIP', /^the token is unreadable$/],
])('a token for %s: %s', async (aud, verdict, seen) => {
	const claims = Buffer.from(JSON.stringify({ aud, oid: 'agent-1' })).toString('base64url')
	const arc = createPlain((_, response) =>
		response.end(JSON.stringify({ access_token: `x.${claims}.x`, expires_on: '1900000000' })),
	)
	process.env.IDENTITY_ENDPOINT = `http://127.0.0.1:${await listen(arc)}/`
	const findings = await diagnoseWith({ credentials: { type: 'arc' } })
	Reflect.deleteProperty(process.env, 'IDENTITY_ENDPOINT')
	expect(findings.find(({ code }) => code === 'A2')).toMatchObject({ verdict, seen: expect.stringMatching(seen) })
})

test.each([
	['10.1.2.3', true],
	['172.31.0.1', true],
	['192.168.1.1', true],
	['fd00::1', true],
	['40.68.1.1', false],
	['172.32.0.1', false],
	['2603:1030::1', false],
])('%s is private: %s', (address, isPrivate) => {
	expect(kindOf(address)).toBe(isPrivate ? ' (private, as with a private endpoint)' : '')
})
