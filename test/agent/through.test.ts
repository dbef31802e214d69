import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { originTarget } from '../../agent/target.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { ca, clock, type Lab, startLab } from '../support/relay-stand-in/lab.ts'
import { sendTo } from '../support/relay-stand-in/sender.ts'

let lab: Lab

beforeAll(async () => {
	lab = await startLab()
	await lab.agent()
})
afterAll(() => lab.stop())

const piece = fc.oneof(
	fc.constantFrom(
		'/Users',
		'/..',
		'/%2e%2e',
		'//',
		'/a%2fb',
		'?a=b',
		'&',
		'%20',
		'%c3%b8',
		'"',
		';',
		'/:',
		'@',
		'%00',
		'/.',
	),
	fc.stringMatching(/^[!-~]{0,6}$/),
)

test('any request reaches the SCIM server unchanged or not at all', async () => {
	const { token } = sasToken({
		uri: 'http://localhost/demo',
		keyName: 'send',
		key: 'sendkey',
		expires: clock.now() + 3_600_000_000,
	})
	await fc.assert(
		fc.asyncProperty(
			fc.array(piece, { maxLength: 6 }),
			fc.uint8Array({ maxLength: 300 }),
			fc.dictionary(fc.stringMatching(/^x-[a-z]{1,8}$/), fc.stringMatching(/^[!-~]{1,20}$/), { maxKeys: 4 }),
			async (pieces, bytes, headers) => {
				const path = `/demo/scim${pieces.join('')}`
				const body = Buffer.from(bytes)
				const before = lab.origin.requests.length
				const { status } = await sendTo({
					port: lab.standIn.port,
					ca: ca.cert,
					method: 'POST',
					path,
					body,
					headers: { ...headers, ServiceBusAuthorization: token },
				})
				const target = originTarget(path, { entity: 'demo', basePath: '/scim' })
				const [seen, ...more] = lab.origin.requests.slice(before)
				expect([status, seen?.target, more]).toEqual(target === undefined ? [400, undefined, []] : [200, target, []])
				if (seen === undefined) return
				expect(seen.body).toEqual(body)
				expect(Object.keys(seen.headers).filter((name) => name in headers && name !== 'x-request-id')).toEqual([])
			},
		),
		{ numRuns: 400 },
	)
	expect(lab.standIn.journal.violations()).toEqual([])
})
