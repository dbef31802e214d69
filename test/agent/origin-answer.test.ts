import type { ServerResponse } from 'node:http'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab

beforeAll(async () => {
	lab = await startLab()
	await lab.agent()
})
afterAll(() => lab.stop())

const answerWith = (status: number, body: string | Buffer, headers: Record<string, string> = {}) => {
	lab.origin.answer = (_, response) => response.writeHead(status, headers).end(body)
}

/** Sends a write. Its status, content type and body, as the client gets them. */
async function post() {
	const { status, headers, body } = await lab.sender()(request({ method: 'POST', body: Buffer.from('{}') }))
	return { status, type: headers['content-type'], body: body.toString() }
}

const scim = 'application/scim+json'
const user = '{"id":"1"}'
const scimError = (status: string, detail: string) =>
	JSON.stringify({ schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status, detail })

test.each([
	['problem+json', 409, 'application/problem+json', '{"title":"Conflict","detail":"joy exists"}', 'joy exists'],
	['problem+json without detail', 422, 'application/problem+json', '{"title":"Unprocessable"}', 'Unprocessable'],
	['another +json', 400, 'application/vnd.api+json', '{"errors":[1]}', '{"errors":[1]}'],
	['text', 409, 'text/plain', 'joy\n exists', 'joy exists'],
	['text without a type', 400, '', 'no such attribute', 'no such attribute'],
	['cut JSON', 400, 'application/json', '{"detail":', '{"detail":'],
	['a page', 405, 'text/html', '<html><title>Not\nallowed</title><p>x</html>', 'Not allowed'],
	['a page without a title', 413, 'text/html', '<p>Too <b>large</b></p>', 'Too large'],
	['text about a missing user', 404, 'text/plain', 'no such user', 'no such user'],
	['a long text', 499, 'text/plain', 'x'.repeat(1000), 'x'.repeat(300)],
])('a 4xx with %s stays that 4xx, with a SCIM error', async (_, status, type, body, detail) => {
	answerWith(status, body, type === '' ? {} : { 'content-type': type })
	expect(await post()).toEqual({ status, type: scim, body: scimError(String(status), detail) })
})

test('a problem+json of a 500 becomes a SCIM error with its status', async () => {
	answerWith(500, '{"title":"Broken"}', { 'content-type': 'application/problem+json' })
	expect(await post()).toEqual({ status: 500, type: scim, body: scimError('500', 'Broken') })
})

test.each<[string, number, string | Buffer, Record<string, string>, string | undefined, string]>([
	['a SCIM error', 409, '{"status":"409"}', { 'content-type': scim }, scim, '{"status":"409"}'],
	['a byte order mark', 201, `\ufeff${user}`, { 'content-type': 'application/json' }, 'application/json', user],
	['UTF-16', 201, Buffer.from(`\ufeff${user}`, 'utf16le'), { 'content-type': 'application/json' }, scim, user],
	['gzip', 201, gzipSync(user), { 'content-type': scim, 'content-encoding': 'gzip' }, scim, user],
	['deflate', 201, deflateSync(user), { 'content-type': scim, 'content-encoding': 'deflate' }, scim, user],
	['Brotli', 201, brotliCompressSync(user), { 'content-type': scim, 'content-encoding': 'br' }, scim, user],
	['no type', 201, user, {}, scim, user],
	['the type of text', 201, user, { 'content-type': 'text/plain' }, scim, user],
	['another +json', 200, user, { 'content-type': 'application/vnd.api+json' }, 'application/vnd.api+json', user],
	['an unknown 2xx', 299, user, { 'content-type': scim }, scim, user],
	['a 204 with a body', 204, 'deleted', { 'content-type': 'text/plain', 'content-length': '7' }, undefined, ''],
])('an answer with %s reaches the client', async (_, status, body, headers, type, expected) => {
	answerWith(status, body, headers)
	expect(await post()).toEqual({ status, type, body: expected })
})

/** Answers with these bytes, which Node itself would not send. */
const answerRaw = (text: string) => {
	lab.origin.answer = (_, response: ServerResponse) => response.socket?.write(text)
}

test.each([
	['of a declared length', 'Content-Length: 7\r\n\r\ndeleted'],
	['of an undeclared length', '\r\ndeleted'],
	['in chunks', 'Transfer-Encoding: chunked\r\n\r\n7\r\ndeleted\r\n0\r\n\r\n'],
])('a 204 with a body %s is a 204, and the next request gets its own answer', async (_, rest) => {
	answerRaw(`HTTP/1.1 204 No Content\r\nContent-Type: text/plain\r\n${rest}`)
	for (let round = 0; round < 3; round++) expect(await post()).toEqual({ status: 204, type: undefined, body: '' })
	answerWith(201, user, { 'content-type': scim })
	expect(await post()).toMatchObject({ status: 201, body: user })
})

test.each([
	['a page of a 404', 404, '<p>Not found', { 'content-type': 'text/html' }, /origin_bad_response/],
	['the 404 of a router', 404, '404 page not found\n', { 'content-type': 'text/plain' }, /origin_bad_response/],
	['a page of a 200', 200, '<p>Log in', { 'content-type': 'text/html' }, /origin_bad_response/],
	['text of a 200', 200, '404', { 'content-type': 'text/plain' }, /origin_bad_response/],
	['a page of a 500', 500, '<p>Broken', { 'content-type': 'text/html' }, /origin_bad_response/],
	['broken gzip', 200, user, { 'content-type': scim, 'content-encoding': 'gzip' }, /origin_bad_response.*header check/],
	['an unknown encoding', 200, user, { 'content-encoding': 'zstd' }, /the encoding of the body is zstd/],
	[
		'a page about a missing client certificate',
		400,
		'<title>400 No required SSL certificate was sent</title>',
		{ 'content-type': 'text/html' },
		/\(origin_tls_client_cert\)/,
	],
])('%s is 503', async (_, status, body, headers, detail) => {
	answerWith(status, body, headers)
	expect(await outcome(lab.sender()(request({ method: 'POST' })))).toMatchObject({
		status: 503,
		detail: expect.stringMatching(detail),
	})
})
