import { HttpRequest } from '@azure/functions'
import { describe, expect, it } from 'vitest'
import { readJson } from '../../../shared/http/body.ts'

const request = (bytes: Uint8Array | string | undefined, headers: Record<string, string> = {}): HttpRequest =>
	new HttpRequest({
		method: 'POST',
		url: 'http://127.0.0.1/scim/demo/Users',
		headers: { 'content-type': 'application/scim+json', ...headers },
		...(bytes !== undefined && { body: { bytes: Buffer.from(bytes) } }),
	})

describe('readJson', () => {
	it.each([
		'application/scim+json',
		'application/scim+json; charset=utf-8',
		'application/json',
		'Application/SCIM+JSON;charset="UTF-8"',
	])('reads a body of type %s', async (type) => {
		expect(await readJson(request('{"userName":"ü"}', { 'content-type': type }))).toEqual({ userName: 'ü' })
	})

	it('reads a body without a Content-Type', async () => {
		const bare = new HttpRequest({ method: 'POST', url: 'http://127.0.0.1/', body: { bytes: Buffer.from('{}') } })
		expect(await readJson(bare)).toEqual({})
	})

	it('ignores a byte order mark', async () => {
		expect(await readJson(request('\ufeff{"a":1}'))).toEqual({ a: 1 })
	})

	it.each([
		['text/plain', {}, 'the Content-Type is text/plain: send application/scim+json'],
		['application/x-www-form-urlencoded', {}, 'the Content-Type is application/x-www-form-urlencoded'],
		['application/json; charset=iso-8859-1', {}, 'the charset is iso-8859-1: send utf-8'],
		['application/json', { 'content-encoding': 'gzip' }, 'the Content-Encoding is gzip: send the body uncompressed'],
	])('answers 415 to %s %j', async (type, headers, detail) => {
		await expect(readJson(request('{}', { 'content-type': type, ...headers }))).rejects.toMatchObject({
			status: 415,
			message: expect.stringContaining(detail),
		})
	})

	it('answers 413 to more than 4 MiB, without reading the body if its length is declared', async () => {
		const tooLarge = { status: 413, message: 'the body is larger than 4194304 bytes' }
		await expect(readJson(request('{}', { 'content-length': '4194305' }))).rejects.toMatchObject(tooLarge)
		await expect(readJson(request(`"${'a'.repeat(4_194_303)}"`))).rejects.toMatchObject(tooLarge)
		expect(await readJson(request(`"${'a'.repeat(4_194_302)}"`))).toHaveLength(4_194_302)
	})

	it('answers 411 to a chunked body that the Functions host has dropped', async () => {
		await expect(readJson(request(undefined, { 'transfer-encoding': 'chunked' }))).rejects.toMatchObject({
			status: 411,
		})
	})

	it.each([
		['no body', undefined, 'the request has no body'],
		['bytes that are not UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), 'the body is not UTF-8'],
		['half of an object', '{"userName":', 'the body is not JSON'],
	])('answers 400 to %s', async (_, bytes, detail) => {
		await expect(readJson(request(bytes))).rejects.toMatchObject({
			status: 400,
			scimType: 'invalidSyntax',
			message: expect.stringContaining(detail),
		})
	})
})
