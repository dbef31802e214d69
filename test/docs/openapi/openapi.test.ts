import { readFileSync, writeFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { handlers } from '../../../functions/handlers.ts'
import { matchPath } from '../../../functions/match.ts'
import { type Route, routes } from '../../../functions/routes.ts'
import { recordings, replay } from '../../clients/recordings.ts'
import type { Received, Sent } from '../../clients/wire.ts'
import { useHost } from '../../support/host.ts'
import { openApiDocument, operationTexts } from './document.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const file = 'docs/openapi.json'
const description = JSON.parse(JSON.stringify(openApiDocument(version)))

// UPDATE_DOCS=1 npx vitest run test/docs/openapi/openapi.test.ts writes the file.
test('docs/openapi.json describes the routes and the attributes as they are declared', () => {
	const generated = `${JSON.stringify(description, undefined, '\t')}\n`
	if (process.env.UPDATE_DOCS !== undefined) writeFileSync(file, generated)
	expect(readFileSync(file, 'utf8')).toBe(generated)
})

test('it is valid by the schema of OpenAPI 3.1', async () => {
	const { valid, errors } = await new Validator().validate(structuredClone(description))
	expect({ valid, errors }).toEqual({ valid: true })
})

test.each(routes)('it describes each method of /$path', ({ name }) => {
	expect(Object.keys(operationTexts[name])).toEqual(Object.keys(handlers[name]))
})

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true })
formats.default(ajv)
ajv.addVocabulary(['components'])
ajv.addSchema({ $id: 'openapi', components: description.components })

/** What is wrong with a value by a component of the description. */
function problemsOf(schema: { readonly $ref: string }, value: unknown): unknown {
	const validate = ajv.getSchema(`openapi${schema.$ref}`)
	if (validate === undefined) throw new Error(`there is no ${schema.$ref}`)
	return validate(value) ? [] : validate.errors
}

const contentOf = (message: { content?: Record<string, { schema: { $ref: string } }> }) =>
	message.content?.['application/scim+json']?.schema

function operationOf({ method, path }: Sent) {
	const route = matchPath(`/scim/a${new URL(path, 'http://a').pathname}`)?.route as Route
	return description.paths[`/${route.path}`][method.toLowerCase()]
}

/** Whether the request is one that a client should send: the answer is no refusal. */
const isAccepted = ({ status }: Received): boolean => status < 400

function expectDescribed(name: string, sent: Sent, received: Received) {
	const operation = operationOf(sent)
	const answer = operation.responses[received.status] ?? operation.responses.default
	const answerSchema = contentOf(answer)
	expect(received.body === undefined, `${name}: body`).toBe(answerSchema === undefined)
	if (answerSchema !== undefined) expect(problemsOf(answerSchema, received.body), `${name}: answer`).toEqual([])
	if (!isAccepted(received) || sent.body === undefined) return
	const requestSchema = contentOf(operation.requestBody)
	const body = typeof sent.body === 'string' ? JSON.parse(sent.body) : sent.body
	if (requestSchema !== undefined) {
		expect(problemsOf(requestSchema, inDescribedCase(requestSchema, body)), `${name}: request`).toEqual([])
	}
}

/** The body with its names in the letter case of the description. A schema of JSON cannot say "in any letter case". */
function inDescribedCase({ $ref }: { readonly $ref: string }, body: object): unknown {
	const { properties } = description.components.schemas[$ref.split('/').at(-1) ?? '']
	const described = new Map(Object.keys(properties).map((name) => [name.toLowerCase(), name]))
	return Object.fromEntries(
		Object.entries(body).map(([name, value]) => [described.get(name.toLowerCase()) ?? name, value]),
	)
}

describe('the recorded requests of clients and their answers are as described', () => {
	const host = useHost()

	test.each(recordings)('%s', async (recording) => {
		for await (const { name, sent, received } of replay(await host(), recording)) expectDescribed(name, sent, received)
	})

	test('as are the answers of all other endpoints', async () => {
		const tenant = await host()
		const user = await tenant.create('/Users', { userName: 'ada@contoso.com', emails: [{ value: 'ada@contoso.com' }] })
		await tenant.create('/Groups', { displayName: 'Ops', members: [{ value: user.id }] })
		const sent: readonly Sent[] = [
			{ method: 'GET', path: '/' },
			{ method: 'GET', path: '/Schemas' },
			{ method: 'GET', path: '/Schemas/urn:ietf:params:scim:schemas:core:2.0:User' },
			{ method: 'GET', path: '/ResourceTypes' },
			{ method: 'GET', path: '/ResourceTypes/User' },
			{ method: 'GET', path: '/ServiceProviderConfig' },
			{ method: 'GET', path: '/Changes?cursor=' },
			{ method: 'GET', path: '/health' },
			{ method: 'GET', path: '/Me' },
			{ method: 'GET', path: '/Users/none' },
			{ method: 'GET', path: '/Users?cursor=&count=1' },
			{ method: 'POST', path: '/.search', body: { filter: 'userName pr', count: 1 } },
			{
				method: 'POST',
				path: '/Bulk',
				body: {
					Operations: [
						{ method: 'POST', path: '/Users', bulkId: 'a', data: { userName: 'bob' } },
						{ method: 'DELETE', path: '/Users/none' },
					],
				},
			},
		]
		for (const { method, path, body } of sent) {
			const { status, body: answer } = await tenant.request(method, path, { body })
			const route = path.split('?')[0] ?? path
			expectDescribed(`${method} ${path}`, { method, path: route, body }, { status, headers: {}, body: answer })
		}
	})
})
