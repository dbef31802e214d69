import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
	type AgentPublicKey,
	enrolAnswer,
	enrolmentErrors,
	enrolmentRefusal,
	enrolProof,
	enrolRequest,
	isProof,
	keyFingerprint,
	listenAnswer,
	listenProof,
	listenRequest,
	listenTokenLife,
	listenTokenRenewal,
	readCode,
	secretDigest,
	signProof,
	writeCode,
} from '../../../shared/relay/enrolment.ts'

const code = {
	url: 'https://rollcall.example.net/scim/acme',
	agent: '0b7e6a52-2d0f-4a57-9c66-6f1f4f1f8c11',
	secret: 's'.repeat(43),
}

const newPair = () => {
	const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
	return { privateKey, publicKey: publicKey.export({ format: 'jwk' }) as AgentPublicKey } // sound: a key on P-256
}

describe('a code', () => {
	test('is one word, which says where, as which agent, and with which secret', () => {
		const text = writeCode(code)
		expect(text).toMatch(/^rc1\.[\w-]+$/)
		expect(readCode(`\r\n ${text} \n`)).toEqual(code)
	})

	test.each([
		['nothing', ''],
		['another word', 'rc2.abc'],
		['one that is cut off', writeCode(code).slice(0, -9)],
		['another JSON', `rc1.${Buffer.from('{"u":"https://x"}').toString('base64url')}`],
		['an address of another kind', writeCode({ ...code, url: 'file:///etc/passwd' })],
	])('is not %s', (_, text) => {
		expect(readCode(text)).toBeUndefined()
	})
})

test('the digest of a secret does not have the secret', () => {
	expect(secretDigest(code.secret)).toMatch(/^[\w-]{43}$/)
	expect(secretDigest(code.secret)).not.toBe(code.secret)
})

// https://www.rfc-editor.org/rfc/rfc7638 has no key on a curve. The digest is that of its canonical form by sha256sum.
test('the fingerprint of a key is its thumbprint, whatever the order of its members', () => {
	const key = { y: 'y'.repeat(43), x: 'x'.repeat(43), crv: 'P-256', kty: 'EC' } as const
	expect(keyFingerprint(key)).toBe('SHA256:45erLLwkHlX5z-ngspasJ2K_N1lMzBPNMeip_kbMqcU')
})

describe('a proof', () => {
	const { privateKey, publicKey } = newPair()
	const request = { v: 1, agent: code.agent, version: '0.2.0', issued: 1_790_000_000 } as const
	const enrol = { ...request, secret: code.secret, publicKey, host: 'dc01' }

	test('is that of the key, the tenant, the agent, the secret and the time', () => {
		const proof = signProof(enrolProof('acme', enrol), privateKey)
		expect(enrolRequest.parse({ ...enrol, proof })).toEqual({ ...enrol, proof })
		expect(isProof(enrolProof('acme', enrol), { proof, publicKey })).toBe(true)
		const others = [
			enrolProof('globex', enrol),
			enrolProof('acme', { ...enrol, agent: '0b7e6a52-2d0f-4a57-9c66-6f1f4f1f8c12' }),
			enrolProof('acme', { ...enrol, secret: 't'.repeat(43) }),
			enrolProof('acme', { ...enrol, issued: 1_790_000_001 }),
			enrolProof('acme', { ...enrol, publicKey: newPair().publicKey }),
			listenProof('acme', enrol),
		]
		expect(others.map((text) => isProof(text, { proof, publicKey }))).toEqual(others.map(() => false))
		expect(isProof(enrolProof('acme', enrol), { proof, publicKey: newPair().publicKey })).toBe(false)
	})

	test('of a point that is not on the curve is none', () => {
		const proof = signProof(listenProof('acme', request), privateKey)
		expect(listenRequest.parse({ ...request, proof })).toEqual({ ...request, proof })
		expect(isProof(listenProof('acme', request), { proof, publicKey })).toBe(true)
		expect(isProof(listenProof('acme', request), { proof, publicKey: { ...publicKey, x: 'A'.repeat(43) } })).toBe(false)
	})
})

test('a later version may add members to answers', () => {
	const enrolled = { v: 1, agent: code.agent, relay: { namespace: 'n', hybridConnection: 'h' }, fingerprint: 'f' }
	const token = { v: 1, token: 't', expiresIn: 5400, rollcall: { version: '0.2.0', newestAgent: '0.2.0' } }
	expect(enrolAnswer.parse({ ...enrolled, more: 1 })).toEqual(enrolled)
	expect(listenAnswer.parse({ ...token, more: 1 })).toEqual(token)
})

test.each(Object.keys(enrolmentErrors))('%s is a refusal', (error) => {
	expect(enrolmentRefusal.parse({ error, error_description: 'a sentence' }).error).toBe(error)
})

test('a listen token outlives an outage of an hour, however old it is when the outage begins', () => {
	expect(listenTokenLife - listenTokenRenewal).toBeGreaterThan(3_600_000)
})
