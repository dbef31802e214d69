import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { urn } from '../../../shared/scim/urn.ts'
import { type Host, useHost } from '../../support/host.ts'
import { selfSigned } from '../../support/relay-stand-in/certificates.ts'
import { rollcall } from '../../support/rollcall.ts'

const newTenant = useHost()

/** Answers a request instead of the service. Undefined leaves the request to the service. */
type Breach = (request: {
	readonly method: string
	readonly path: string
	readonly query: URLSearchParams
	readonly authorization: string | undefined
	readonly body: string
}) => Reply | undefined | Promise<Reply | undefined>
type Reply = { readonly status: number; readonly body?: unknown; readonly type?: string; readonly location?: string }

let breach: Breach = () => undefined
let host: Host
let front: Server
let url = ''

/** The service behind a server that changes its answers. */
async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
	const { method = '', url: target = '', headers } = incoming
	const body = await text(incoming)
	const { pathname, searchParams: query } = new URL(target, 'http://front')
	const path = pathname.replace(/^\/scim\/[^/]+/, '')
	const reply = await breach({ method, path, query, authorization: headers.authorization, body })
	if (reply !== undefined) {
		const { status, body: content = '', type = 'application/scim+json', location } = reply
		outgoing.writeHead(status, { 'Content-Type': type, ...(location !== undefined && { Location: location }) })
		outgoing.end(typeof content === 'string' ? content : JSON.stringify(content))
		return
	}
	request(`${new URL(host.baseUrl).origin}${target}`, { method, headers }, (response) => {
		outgoing.writeHead(response.statusCode ?? 500, response.headers)
		response.pipe(outgoing)
	}).end(body)
}

let folder = ''
beforeAll(async () => {
	front = createServer(answer).listen(0, '127.0.0.1')
	await new Promise((resolve) => front.once('listening', resolve))
	folder = await mkdtemp(join(tmpdir(), 'rollcall-check-'))
})
afterAll(async () => {
	front.close()
	await rm(folder, { recursive: true })
})
beforeEach(async () => {
	host = await newTenant()
	const { port } = front.address() as AddressInfo // sound: it listens on a port
	url = `http://127.0.0.1:${port}${new URL(host.baseUrl).pathname}`
})
afterEach(() => {
	breach = () => undefined
})

const check = (...options: string[]) => rollcall(['check', url, ...options], { env: { ROLLCALL_TOKEN: host.token } })

type Shown = { readonly verdict: string; readonly name: string; readonly seen: string; readonly remedy?: string }

/** The checks that did not pass, except the check of the address, which is a loopback address here. */
async function troubled(...options: string[]): Promise<readonly Shown[]> {
	const { out, code } = await check('--json', ...options)
	const { findings }: { findings: readonly Shown[] } = JSON.parse(out)
	const found = findings.filter(({ name, verdict }) => verdict !== 'PASS' && name !== 'address')
	expect(code).toBe(found.some(({ verdict }) => verdict === 'FAIL') ? 1 : 0)
	return found
}

const troubles = async (...options: string[]): Promise<readonly string[]> =>
	(await troubled(...options)).map(({ verdict, name, seen, remedy }) => `${verdict} ${name}: ${seen}: ${remedy}`)

const totalOf = async (endpoint: string): Promise<number> =>
	(await host.request('GET', `${endpoint}?count=0`)).body.totalResults

const listOf = (...Resources: unknown[]) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
	totalResults: Resources.length,
	Resources,
})

describe('rollcall check', () => {
	test('passes a tenant of Rollcall, with one line for each check, and changes nothing', async () => {
		await host.create('/Users', { userName: 'joy@example.com' })
		const { code, out, err } = await check()
		expect({ code, err }).toEqual({ code: 0, err: '' })
		expect(out.replace(/\d+ ms/, 'n ms')).toBe(`\
WARN  address                     http: Entra can only reach https: docs/entra.md
PASS  Test Connection             200 and an empty list for an unknown userName, in n ms
PASS  request without a token     401
PASS  request with a wrong token  401
PASS  group that does not exist   200 and an empty list
PASS  user that does not exist    404 and a SCIM error
PASS  malformed filter            400
PASS  page of users               1 of 1
PASS  media type                  application/scim+json, also for an error
PASS  ServiceProviderConfig       PATCH is supported
PASS  ResourceTypes               /Users, /Groups
PASS  Schemas                     3 schemas, including the one for users

Entra can work with this.
`)
		expect(host.events.map(({ method }) => method)).not.toContain('PATCH')
		expect(await totalOf('/Users')).toBe(1)
	})

	test('with --write creates and deletes a user and a group, with and without a flag in the URL', async () => {
		expect(await troubles('--write')).toEqual([])
		const flags = new Set<boolean>()
		breach = ({ query }) => {
			flags.add(query.has('aadOptscim062020'))
			return undefined
		}
		url = `${url}/?aadOptscim062020`
		const { out } = await check('--write')
		expect([...flags]).toEqual([true])
		expect(out).toMatch(/\nPASS {2}delete the user +204, then 404\n\nEntra can work with this\.\n$/)
		expect(out.match(/^PASS/gm)).toHaveLength(27)
		expect(await Promise.all([totalOf('/Users'), totalOf('/Groups')])).toEqual([0, 0])
	})

	test('reads the token from a file', async () => {
		await writeFile(join(folder, 'token'), `${host.token}\n`)
		expect(await rollcall(['check', url, '--token-file', join(folder, 'token')])).toMatchObject({ code: 0 })
	})
})

describe('rollcall check names the problem and the remedy', () => {
	test.each<[string, Breach, RegExp]>([
		[
			'a token of another tenant',
			() => undefined,
			/^FAIL Test Connection: 401 instead of 200 \(".*"\): the token belongs to another tenant/,
		],
		[
			'a wrong path',
			() => ({ status: 404, type: 'text/html', body: '<h1>' }),
			/^FAIL Test Connection: 404 for \/Users, without a SCIM error: correct the path/,
		],
		[
			'a path that a SCIM service does not know',
			() => ({ status: 404, body: { schemas: [urn.error], status: '404', detail: 'there is no endpoint /scm' } }),
			/^FAIL Test Connection: 404 for \/Users \("there is no endpoint \/scm"\): correct the path/,
		],
		[
			'a page of HTML',
			() => ({ status: 200, type: 'text/html', body: '<h1>' }),
			/^FAIL Test Connection: 200, but not a ListResponse: the body is not JSON; its Content-Type is text\/html: /,
		],
		[
			'a redirection',
			() => ({ status: 301, location: 'https://x' }),
			/^FAIL Test Connection: 301 instead of 200: use the target of the redirect/,
		],
		[
			'a firewall',
			() => ({ status: 403, type: 'text/html' }),
			/^FAIL Test Connection: 403 instead of 200: a firewall in front .* User-Agent/,
		],
		['a broken service', () => ({ status: 500 }), /^FAIL Test Connection: 500 instead of 200: look at the log/],
		[
			'a filter that is ignored',
			() => ({ status: 200, body: listOf({}, {}) }),
			/^FAIL Test Connection: 2 users for a userName that no user has: apply the filter/,
		],
	])('%s ends the check', async (name, each, expected) => {
		breach = each
		if (name.startsWith('a token')) host = { ...host, token: 'not-a-token-of-this-tenant' }
		const found = await troubles('--write')
		expect(found).toEqual([expect.stringMatching(expected)])
	})

	test.each<[string, Breach, readonly RegExp[]]>([
		[
			'a directory without authentication',
			({ authorization = '', query }) =>
				!authorization.includes(host.token) && query.has('count') ? { status: 200, body: listOf() } : undefined,
			[
				/^FAIL request without a token: 200 instead of 401: everyone can read this directory/,
				/^FAIL request with a wrong token: 200 instead of 401: everyone/,
			],
		],
		[
			'no groups',
			({ path }) => (path === '/Groups' ? { status: 404 } : undefined),
			[/^FAIL group that does not exist: 404 instead of 200: answer \/Groups with 200 and an empty ListResponse/],
		],
		[
			'errors that are not SCIM',
			({ path }) => (path.startsWith('/Users/') ? { status: 404, type: 'text/plain', body: 'no' } : undefined),
			[
				/^FAIL user that does not exist: 404, but not a SCIM error: the body is not JSON/,
				/^FAIL media type: text\/plain: /,
			],
		],
		[
			'a status that is a number',
			({ path }) =>
				path.startsWith('/Users/')
					? { status: 404, body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: 404 } }
					: undefined,
			[/^FAIL user that does not exist: 404, but not a SCIM error: "status" has the wrong type: /],
		],
		[
			'plain JSON',
			({ path, query }) =>
				path === '/Users' && query.has('count') ? { status: 200, type: 'application/json', body: listOf() } : undefined,
			[
				/^FAIL request without a token: /,
				/^FAIL request with a wrong token: /,
				/^FAIL malformed filter: 200 instead of 400: refuse a malformed filter/,
				/^WARN media type: application\/json: /,
			],
		],
		[
			'no discovery',
			({ path }) =>
				/^\/(Schemas|ResourceTypes|ServiceProviderConfig)$/.test(path) ? { status: 200, body: {} } : undefined,
			[
				/^FAIL ServiceProviderConfig: patch.supported is not true: support PATCH/,
				/^FAIL ResourceTypes: 200, but not a ListResponse: "schemas" is missing: /,
				/^FAIL Schemas: 200, but not a ListResponse: /,
			],
		],
	])('%s', async (_, each, expected) => {
		breach = each
		expect(await troubles()).toEqual(expected.map((pattern) => expect.stringMatching(pattern)))
	})

	test.each<[string, Breach, readonly RegExp[]]>([
		[
			'a service that refuses users',
			({ method, path }) => (method === 'POST' && path === '/Users' ? { status: 400 } : undefined),
			[/^FAIL create a user: 400 instead of 201: /],
		],
		[
			'PATCH that changes nothing',
			({ method, path }) => (method === 'PATCH' && path.startsWith('/Users/') ? { status: 204 } : undefined),
			[
				/^FAIL replace attributes: name.familyName is "Check" instead of "Replaced": store and return the value/,
				/^FAIL add new attributes: phoneNumbers\[type eq "mobile"\].value is absent instead of /,
				/^FAIL set and remove the manager: manager.value is absent instead of "a-manager"/,
				/^FAIL disable the user: active is true instead of false/,
			],
		],
		[
			'PATCH of members that changes nothing',
			({ method, body }) => (method === 'PATCH' && body.includes('members') ? { status: 204 } : undefined),
			[/^FAIL add a member: members is absent instead of /],
		],
		[
			'a refused DELETE, with the resources that are left behind',
			({ method }) => (method === 'DELETE' ? { status: 405 } : undefined),
			[
				/^FAIL delete the group: 405 instead of 204/,
				/^FAIL delete the user: 405 instead of 204/,
				/^FAIL clean up: left behind: \/Users\/\w+, \/Groups\/\w+: delete it by hand$/,
			],
		],
	])('%s', async (_, each, expected) => {
		breach = each
		expect(await troubles('--write')).toEqual(expected.map((pattern) => expect.stringMatching(pattern)))
	})

	test.each<[string, Breach]>([
		['500', () => ({ status: 500 })],
		['401', () => ({ status: 401 })],
		['a redirect', () => ({ status: 302, location: 'https://x' })],
		['a refusal of a firewall', () => ({ status: 403, type: 'text/html', body: '<h1>' })],
		['a page', () => ({ status: 200, type: 'text/html', body: '<h1>' })],
		['an empty object', () => ({ status: 200, body: {} })],
		['an empty list', () => ({ status: 200, body: listOf() })],
	])('after Test Connection, each finding has a remedy of its own: %s to all that reads', async (_, each) => {
		let isFirst = true
		breach = (sent) => {
			if (sent.method !== 'GET' || isFirst) {
				if (sent.method === 'GET') isFirst = false
				return undefined
			}
			return each(sent)
		}
		const remedies = (await troubled('--write')).map(({ remedy }) => remedy)
		expect(remedies.length).toBeGreaterThan(8)
		expect([...new Set(remedies)]).toEqual(remedies)
	})

	test('duplicates, which the check deletes again', async () => {
		const seen = new Set<string>()
		breach = async ({ method, path, body }) => {
			if (method !== 'POST' || !seen.has(path)) {
				if (method === 'POST') seen.add(path)
				return undefined
			}
			const { userName, displayName } = JSON.parse(body)
			return {
				status: 201,
				body: await (path === '/Users'
					? host.create(path, { userName: `2-${userName}` })
					: host.create('/Groups', { displayName: `2-${displayName}` })),
			}
		}
		expect(await troubles('--write')).toEqual([
			expect.stringMatching(
				/^FAIL create the same user again: 201 instead of 409: answer 409 if the userName is taken/,
			),
			expect.stringMatching(
				/^FAIL create the same group again: 201 instead of 409: answer 409 if the displayName is taken/,
			),
		])
		expect(await Promise.all([totalOf('/Users'), totalOf('/Groups')])).toEqual([0, 0])
	})
})

describe('rollcall check on an address', () => {
	const toAddress = async (address: string, token = 'a-token') => {
		const { code, out } = await rollcall(['check', address, '--json'], { env: { ROLLCALL_TOKEN: token } })
		const { findings } = JSON.parse(out)
		return { code, last: findings.at(-1) }
	}

	test('says that no server listens', async () => {
		const closed = createServer().listen(0, '127.0.0.1')
		await new Promise((resolve) => closed.once('listening', resolve))
		const { port } = closed.address() as AddressInfo // sound: it listens on a port
		await new Promise((resolve) => closed.close(resolve))
		expect(await toAddress(`http://127.0.0.1:${port}/scim/acme`)).toEqual({
			code: 1,
			last: {
				name: 'Test Connection',
				verdict: 'FAIL',
				seen: `127.0.0.1:${port}: the connection was refused (ECONNREFUSED)`,
				remedy: `no server listens on port ${port} of 127.0.0.1: start the server, or correct the port`,
			},
		})
	})

	test('says that the server does not speak TLS', async () => {
		const plain = createServer((_, response) => response.end()).listen(0, '127.0.0.1')
		await new Promise((resolve) => plain.once('listening', resolve))
		const { port } = plain.address() as AddressInfo // sound: it listens on a port
		expect(await toAddress(`https://127.0.0.1:${port}/scim/acme`)).toMatchObject({
			last: {
				verdict: 'FAIL',
				seen: `127.0.0.1:${port} does not speak TLS`,
				remedy: 'correct the port, or serve HTTPS there',
			},
		})
		plain.close()
	})

	test('says that Entra will not trust the certificate', async () => {
		const server = createTlsServer(selfSigned(['IP:127.0.0.1'])).listen(0, '127.0.0.1')
		await new Promise((resolve) => server.once('listening', resolve))
		const { port } = server.address() as AddressInfo // sound: it listens on a port
		expect(await toAddress(`https://127.0.0.1:${port}/scim/acme`)).toMatchObject({
			code: 1,
			last: { verdict: 'FAIL', remedy: expect.stringMatching(/^Entra trusts only public authorities/) },
		})
		server.close()
	})

	test('refuses http, which Entra cannot call', async () => {
		const { out } = await rollcall(['check', 'http://scim.invalid/scim/acme'], { env: { ROLLCALL_TOKEN: 'x' } })
		expect(out).toMatch(
			/^FAIL {2}address +http: Entra accepts only https: serve HTTPS\nFAIL {2}Test Connection +scim\.invalid: /,
		)
		expect(out).toMatch(/\n\n2 of 2 checks failed\.\n$/)
	})

	test.each([
		[['check', 'acme'], {}, 'acme is not a Tenant URL'],
		[['check', 'ftp://host/scim/acme'], {}, 'ftp://host/scim/acme is not a Tenant URL'],
		[['check', 'https://host/scim/acme'], {}, 'there is no token'],
		[['check', 'https://host/scim/acme'], { ROLLCALL_TOKEN: 'Bearer x' }, 'ROLLCALL_TOKEN does not hold a valid token'],
		[['check', 'https://host/scim/acme', '--token-file', '/tmp'], {}, '/tmp cannot be read: it is a folder'],
		[['check', 'https://host/scim/acme', '--token-file', '/dev/null'], {}, '/dev/null is empty'],
		[
			['check', 'https://host/scim/acme', '--token-file', '/absent'],
			{},
			'/absent cannot be read: there is no such file',
		],
	])('%j with %j is refused: %s', async (args, env, message) => {
		const { code, out, err } = await rollcall(args, { env })
		expect({ code, out }).toEqual({ code: 2, out: '' })
		expect(err).toMatch(new RegExp(`^error: ${message}\nhint: .+\n$`))
	})
})
