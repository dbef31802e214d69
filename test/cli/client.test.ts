import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { respondWith } from '../../functions/respond.ts'
import { createServices } from '../../functions/services.ts'
import { startAzurite } from '../../local/azurite.ts'
import { startServer } from '../../local/server.ts'
import { jsonOf, rollcall } from '../support/rollcall.ts'

let folder = ''
let secretToken = ''
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
	secretToken = (await json('tenant add acme')).token
})
afterEach(() => rm(folder, { recursive: true }))

const run = (line: string) => rollcall([...line.split(' '), '--data', folder])
const json = async (line: string) => jsonOf(await run(`${line} --json`))

type Served = {
	/** Asks for an access token, and answers its status and body. */
	// biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
	readonly ask: (client: string, secret: string) => Promise<{ readonly status: number; readonly body: any }>
	readonly statusOf: (token: string) => Promise<number>
	readonly schemes: (token: string) => Promise<readonly string[]>
}

const schemesOf = (config: unknown): readonly string[] =>
	z
		.object({ authenticationSchemes: z.array(z.object({ type: z.string() })) })
		.parse(config)
		.authenticationSchemes.map(({ type }) => type)

/** Serves the data folder, as npm start does, during the work. */
async function served<T>(work: (served: Served) => Promise<T>): Promise<T> {
	const azurite = await startAzurite({ folder })
	const tokens = { file: join(folder, 'tokens.json') }
	const services = await createServices({ tables: { connectionString: azurite.connectionString }, tokens })
	const server = await startServer({ port: 0, respond: respondWith(services), log: () => {} })
	const url = `${server.url}/scim/acme`
	const get = (path: string, token: string) => fetch(`${url}${path}`, { headers: { Authorization: `Bearer ${token}` } })
	try {
		return await work({
			async ask(client, secret) {
				const form = { grant_type: 'client_credentials', client_id: client, client_secret: secret }
				const response = await fetch(`${url}/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) })
				return { status: response.status, body: await response.json() }
			},
			statusOf: async (token) => (await get('/Users', token)).status,
			schemes: async (token) => schemesOf(await (await get('/ServiceProviderConfig', token)).json()),
		})
	} finally {
		await server.close()
		await services.lastUses.flush()
		await azurite.close()
	}
}

describe('rollcall client', () => {
	test('add prints a client that gets a token that works', async () => {
		const { out } = await run('client add acme --label Entra')
		const url = 'http://127.0.0.1:7071/scim/acme'
		const [, id = '', secret = ''] =
			new RegExp(
				`^Tenant URL +${url}\nToken endpoint +${url}/oauth2/token\nClient id +([0-9a-f]{20})\nClient secret +([\\w-]{43})\nScope +scim\nExpires +20\\S+Z\n$`,
			).exec(out) ?? []
		await served(async ({ ask, statusOf, schemes }) => {
			const { status, body } = await ask(id, secret)
			expect(status).toBe(200)
			expect(await statusOf(body.access_token)).toBe(200)
			expect(await schemes(body.access_token)).toEqual(['oauthbearertoken', 'oauth2'])
		})
		const [listed] = await json('client list acme')
		const used = expect.stringMatching(/^20\S+Z$/)
		expect(listed).toEqual({
			...{ kind: 'secret', id, label: 'Entra', scope: 'scim', created: used, lastUsed: used },
			secrets: [{ id: expect.any(String), created: used, expires: used, state: 'accepted', lastUsed: used }],
		})
		expect((await run('client list acme')).out).toMatch(
			new RegExp(
				`^CLIENT .* LAST USED\n${id} +secret +accepted +scim +Entra +[0-9a-f]{8} +20\\S+Z +20\\S+Z +20\\S+Z\n$`,
			),
		)
	})

	test('disable ends a client and its access tokens, and rotate overlaps two secrets', async () => {
		const { clientId, clientSecret, secret: first } = await json('client add acme')
		const other = await json('client add acme --scope read --expires-in 30d')
		const rotated = await json(`client rotate acme ${clientId} --overlap 1h`)
		expect(rotated.ending).toEqual([{ secret: first, expires: expect.any(String) }])
		const token = await served(async ({ ask }) => {
			expect((await ask(clientId, rotated.clientSecret)).status).toBe(200)
			expect((await ask(other.clientId, other.clientSecret)).body.scope).toBe('scim.read')
			return (await ask(clientId, clientSecret)).body.access_token
		})
		expect((await run(`client disable acme ${clientId} --secret ${first}`)).out).toBe(
			`The secret ${first} of the client ${clientId} was disabled. A running host refuses it and its access tokens within a minute.\n`,
		)
		await served(async ({ ask, statusOf }) => {
			expect((await ask(clientId, clientSecret)).status).toBe(401)
			expect(await statusOf(token)).toBe(401)
			expect((await ask(clientId, rotated.clientSecret)).status).toBe(200)
		})
		for (const id of [clientId, other.clientId]) await run(`client disable acme ${id}`)
		await served(async ({ ask, schemes }) => {
			expect((await ask(clientId, rotated.clientSecret)).status).toBe(401)
			expect(await schemes(secretToken)).toEqual(['oauthbearertoken'])
		})
	})

	test('rotate names the secret that is unused if there are four', async () => {
		const { clientId, secret } = await json('client add acme')
		for (const _ of [2, 3, 4]) await run(`client rotate acme ${clientId}`)
		const { code, err } = await run(`client rotate acme ${clientId}`)
		expect([code, err.match(/unused/g)?.length]).toEqual([1, 4])
		expect(err).toContain(`rollcall client disable acme ${clientId} --secret ${secret} --data ${folder}`)
	})

	test('stores nothing of a secret but its digest', async () => {
		const { clientSecret } = await json('client add acme')
		const { out } = await run('client list acme --json')
		expect(out).not.toContain(clientSecret)
		expect(out).not.toContain('sha256:')
		const files = await Promise.all(
			['__azurite_db_table__.json', 'tokens.json', 'signing-keys.json'].map((file) =>
				readFile(join(folder, file), 'utf8').catch(() => ''),
			),
		)
		expect(files.join('')).not.toContain(clientSecret)
	})

	test.each([
		['disable acme unknown', 'error: the tenant acme has no client unknown\nhint: rollcall client list acme --data'],
		['rotate acme unknown', 'error: the tenant acme has no client unknown\nhint: rollcall client list acme --data'],
		['add acme --expires-in 4y', 'error: --expires-in 4y is not a valid time\nhint: use 1d to 1096d, such as 365d'],
		['add acne', 'error: there is no tenant acne\n'],
	])('%s is refused', async (line, error) => {
		expect((await run(`client ${line}`)).err).toContain(error)
	})
})

describe('rollcall key rotate', () => {
	test('signs with a new key later, or ends all access tokens at once', async () => {
		const { clientId, clientSecret } = await json('client add acme')
		const tokenNow = () => served(async ({ ask }) => (await ask(clientId, clientSecret)).body.access_token)
		const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
		const before = await tokenNow()
		const planned = await json('key rotate acme')
		expect(planned.ending).toEqual([{ version: kidOf(before), until: expect.any(String) }])
		expect(Date.parse(planned.signsFrom) - Date.now()).toBeGreaterThan(14 * 60_000)
		const during = await tokenNow()
		expect(kidOf(during)).toBe(kidOf(before))
		const { version } = await json('key rotate acme --overlap 0s')
		expect(kidOf(await tokenNow())).toBe(version)
		expect(await served(({ statusOf }) => statusOf(before))).toBe(401)
	})
})

const [entra, object, app] = [1, 2, 3].map((digit) => `${digit}${'0'.repeat(7)}-0000-4000-8000-${'A'.repeat(12)}`) as [
	string,
	string,
	string,
]
const lower = (text: string) => text.toLowerCase()
const trust = {
	cloud: 'login.microsoftonline.com',
	tenant: lower(entra),
	subject: lower(object),
	audience: lower(app),
}

describe('rollcall federation add', () => {
	test.each([
		[`https://login.microsoftonline.com/${entra}/v2.0`, `api://${app}/.default`],
		[`https://login.microsoftonline.com/${entra}/v2.0/`, `api://${app}`],
		[`https://login.microsoftonline.com/${entra}`, app],
		[`https://login.microsoftonline.com/${entra}/`, lower(app)],
		[entra, `api://${lower(app)}`],
	])('takes the issuer %s and the audience %s', async (issuer, audience) => {
		const added = await json(`federation add acme --issuer ${issuer} --subject ${object} --audience ${audience}`)
		expect(added).toMatchObject({ scope: 'scim', trust })
		expect(await json('client list acme')).toMatchObject([{ id: added.clientId, kind: 'federation', trust }])
	})

	test('takes another cloud, one application, and tokens of version 1.0 if it is told to', async () => {
		const rest = `--subject ${object} --audience ${app} --application ${app}`
		const us = await json(`federation add acme --issuer https://login.microsoftonline.us/${entra}/v2.0 ${rest}`)
		expect(us.trust).toEqual({ ...trust, cloud: 'login.microsoftonline.us', application: lower(app) })
		const v1 = await json(`federation add acme --issuer https://sts.windows.net/${entra}/ --accept-v1 ${rest}`)
		expect(v1.trust).toEqual({ ...trust, application: lower(app), acceptsV1: true })
	})

	test.each([
		[`--issuer https://sts.windows.net/${entra}/`, 'issues tokens of version 1.0'],
		[`--issuer https://evil.example/${entra}/v2.0`, 'is not an issuer of Entra'],
		[`--issuer https://login.microsoftonline.com/common/v2.0`, 'is not an issuer of Entra'],
		[`--issuer https://login.microsoftonline.com.evil.example/${entra}/v2.0`, 'is not an issuer of Entra'],
		[`--issuer http://login.microsoftonline.com/${entra}/v2.0`, 'is not an issuer of Entra'],
		[`--issuer ${entra} --audience api://not-an-id`, 'is not the id of an application'],
		[`--issuer ${entra} --subject joy`, '--subject joy is not an id'],
	])('refuses %s', async (options, error) => {
		const { code, err } = await run(`federation add acme --subject ${object} --audience ${app} ${options}`)
		expect([code, err]).toEqual([2, expect.stringContaining(error)])
	})

	test('says which option is missing', async () => {
		expect(await run(`federation add acme --issuer ${entra}`)).toMatchObject({
			code: 2,
			err: 'error: --subject is missing\nhint: see docs/entra.md for where the values are\n',
		})
	})
})

describe('rollcall reader add', () => {
	test('adds an identity that may only read', async () => {
		const added = await json(`reader add acme --entra ${entra}/${object} --audience ${app} --label HR`)
		expect(added).toMatchObject({ scope: 'scim.read', trust })
		expect(await json('client list acme')).toMatchObject([
			{ id: added.reader, kind: 'reader', label: 'HR', scope: 'scim.read', trust },
		])
		await served(async ({ schemes }) => {
			expect(await schemes(secretToken)).toEqual(['oauthbearertoken'])
		})
		expect((await run(`reader add acme --entra ${entra} --audience ${app}`)).code).toBe(2)
	})
})
