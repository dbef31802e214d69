import { request as requestRaw } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Host, useHost } from '../support/host.ts'
import { type Lab, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

let lab: Lab
beforeAll(async () => {
	lab = await startLab()
	await lab.agent()
})
afterAll(() => lab.stop())

const relay = () => ({ namespace: lab.standIn.host, sas: { keyName: 'send', key: 'sendkey' }, ca: lab.ca })
const configured = 'https://scim.contoso.example'
const hosts = [
	['of the loopback host', useHost({ relay }), undefined],
	['that is configured', useHost({ relay, publicOrigin: configured }), configured],
] as const

/** Headers by which a client may name a host that is not this one. */
const strange = {
	host: 'evil.example',
	'x-forwarded-host': 'evil.example',
	'x-forwarded-proto': 'evil',
	'x-original-url': 'https://evil.example/scim',
	forwarded: 'host=evil.example;proto=evil',
	'disguised-host': 'evil.example',
	'was-default-hostname': 'evil.example',
}

/** Sends a request as such a client does, and answers everything that comes back as one text. */
async function ask({ baseUrl, token }: Host, method: string, path: string, body?: unknown) {
	const headers = { ...strange, authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }
	const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
		const request = requestRaw(`${baseUrl}${path}`, { method, headers }, async (response) => {
			const head = JSON.stringify(response.headers)
			resolve({ status: response.statusCode ?? 0, text: `${head}\n${await text(response)}` })
		})
		request.on('error', reject)
		request.end(body === undefined ? undefined : JSON.stringify(body))
	})
	const urls = answer.text.match(/https?:\/\/[^"\s]+/g) ?? []
	return { ...answer, urls, json: () => JSON.parse(answer.text.slice(answer.text.indexOf('\n') + 1)) }
}

describe.each(hosts)('the origin %s is in every URL of an answer', (_, newHost, origin) => {
	test('of a directory here', async () => {
		const tenant = await newHost()
		const base = `${origin ?? new URL(tenant.baseUrl).origin}${new URL(tenant.baseUrl).pathname}`
		const user = (await ask(tenant, 'POST', '/Users', { userName: 'joy' })).json().id
		const members = [{ value: user }]
		const group = (await ask(tenant, 'POST', '/Groups', { displayName: 'Ops', members })).json().id
		const requests: readonly (readonly [string, string, unknown?])[] = [
			['POST', '/Users', { userName: 'ann' }],
			['PUT', `/Users/${user}`, { userName: 'joy2' }],
			['GET', `/Users/${user}`],
			['GET', '/Users'],
			['GET', '/Groups'],
			['GET', `/Groups/${group}`],
			['POST', '/.search', {}],
			['POST', '/Bulk', { Operations: [{ method: 'POST', path: '/Users', bulkId: 'a', data: { userName: 'eve' } }] }],
			['GET', '/ServiceProviderConfig'],
			['GET', '/Schemas'],
			['GET', '/Schemas/urn:ietf:params:scim:schemas:core:2.0:User'],
			['GET', '/ResourceTypes'],
			['GET', '/ResourceTypes/User'],
		]
		for (const [method, path, body] of requests) {
			const { status, text: all, urls } = await ask(tenant, method, path, body)
			expect({ path, isOk: status < 300, evil: all.includes('evil') }).toEqual({ path, isOk: true, evil: false })
			expect({ path, own: urls.some((url) => url.startsWith(`${base}/`)) }).toEqual({ path, own: true })
		}
		for (const path of ['/unknown', '/Users/unknown', '/health', '/Changes', '//evil.example/Users']) {
			expect((await ask(tenant, 'GET', path)).urls.filter((url) => !url.startsWith(base))).toEqual([])
		}
	})

	test('of a SCIM server behind a relay', async () => {
		const tenant = await newHost({ mode: 'relay', settings: { hybridConnection: 'demo' } })
		const base = `${origin ?? new URL(tenant.baseUrl).origin}${new URL(tenant.baseUrl).pathname}`
		const location = `https://localhost:${lab.origin.port}/scim/Users/7`
		lab.origin.answer = (__, response) => json(response, 201, { id: '7', meta: { location } }, { location })
		const { status, urls } = await ask(tenant, 'POST', '/Users', { userName: 'joy' })
		expect([status, urls]).toEqual([201, [`${base}/Users/7`, `${base}/Users/7`]])
	})
})
