import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { filesOf } from '../../../agent/secret-file.ts'
import { selfSigned } from '../../support/relay-stand-in/certificates.ts'
import { startOrigin } from '../../support/relay-stand-in/origin.ts'
import { useRig } from './rig.ts'

const { lab, diagnoseWith, defaultSettings, stopLater } = useRig()
const folder = mkdtempSync(join(tmpdir(), 'rollcall-pins-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A self-signed certificate. The one that is made later is the newer one. */
function certificateFor(days: number) {
	const [key, cert] = [join(folder, `${days}.key`), join(folder, `${days}.pem`)]
	const names = ['-subj', '/CN=appsrv01', '-days', String(days)]
	execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...names], {
		stdio: 'pipe',
	})
	return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
}

const old = certificateFor(40)
const next = certificateFor(60)

async function findings(server: { cert: string; key: string }, pins: readonly [string, string]) {
	const { port } = stopLater(await startOrigin(server))
	lab().write('one.pem', pins[0])
	lab().write('two.pem', pins[1])
	const { origin } = defaultSettings()
	const tls = { mode: 'pin', pins: ['one.pem', 'two.pem'] }
	const all = await diagnoseWith({ origin: { ...origin, url: `https://localhost:${port}/scim`, tls } })
	return {
		o3: all.find(({ code }) => code === 'O3')?.verdict,
		o8: all.filter(({ code }) => code === 'O8'),
		c2: all.filter(({ seen }) => seen.startsWith('origin.tls.pins')).map(({ verdict }) => verdict),
	}
}

test('before the rotation, both pins stay', async () => {
	const { o3, o8, c2 } = await findings(old, [old.cert, next.cert])
	expect([o3, c2]).toEqual(['PASS', ['PASS', 'PASS']])
	expect(o8).toEqual([
		{
			code: 'O8',
			verdict: 'PASS',
			seen: expect.stringMatching(
				/^the SCIM server uses \S+one\.pem, until [\d-]{10} \(\d+ days\); keep both until it uses \S+two\.pem, SHA-256 [\w:]{95}, then remove \S+one\.pem$/,
			),
		},
	])
})

test('after the rotation, the old pin can go', async () => {
	for (const pins of [[old.cert, next.cert] as const, [next.cert, old.cert] as const]) {
		const { o3, o8 } = await findings(next, pins)
		const [used, other] = pins[0] === next.cert ? ['one', 'two'] : ['two', 'one']
		expect(o3).toBe('PASS')
		expect(o8).toEqual([
			{
				code: 'O8',
				verdict: 'WARN',
				seen: expect.stringMatching(
					new RegExp(
						`^the SCIM server uses \\S+${used}\\.pem, until [\\d-]{10}; \\S+${other}\\.pem is the old certificate$`,
					),
				),
				remedy: expect.stringMatching(new RegExp(`^Remove \\S+${other}\\.pem from "pins" as soon as every server`)),
			},
		])
	}
})

test('the same certificate twice is a warning, and a third one fails', async () => {
	expect(await findings(next, [next.cert, next.cert])).toMatchObject({ o3: 'PASS', o8: [{ verdict: 'WARN' }] })
	const third = selfSigned()
	expect(await findings(third, [old.cert, next.cert])).toMatchObject({ o3: 'FAIL', o8: [] })
})

test('the files of pins are open files of the service', () => {
	const tls = { mode: 'pin', pins: ['/a.pem', '/b.pem'] }
	expect(filesOf({ origin: { tls } })).toEqual({ secret: [], open: ['/a.pem', '/b.pem'] })
})
