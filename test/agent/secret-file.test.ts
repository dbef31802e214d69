import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readSecret, readToken } from '../../agent/secret-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'rollcall-secret-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(content: string | Buffer): string {
	const name = join(folder, 'a.token')
	writeFileSync(name, content, { mode: 0o600 })
	return name
}

test('a byte order mark before a token and a line break after it are ignored', () => {
	expect(readToken(file('\ufeffsecret\r\n'))).toBe('secret')
})

test('a secret in UTF-16, as PowerShell writes it, is refused', () => {
	for (const content of ['\ufeffsecret\r\n', 'secret'])
		expect(() => readSecret(file(Buffer.from(content, 'utf16le')))).toThrow(
			expect.objectContaining({
				message: expect.stringMatching(/a\.token is not UTF-8 text; it may be UTF-16$/),
				hint: expect.stringContaining('Set-Content -Encoding ascii'),
			}),
		)
})

test('text that a header cannot contain is refused as a token, but accepted as a key', () => {
	for (const content of ['one\ntwo', 'two words', 'prüfung']) {
		expect(readSecret(file(content))).toBe(content)
		expect(() => readToken(file(content))).toThrow(
			expect.objectContaining({ hint: 'Write only the token into it, on one line.' }),
		)
	}
})
