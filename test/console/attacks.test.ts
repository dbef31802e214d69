import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { started } from '../../cli/console.ts'
import { route, tenantRoute } from '../../console/route.ts'
import { startConsole } from '../../console/server.ts'
import { createSessions } from '../../console/sessions.ts'
import { useConsole } from '../support/console.ts'

let pauses = 0
let now = Date.UTC(2026, 0, 1)
const calls: unknown[] = []
const consoleOf = useConsole({
	now: () => now,
	pause: async () => {
		pauses++
	},
	routes: [
		route({ method: 'GET', path: '/echo', handle: async () => ({ seen: true }) }),
		route({
			method: 'POST',
			path: '/echo',
			command: 'echo',
			body: z.strictObject({ text: z.string() }),
			handle: async ({ body }) => {
				calls.push(body)
				return body
			},
		}),
		route({ method: 'DELETE', path: '/echo', command: 'echo', handle: async () => undefined }),
		tenantRoute({ method: 'GET', path: '/tenants/{tenant}/echo/{id}', handle: async ({ params }) => params }),
		route({
			method: 'GET',
			path: '/bug',
			handle: async () => {
				throw new TypeError('a secret of the inside\nand more')
			},
		}),
	],
})

type RawAnswer = { readonly status: number; readonly head: string; readonly body: string }

/** Sends bytes that no browser and no fetch would send. */
async function raw(text: string, host = '127.0.0.1'): Promise<RawAnswer> {
	const socket = connect(Number(new URL(consoleOf().console.url).port), host)
	await once(socket, 'connect')
	socket.write(text)
	let answer = ''
	for await (const chunk of socket) answer += chunk
	const [head = '', body = ''] = answer.split('\r\n\r\n')
	return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]), head, body }
}

type Draft = { readonly line: string; readonly headers: readonly string[]; readonly body?: string }

const written = ({ line, headers, body = '' }: Draft): string =>
	[`${line} HTTP/1.1`, ...headers, 'Connection: close', '', body].join('\r\n')

/** A request that is right in all things, with a session. */
async function right(): Promise<Draft> {
	const { host } = new URL(consoleOf().console.url)
	const body = '{"text":"hello"}'
	return {
		line: 'POST /console/api/echo',
		headers: [
			`Host: ${host}`,
			`Origin: http://${host}`,
			`Authorization: Bearer ${await consoleOf().session()}`,
			'Content-Type: application/json',
			`Content-Length: ${body.length}`,
		],
		body,
	}
}

const withHeader = (draft: Draft, name: string, ...values: readonly string[]): Draft => ({
	...draft,
	headers: [
		...draft.headers.filter((header) => !header.toLowerCase().startsWith(`${name.toLowerCase()}:`)),
		...values.map((value) => `${name}: ${value}`),
	],
})

const port = () => new URL(consoleOf().console.url).port
const errorIn = ({ body }: RawAnswer): string => JSON.parse(body).error

describe('the gate', () => {
	test('lets the page pass, by each name of this machine', async () => {
		const draft = await right()
		for (const name of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]']) {
			const host = `${name}:${port()}`
			const named = withHeader(withHeader(draft, 'Host', host), 'Origin', `http://${host.toLowerCase()}`)
			expect(await raw(written(named))).toMatchObject({ status: 200, body: '{"text":"hello"}' })
		}
	})

	test('is at 127.0.0.1 and ::1, and at no other address of this machine', async () => {
		expect(await raw(written(await right()), '::1')).toMatchObject({ status: 200 })
		await expect(raw(written(await right()), '127.0.0.2')).rejects.toThrow('ECONNREFUSED')
	})

	test.each([
		'http://evil.example',
		'http://127.0.0.1:1',
		'http://127.0.0.1',
		'https://127.0.0.1:PORT',
		'http://localhost:PORT',
		'http://127.0.0.1.evil.example:PORT',
		'null',
		'',
	])('refuses the Origin %s', async (origin) => {
		const answer = await raw(written(withHeader(await right(), 'Origin', origin.replace('PORT', port()))))
		expect(answer.status).toBe(403)
		expect(errorIn(answer)).toBe('the console answers only to its own page (Origin)')
	})

	test('refuses a change without an Origin, which every browser sends', async () => {
		expect(await raw(written(withHeader(await right(), 'Origin')))).toMatchObject({ status: 403 })
	})

	test.each([
		'evil.example',
		'evil.example:PORT',
		'127.0.0.1',
		'127.0.0.1:1',
		'127.0.0.1.evil.example:PORT',
		'127.0.0.2:PORT',
		'0.0.0.0:PORT',
		'[::]:PORT',
		'localhost.:PORT',
		'2130706433:PORT',
		'user@127.0.0.1:PORT',
		'',
	])('refuses the Host %s, to which a page of the internet may rebind its name', async (name) => {
		const host = name.replace('PORT', port())
		const answer = await raw(written(withHeader(withHeader(await right(), 'Host', host), 'Origin', `http://${host}`)))
		expect(answer.status).toBe(403)
		expect(errorIn(answer)).toMatch(/^the console answers only to the Host /)
	})

	test('refuses a rebound Host of the page itself, and of a read', async () => {
		for (const path of ['/', '/page.js', '/console/api/echo']) {
			const draft = withHeader(await right(), 'Host', `evil.example:${port()}`)
			expect(await raw(written({ headers: draft.headers, line: `GET ${path}` }))).toMatchObject({ status: 403 })
		}
	})

	test('refuses two Hosts, no Host, and a target with another host', async () => {
		const draft = await right()
		const host = `127.0.0.1:${port()}`
		expect(await raw(written(withHeader(draft, 'Host', host, 'evil.example')))).toMatchObject({ status: 403 })
		expect(await raw(written(withHeader(draft, 'Host')))).toMatchObject({ status: 403 })
		for (const target of ['http://evil.example/console/api/echo', '//evil.example/console/api/echo', '*']) {
			expect(await raw(written({ ...draft, line: `POST ${target}` }))).toMatchObject({ status: 400 })
		}
	})

	test.each([
		'Forwarded: for=192.0.2.1',
		'X-Forwarded-For: 192.0.2.1',
		'x-forwarded-host: rollcall.example',
		'X-Forwarded-Proto: https',
		'X-Forwarded: yes',
		'X-Real-IP: 192.0.2.1',
		'Via: 1.1 proxy',
	])('refuses what came through a proxy: %s', async (header) => {
		const draft = await right()
		const answer = await raw(written({ ...draft, headers: [...draft.headers, header] }))
		expect(answer.status).toBe(403)
		expect(errorIn(answer)).toMatch(/^the console answers no request through a proxy \(/)
	})

	test.each(['cross-site', 'same-site', 'none'])('refuses Sec-Fetch-Site: %s at the API', async (site) => {
		const draft = await right()
		expect(await raw(written(withHeader(draft, 'Sec-Fetch-Site', site)))).toMatchObject({ status: 403 })
		expect(await raw(written(withHeader(draft, 'Sec-Fetch-Site', 'same-origin')))).toMatchObject({ status: 200 })
	})
})

describe('a session', () => {
	test.each([
		['none', ''],
		['a guess', `Bearer ${'A'.repeat(43)}`],
		['the scheme alone', 'Bearer '],
		['a long one', `Bearer ${'A'.repeat(10_000)}`],
		['two words', 'Bearer a b'],
		['the scheme of a link', 'Link KEY'],
	])('is refused if it is %s', async (_, authorization) => {
		const draft = await right()
		const key = consoleOf().console.newLink().split('#')[1] ?? ''
		const answer = await raw(written(withHeader(draft, 'Authorization', authorization.replace('KEY', key))))
		expect(answer.status).toBe(401)
	})

	test('is needed for every endpoint, also for one that does not exist', async () => {
		for (const path of ['/console/api/echo', '/console/api/none', '/console/', '/console/api']) {
			const answer = await raw(written({ ...withHeader(await right(), 'Authorization'), line: `POST ${path}` }))
			expect(answer.status).toBe(401)
		}
	})

	test('is not opened by the key of a link that was used, or by another key', async () => {
		const { console } = consoleOf()
		const link = console.newLink().split('#')[1] ?? ''
		const exchange = async (key: string) =>
			raw(written({ ...withHeader(await right(), 'Authorization', `Link ${key}`), line: 'POST /console/session' }))
		const draft = withHeader(await right(), 'Authorization', 'Link none')
		pauses = 0
		expect(await raw(written({ ...draft, line: 'POST /console/session' }))).toMatchObject({ status: 401 })
		expect(pauses).toBe(1)
		expect(await exchange(link)).toMatchObject({ status: 401 })
		// The session of the request above came by a newer link.
		const newest = console.newLink().split('#')[1] ?? ''
		const { headers } = withHeader(draft, 'Authorization', `Link ${newest}`)
		const request = written({ ...draft, headers, line: 'POST /console/session' })
		expect((await raw(request)).status).toBe(200)
		const replayed = await raw(request)
		expect(replayed.status).toBe(401)
		expect(JSON.parse(replayed.body)).toEqual({
			error: 'this link was used already, or a newer one replaced it',
			hint: 'press Enter in the terminal of the console: it prints a new link',
		})
	})

	test('ends after 8 hours', async () => {
		const draft = written(await right())
		expect((await raw(draft)).status).toBe(200)
		now += 8 * 3_600_000
		expect((await raw(draft)).status).toBe(401)
	})

	test('of one console is refused by a second one, and ends with its process', async () => {
		const { console, target, session } = consoleOf()
		const key = await session()
		const options = {
			...{ target, place: '', port: 0, now: Date.now, log: () => {} },
			sessions: createSessions({ now: Date.now, randomBytes: (size) => Buffer.alloc(size, 1), pause: async () => {} }),
		}
		const second = await startConsole(options)
		const ask = async (url: string) =>
			(await fetch(`${url}/console/api/tenants`, { headers: { Authorization: `Bearer ${key}` } })).status
		expect(await ask(second.url)).toBe(401)
		await second.close()
		await expect(ask(second.url)).rejects.toThrow()
		const third = await startConsole({ ...options, port: Number(new URL(second.url).port) })
		expect(await ask(third.url)).toBe(401)
		await third.close()
		// The port of a running console is never shared.
		await expect(startConsole({ ...options, port: Number(new URL(console.url).port) })).rejects.toThrow('EADDRINUSE')
		const fourth = await started({ ...options, port: undefined })
		const fifth = await started({ ...options, port: undefined })
		expect(fifth.url).not.toBe(fourth.url)
		await Promise.all([fourth.close(), fifth.close()])
	})
})

describe('a request', () => {
	test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/json5', ''])(
		'is refused with the Content-Type %s, which a form could send',
		async (type) => {
			calls.length = 0
			expect(await raw(written(withHeader(await right(), 'Content-Type', type)))).toMatchObject({ status: 415 })
			expect(calls).toEqual([])
		},
	)

	test.each([
		['{"text":1}', 400, 'text must be a string, not the number 1'],
		['{"text":"a","more":1}', 400, 'the body has an unknown member more'],
		['[]', 400, 'the body must be an object, not a list'],
		['{', 400, 'the body is not JSON'],
		['', 400, 'the body is not JSON'],
	])('with the body %s is refused with %i', async (body, status, error) => {
		const draft = withHeader(await right(), 'Content-Length', String(body.length))
		const answer = await raw(written({ ...draft, body }))
		expect({ status: answer.status, error: errorIn(answer) }).toEqual({ status, error })
	})

	test('with more than a MiB is refused', async () => {
		const body = JSON.stringify({ text: 'a'.repeat(1024 * 1024) })
		const draft = withHeader(await right(), 'Content-Length', String(body.length))
		const answer = await raw(written({ ...draft, body }))
		expect({ status: answer.status, error: errorIn(answer) }).toEqual({
			status: 413,
			error: 'the body is larger than 1048576 bytes',
		})
	})

	test('with headers of more than 32 KiB is refused', async () => {
		const draft = await right()
		const answer = await raw(written({ ...draft, headers: [...draft.headers, `A: ${'a'.repeat(33_000)}`] }))
		expect(answer.status).toBe(431)
	})

	test.each([
		['GET /console/api/none', 404, 'the console has no /console/api/none'],
		['GET /console/api/echo/', 404, 'the console has no /console/api/echo/'],
		['GET /console/other', 404, 'the console has no /console/other'],
		['GET /console/api/tenants/acme/echo/a%2Fb', 404, 'there is no tenant acme'],
		['GET /console/api/tenants/%zz/echo/a', 404, 'the console has no /console/api/tenants/%zz/echo/a'],
		['PUT /console/api/echo', 405, '/console/api/echo takes GET, POST, DELETE only'],
		['OPTIONS /console/api/echo', 405, '/console/api/echo takes GET, POST, DELETE only'],
		['GET /console/session', 405, '/console/session takes POST only'],
		['GET /console/link', 405, '/console/link takes POST only'],
		['GET /../server.ts', 404, 'the console has no /server.ts'],
		['GET /%2e%2e/package.json', 404, 'the console has no /package.json'],
		['GET /index.html', 404, 'the console has no /index.html'],
		['POST /', 405, '/ takes GET only'],
	])('%s is refused with %i', async (line, status, error) => {
		const { headers } = withHeader(await right(), 'Content-Length')
		const answer = await raw(written({ headers, line }))
		expect({ status: answer.status, error: errorIn(answer) }).toEqual({ status, error })
	})

	test('reaches its handler with the decoded names of its path', async () => {
		const { addTenant, ask } = consoleOf()
		await addTenant('acme')
		expect(await ask('GET', '/tenants/acme/echo/a%2Fb%20%3C')).toEqual({
			status: 200,
			body: { tenant: 'acme', id: 'a/b <' },
		})
		expect(await ask('DELETE', '/echo')).toEqual({ status: 204, body: undefined })
	})

	test('that meets a bug learns the first line alone, and the terminal gets the rest', async () => {
		const { ask, errors } = consoleOf()
		const { status, body } = await ask('GET', '/bug')
		expect(status).toBe(500)
		expect(body).toEqual({
			error: 'TypeError: a secret of the inside',
			hint: 'this is a bug in rollcall: the terminal of the console has the rest, for a report',
		})
		expect(errors).toEqual([expect.any(TypeError)])
	})
})

test('every answer has the policy, is not stored, sets no cookie, and allows no other origin', async () => {
	const draft = await right()
	const lines = ['POST /console/api/echo', 'GET /console/api/none', 'GET /none', 'POST /console/session']
	const answers = await Promise.all(lines.map((line) => raw(written({ ...draft, line }))))
	const strange = await raw(written(withHeader(draft, 'Host', 'evil.example')))
	for (const { head } of [...answers, strange]) {
		expect(head).toContain(
			"\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; trusted-types 'none'; require-trusted-types-for 'script'\r\n",
		)
		expect(head).toContain('\r\nX-Content-Type-Options: nosniff\r\n')
		expect(head).toContain('\r\nX-Frame-Options: DENY\r\n')
		expect(head).toContain('\r\nCross-Origin-Resource-Policy: same-origin\r\n')
		expect(head).toContain('\r\nCross-Origin-Opener-Policy: same-origin\r\n')
		expect(head).toContain('\r\nCache-Control: no-store\r\n')
		expect(head).not.toMatch(/set-cookie|access-control/i)
	}
})
