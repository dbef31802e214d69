import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../agent/config.ts'
import { hintOf } from '../../../agent/doctor/check.ts'
import { checkFiles } from '../../../agent/doctor/files.ts'
import { UsageError } from '../../../shared/cli/usage-error.ts'
import { ca } from '../../support/relay-stand-in/lab.ts'
import { useRig } from './rig.ts'

const { lab, configured, origin } = useRig()

/** What is said of the files. */
function found(more = {}) {
	const file = configured(more)
	return checkFiles({ config: readConfig(file), file }).findings.filter(({ verdict }) => verdict !== 'PASS')
}

const client = ca.issue(['DNS:agent'], 90)
const using = (certificateFile = 'client.pem', keyFile = 'client.key') =>
	origin({ clientCertificate: { certificateFile, keyFile } })

describe('a file', () => {
	test.each<[string, () => object, string, RegExp, RegExp]>([
		[
			'that is missing',
			() => ({ credentials: { type: 'sas', keyName: 'listen', keyFile: 'absent.key' } }),
			'FAIL',
			/^credentials\.keyFile: \S+absent\.key cannot be read: ENOENT/,
			/readable by the user/,
		],
		[
			'with a pin that is still to be made',
			() => origin({ tls: { mode: 'pin', certificateFile: 'origin.pem' } }),
			'FAIL',
			/origin\.pem cannot be read/,
			/^rollcall-relay doctor --config \S+relay\.json --save-certificate \S+origin\.pem, and compare/,
		],
		[
			'that others can read',
			() => mode('listen.key', 0o640),
			'FAIL',
			/listen\.key can be read by others/,
			/^chmod 600 /,
		],
		[
			'with certificates that others can change',
			() => mode('ca.pem', 0o666),
			'WARN',
			/others may change/,
			/^chmod go-w /,
		],
		['with nothing in it', () => written('origin.token', '\n'), 'FAIL', /origin\.token is empty/, /Write the secret/],
		[
			'with a token in UTF-16, as PowerShell writes it',
			() => written('origin.token', Buffer.from('\ufeffsecret\r\n', 'utf16le')),
			'FAIL',
			/^origin\.authorization\.tokenFile: \S+origin\.token is no text in UTF-8; it may be in UTF-16$/,
			/^PowerShell writes UTF-16 with > and Out-File: write the secret by Set-Content -Encoding ascii\.$/,
		],
		[
			'with a token in UTF-16 without a byte order mark',
			() => written('origin.token', Buffer.from('secret', 'utf16le')),
			'FAIL',
			/UTF-16/,
			/Set-Content/,
		],
		[
			'with two lines',
			() => written('origin.token', 'one\ntwo\n'),
			'FAIL',
			/has more in it than a token/,
			/in one line/,
		],
		[
			'with a certificate that is not PEM',
			() => written('ca.pem', new X509Certificate(ca.cert).raw),
			'FAIL',
			/ca\.pem has no certificate in PEM/,
			/openssl x509 -inform der/,
		],
		[
			'with a certificate that is cut',
			() => written('ca.pem', ca.cert.replace(/.{20}\n(?=-----END)/, '\n')),
			'FAIL',
			/ca\.pem has a certificate that cannot be read: /,
			/must be PEM/,
		],
		[
			'with a key of another certificate',
			() => {
				lab().write('client.pem', client.cert)
				lab().write('client.key', ca.key)
				return using()
			},
			'FAIL',
			/client\.key is not the key of \S+client\.pem/,
			/belong together/,
		],
		[
			'with a key that has a passphrase',
			() => {
				lab().write('client.pem', client.cert)
				execFileSync('openssl', [
					'pkey',
					'-in',
					lab().write('plain.key', client.key),
					'-aes256',
					'-passout',
					'pass:x',
					'-out',
					lab().write('client.key', ''),
				])
				return using()
			},
			'FAIL',
			/client\.key is no private key that can be used: /,
			/without a passphrase: openssl pkey/,
		],
		[
			"with the agent's certificate, which is out of date",
			() => {
				const { cert, key } = ca.issue(['DNS:agent'], -1)
				lab().write('client.pem', cert)
				lab().write('client.key', key)
				return using()
			},
			'FAIL',
			/client\.pem has 1 certificate, until 20/,
			/have another one issued/,
		],
	])('%s', (_, more, verdict, seen, remedy) => {
		expect(found(more())).toContainEqual({
			code: 'C2',
			verdict,
			seen: expect.stringMatching(seen),
			remedy: expect.stringMatching(remedy),
		})
	})

	test('with a token that begins with a byte order mark is as good as without', () => {
		written('origin.token', '\ufefforigin-secret\r\n')
		expect(found()).toEqual([])
	})

	test('with a certificate of the agent and its key is good', () => {
		lab().write('client.pem', client.cert)
		lab().write('client.key', client.key)
		expect(found(using())).toEqual([])
	})

	function mode(name: string, bits: number) {
		chmodSync(join(dirname(configured()), name), bits)
		return {}
	}

	function written(name: string, content: string | Buffer) {
		writeFileSync(lab().write(name, ''), content)
		return {}
	}
})

describe('the settings', () => {
	const ofMode = (bits: number, more = {}) => {
		const file = configured(more)
		chmodSync(file, bits)
		return checkFiles({ config: readConfig(file), file }).findings[0]
	}
	const proxy = { relay: { namespace: 'x', hybridConnection: 'demo', proxy: 'http://user:secret@proxy:8080' } }

	test('that others can change, or that have a password and others can read', () => {
		expect(ofMode(0o644)).toMatchObject({ verdict: 'PASS' })
		expect(ofMode(0o664)).toMatchObject({ code: 'C2', verdict: 'WARN', remedy: expect.stringMatching(/^chmod go-w /) })
		expect(ofMode(0o644, proxy)).toMatchObject({
			code: 'C2',
			verdict: 'WARN',
			remedy: expect.stringMatching(/^chmod go-r /),
		})
		expect(ofMode(0o600, proxy)).toMatchObject({ verdict: 'PASS' })
	})
})

test('a file of root is not said to be wrong', () => {
	const error = (code: string) =>
		new UsageError('origin.token cannot be read', {
			hint: 'Is it there?',
			cause: Object.assign(new Error(code), { code }),
		})
	expect(hintOf(error('EACCES'))).toBe('Run the doctor as root (Linux) or as administrator (Windows).')
	expect(hintOf(error('ENOENT'))).toBe('Is it there?')
})
