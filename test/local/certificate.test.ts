import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readCertificate } from '../../local/certificate.ts'
import { selfSigned } from '../support/relay-stand-in/certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'rollcall-certificate-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
	const path = join(folder, name)
	writeFileSync(path, text)
	return path
}

const { cert: certText, key: keyText } = selfSigned()
const cert = file('cert.pem', certText)
const key = file('key.pem', keyText)
const otherKey = file('other.pem', selfSigned().key)
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const sealed = { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' } as const
const lockedKey = file('locked.pem', privateKey.export(sealed).toString())
const text = file('text.pem', 'no PEM at all')
const absent = join(folder, 'absent.pem')

describe('a certificate and its key', () => {
	test('are read from their files', async () => {
		expect(await readCertificate({ cert, key })).toEqual({ cert: Buffer.from(certText), key: Buffer.from(keyText) })
	})

	test.each([
		[absent, key],
		[cert, absent],
		[folder, key],
	])('that cannot be read, such as %s and %s, are refused by name', async (one, other) => {
		const missing = one === cert ? other : one
		await expect(readCertificate({ cert: one, key: other })).rejects.toMatchObject({
			name: 'UsageError',
			message: expect.stringMatching(new RegExp(`^${missing} cannot be read: (ENOENT|EISDIR): .*$`)),
			hint: 'give the path of a PEM file',
		})
	})

	test.each([
		[cert, otherKey],
		[cert, lockedKey],
		[cert, text],
		[text, key],
		[key, cert],
	])('that do not belong together, such as %s and %s, are refused', async (one, other) => {
		await expect(readCertificate({ cert: one, key: other })).rejects.toMatchObject({
			name: 'UsageError',
			message: expect.stringMatching(new RegExp(`^${one} and ${other} are not a certificate and its key: .+$`)),
			hint: 'both must be PEM files, and the key without a passphrase',
		})
	})
})
