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

const { lab, writeSettings, origin } = useRig()

/** The findings other than PASS. */
function findingsFor(more = {}) {
	const file = writeSettings(more)
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
			/^credentials\.keyFile: cannot read \S+absent\.key: there is no such file/,
			/must be able to read it/,
		],
		[
			'with a pin that does not exist yet',
			() => origin({ tls: { mode: 'pin', certificateFile: 'origin.pem' } }),
			'FAIL',
			/cannot read \S+origin\.pem/,
			/^rollcall-relay doctor --config \S+relay\.json --save-certificate \S+origin\.pem, then compare/,
		],
		[
			'that other users can read',
			() => mode('listen.key', 0o640),
			'FAIL',
			/other users can read \S+listen\.key/,
			/^chmod 600 /,
		],
		[
			'with certificates that other users can change',
			() => mode('ca.pem', 0o666),
			'WARN',
			/other users can change it/,
			/^chmod go-w /,
		],
		['that is empty', () => writeFile('origin.token', '\n'), 'FAIL', /origin\.token is empty/, /Write only the secret/],
		[
			'with a token in UTF-16, as PowerShell writes it',
			() => writeFile('origin.token', Buffer.from('\ufeffsecret\r\n', 'utf16le')),
			'FAIL',
			/^origin\.authorization\.tokenFile: \S+origin\.token is not UTF-8 text; it may be UTF-16$/,
			/^> and Out-File in PowerShell write UTF-16\. Use Set-Content -Encoding ascii\.$/,
		],
		[
			'with a token in UTF-16 without a byte order mark',
			() => writeFile('origin.token', Buffer.from('secret', 'utf16le')),
			'FAIL',
			/UTF-16/,
			/Set-Content/,
		],
		[
			'with two lines',
			() => writeFile('origin.token', 'one\ntwo\n'),
			'FAIL',
			/contains more than a token/,
			/on one line/,
		],
		[
			'with a certificate that is not PEM',
			() => writeFile('ca.pem', new X509Certificate(ca.cert).raw),
			'FAIL',
			/ca\.pem contains no PEM certificate/,
			/openssl x509 -inform der/,
		],
		[
			'with a truncated certificate',
			() => writeFile('ca.pem', ca.cert.replace(/.{20}\n(?=-----END)/, '\n')),
			'FAIL',
			/ca\.pem contains an unreadable certificate: /,
			/must be PEM/,
		],
		[
			'with the key of another certificate',
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
			/client\.key is not a usable private key: /,
			/without a passphrase: openssl pkey/,
		],
		[
			"with the agent's expired certificate",
			() => {
				const { cert, key } = ca.issue(['DNS:agent'], -1)
				lab().write('client.pem', cert)
				lab().write('client.key', key)
				return using()
			},
			'FAIL',
			/client\.pem has 1 certificate, until 20/,
			/has expired\. Renew it\./,
		],
	])('%s', (_, more, verdict, seen, remedy) => {
		expect(findingsFor(more())).toContainEqual({
			code: 'C2',
			verdict,
			seen: expect.stringMatching(seen),
			remedy: expect.stringMatching(remedy),
		})
	})

	test('with a token after a byte order mark passes', () => {
		writeFile('origin.token', '\ufefforigin-secret\r\n')
		expect(findingsFor()).toEqual([])
	})

	test('with a certificate of the agent and its key passes', () => {
		lab().write('client.pem', client.cert)
		lab().write('client.key', client.key)
		expect(findingsFor(using())).toEqual([])
	})

	function mode(name: string, bits: number) {
		chmodSync(join(dirname(writeSettings()), name), bits)
		return {}
	}

	function writeFile(name: string, content: string | Buffer) {
		writeFileSync(lab().write(name, ''), content)
		return {}
	}
})

describe('the settings', () => {
	const findingForMode = (bits: number, more = {}) => {
		const file = writeSettings(more)
		chmodSync(file, bits)
		return checkFiles({ config: readConfig(file), file }).findings[0]
	}
	const proxy = { relay: { namespace: 'x', hybridConnection: 'demo', proxy: 'http://user:secret@proxy:8080' } }

	test('that other users can change, or that contain a password and other users can read', () => {
		expect(findingForMode(0o644)).toMatchObject({ verdict: 'PASS' })
		expect(findingForMode(0o664)).toMatchObject({
			code: 'C2',
			verdict: 'WARN',
			remedy: expect.stringMatching(/^chmod go-w /),
		})
		expect(findingForMode(0o644, proxy)).toMatchObject({
			code: 'C2',
			verdict: 'WARN',
			remedy: expect.stringMatching(/^chmod go-r /),
		})
		expect(findingForMode(0o600, proxy)).toMatchObject({ verdict: 'PASS' })
	})
})

test('the hint for an unreadable file is to run the doctor as root', () => {
	const error = (code: string) =>
		new UsageError('origin.token cannot be read', {
			hint: 'Is it there?',
			cause: Object.assign(new Error(code), { code }),
		})
	expect(hintOf(error('EACCES'))).toBe('Run the doctor as root (Linux) or as administrator (Windows).')
	expect(hintOf(error('ENOENT'))).toBe('Is it there?')
})
