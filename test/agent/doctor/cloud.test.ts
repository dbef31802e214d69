import { afterAll, beforeAll, expect, test } from 'vitest'
import { cloudFinding } from '../../../agent/doctor/cloud.ts'
import { useHost } from '../../support/host.ts'
import { type Lab, startLab } from '../../support/relay-stand-in/lab.ts'
import { json, resource } from '../../support/relay-stand-in/origin.ts'

let lab: Lab

beforeAll(async () => {
	lab = await startLab()
	lab.origin.answer = (_, response) => resource(response, 200)
	await lab.agent()
})
afterAll(() => lab.stop())

const newHost = useHost({
	relay: () => ({ namespace: lab.standIn.host, sas: { keyName: 'send', key: 'sendkey' }, ca: lab.ca }),
})

async function findingFor({ hybridConnection = 'demo', token = '', path = '' } = {}) {
	const tenant = await newHost({ mode: 'relay', settings: { hybridConnection } })
	const tokenFile = lab.write('client.token', token || tenant.token)
	return cloudFinding({ url: `${tenant.baseUrl}${path}`, tokenFile }, lab.config())
}

test('a request reaches the SCIM server through Rollcall', async () => {
	const before = lab.origin.requests.length
	expect(await findingFor()).toEqual({
		code: 'E1',
		verdict: 'PASS',
		seen: expect.stringMatching(/^GET http:\S+\/ServiceProviderConfig: 200 in \d+ ms$/),
	})
	expect(lab.origin.requests.slice(before).map(({ target }) => target)).toEqual(['/scim/ServiceProviderConfig'])
})

test.each([
	[
		{ token: 'an-unknown-token' },
		/: 401 in .*the token is not one of this tenant/,
		/client\.token has the token of this tenant\.$/,
	],
	[{ hybridConnection: 'deep/name' }, /: 503 in .*\(no_agent\)/, /^No agent listens/],
	[{ hybridConnection: 'absent' }, /: 503 in /, /^No agent listens/],
])('%j fails with the cause', async (how, seen, remedy) => {
	const finding = await findingFor(how)
	expect(finding).toEqual({
		code: 'E1',
		verdict: 'FAIL',
		seen: expect.stringMatching(seen),
		remedy: expect.stringMatching(remedy),
	})
})

test('a SCIM server without a ServiceProviderConfig is reported as 404', async () => {
	const { answer } = lab.origin
	lab.origin.answer = (_, response) => json(response, 404, { detail: 'no such endpoint' })
	expect(await findingFor()).toMatchObject({ seen: expect.stringMatching(/: 404 in \d+ ms: no such endpoint$/) })
	lab.origin.answer = answer
})

test('an unreachable URL, and a missing token file', async () => {
	const tokenFile = lab.write('client.token', 'a-token')
	expect(await cloudFinding({ url: 'http://127.0.0.1:1/scim/demo', tokenFile }, lab.config())).toMatchObject({
		verdict: 'FAIL',
		seen: expect.stringContaining('ECONNREFUSED'),
	})
	expect(await cloudFinding({ url: 'http://127.0.0.1:1/scim/demo', tokenFile: '/absent' }, lab.config())).toMatchObject(
		{ verdict: 'FAIL', remedy: 'The file must exist, and the user of the agent must be able to read it.' },
	)
})

test('without --cloud the check is skipped', async () => {
	const seen = 'not requested: --cloud https://HOST/scim/TENANT --token-file FILE sends a request through Rollcall'
	expect(await cloudFinding(undefined, lab.config())).toEqual({ code: 'E1', verdict: 'SKIP', seen })
})
