import { expect, test } from 'vitest'
import { originFault } from '../../relay/origin-tls.ts'

const failing = (code: string, message = code) => Object.assign(new Error(message), { code })

test.each([
	['ETIMEDOUT', 'origin_connect_timeout'],
	['EHOSTUNREACH', 'origin_refused'],
	['ENETUNREACH', 'origin_refused'],
	['EPROTO', 'origin_not_tls', 'tls_validate_record_header:wrong version number'],
])('%s is %s, but nothing is known of a request that was on its way', (code, before, message = code) => {
	const error = failing(code, message)
	expect(originFault(error, { mode: 'ca', isSent: false })).toBe(before)
	expect(originFault(error, { mode: 'ca', isSent: true })).toBe('origin_reset')
})

test('a server that wants a certificate says so after the handshake', () => {
	const error = failing('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tlsv13 alert certificate required')
	expect(originFault(error, { mode: 'ca', isSent: true })).toBe('origin_tls_client_cert')
})
