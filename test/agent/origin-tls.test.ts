import type { ServerOptions } from 'node:https'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forwardTo } from '../../agent/forward.ts'
import { originFault, readsTrustStore } from '../../agent/origin-tls.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { selfSigned } from '../support/relay-stand-in/certificates.ts'
import { ca, certificate, type Lab, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { startOrigin } from '../support/relay-stand-in/origin.ts'

let lab: Lab

beforeAll(async () => {
	lab = await startLab()
	// The trusted authorities of the machine. Node reads this file once.
	process.env.SSL_CERT_FILE = lab.write('machine.pem', lab.ca)
})
afterAll(() => lab.stop())

const get = { method: 'GET', path: '/scim/Users', headers: {}, body: Buffer.alloc(0), deadline: 10_000 }

test('an authority of the machine is trusted, if Node can read it', async () => {
	const { origin } = settings(lab.standIn, lab.origin)
	const forward = forwardTo(lab.config({ origin: { ...origin, tls: { mode: 'system' } } }), systemClock)
	expect(await forward(get)).toMatchObject(readsTrustStore ? { status: 200 } : { fault: 'origin_tls_untrusted' })
})

describe('two pins', () => {
	/** They have the same name: only the keys tell them apart. */
	const [old, next, other] = [selfSigned(), selfSigned(), selfSigned()]

	test.each([
		['the first', old, { status: 200 }],
		['the second', next, { status: 200 }],
		['another one', other, { fault: 'origin_tls_pin' }],
	])('if the server has %s, the answer is %j', async (_, serverCertificate, expected) => {
		const server = await startOrigin(serverCertificate)
		lab.write('old.pem', old.cert)
		lab.write('next.pem', next.cert)
		const { origin } = settings(lab.standIn, server)
		for (const pins of [
			['old.pem', 'next.pem'],
			['next.pem', 'old.pem'],
		]) {
			const forward = forwardTo(lab.config({ origin: { ...origin, tls: { mode: 'pin', pins } } }), systemClock)
			expect(await forward(get)).toMatchObject(expected)
		}
		await server.stop()
	})

	test('a certificate that a pinned authority has issued is no pin', async () => {
		lab.write('next.pem', next.cert)
		const { origin } = settings(lab.standIn, lab.origin)
		const tls = { mode: 'pin', pins: ['ca.pem', 'next.pem'] }
		expect(await forwardTo(lab.config({ origin: { ...origin, tls } }), systemClock)(get)).toMatchObject({
			fault: 'origin_tls_pin',
		})
	})

	test('of which the old one has expired, the new one is accepted', async () => {
		const server = await startOrigin(next)
		lab.write('expired.pem', ca.issue(['DNS:localhost'], -1).cert)
		lab.write('next.pem', next.cert)
		const { origin } = settings(lab.standIn, server)
		const tls = { mode: 'pin', pins: ['expired.pem', 'next.pem'] }
		expect(await forwardTo(lab.config({ origin: { ...origin, tls } }), systemClock)(get)).toMatchObject({ status: 200 })
		await server.stop()
	})
})

const failing = (code: string, message = code) => Object.assign(new Error(message), { code })

test.each([
	['ETIMEDOUT', 'origin_connect_timeout'],
	['EHOSTUNREACH', 'origin_refused'],
	['ENETUNREACH', 'origin_refused'],
	['EPROTO', 'origin_not_tls', 'tls_validate_record_header:wrong version number'],
])('%s before the request is %s, and after it the outcome is unknown', (code, before, message = code) => {
	const error = failing(code, message)
	expect(originFault(error, { mode: 'ca', isAgreed: false, isSent: false })).toBe(before)
	expect(originFault(error, { mode: 'ca', isAgreed: true, isSent: true })).toBe('origin_reset')
})

test('a TLS 1.3 server requires a client certificate after the handshake', () => {
	const error = failing('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tlsv13 alert certificate required')
	expect(originFault(error, { mode: 'ca', isAgreed: true, isSent: true })).toBe('origin_tls_client_cert')
})

test('a pin does not accept a certificate that is unfit for a server', () => {
	for (const code of ['INVALID_PURPOSE', 'UNSPECIFIED'])
		expect(originFault(failing(code), { mode: 'pin', isAgreed: true, isSent: false })).toBe('origin_tls_untrusted')
})

describe('a server that supports only TLS 1.2', () => {
	const answerOf = async (options: ServerOptions) => {
		const server = await startOrigin({ ...certificate, maxVersion: 'TLSv1.2', ...options })
		const { origin } = settings(lab.standIn, lab.origin)
		const config = lab.config({ origin: { ...origin, url: `https://localhost:${server.port}/scim` } })
		const answer = await forwardTo(config, systemClock)(get)
		await server.stop()
		return answer
	}

	test('and requires a client certificate is origin_tls_client_cert', async () => {
		const answer = await answerOf({ requestCert: true, rejectUnauthorized: true, ca: lab.ca })
		expect(answer).toMatchObject({ fault: 'origin_tls_client_cert' })
	})

	test('and has no common cipher is origin_tls_protocol', async () => {
		expect(await answerOf({ ciphers: 'ECDHE-RSA-AES128-SHA' })).toMatchObject({ fault: 'origin_tls_protocol' })
	})
})
