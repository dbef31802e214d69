import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { useConsole } from '../support/console.ts'

const consoleOf = useConsole()

/** The status and the body of a GET of a target that no fetch would send as it is. */
async function get(target: string, headers: readonly string[] = []) {
	const { host, port } = new URL(consoleOf().console.url)
	const socket = connect(Number(port), '127.0.0.1')
	await once(socket, 'connect')
	const session = await consoleOf().session()
	const lines = [`Host: ${host}`, `Authorization: Bearer ${session}`, 'Connection: close', ...headers]
	socket.write([`GET ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
	let answer = ''
	for await (const chunk of socket) answer += chunk
	const [head = '', body = ''] = answer.split('\r\n\r\n')
	return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]), error: JSON.parse(body).error }
}

describe('a target with backslashes or dots', () => {
	test.each(['/\\', '/\\evil.example/console/api/tenants', '/\\[', '/x\\..\\console/api/tenants'])(
		'%s is refused, because a URL reads a backslash as a slash',
		async (target) => {
			expect(await get(target)).toEqual({ status: 400, error: 'the request target must be a path' })
			expect(consoleOf().errors).toEqual([])
		},
	)

	test.each(['/x/../console/api/tenants', '/./console/api/tenants', '/%2e/console/api/tenants'])(
		'%s of a page of another site is refused, as the API itself is',
		async (target) => {
			expect(await get(target, ['Sec-Fetch-Site: cross-site'])).toEqual({
				status: 403,
				error: 'the console answers only to its own page (Sec-Fetch-Site)',
			})
		},
	)
})

const strange = [
	'a/b',
	'a\\b',
	'%',
	'%2F',
	'..',
	'.',
	"a'b",
	'a#b?c',
	'a\u0000b',
	'a\nb',
	'\u{1f600}',
	'\ud83d',
	'a'.repeat(1000),
	'__proto__',
	'constructor',
]

const encoded = (text: string) => encodeURIComponent(text.toWellFormed())

describe.each(strange)('the name %j', (name) => {
	test('is no tenant, no person, no version and no action, and meets no bug', async () => {
		const { addTenant, ask, errors } = consoleOf()
		await addTenant('acme')
		const paths = [
			`/tenants/${encoded(name)}/summary`,
			`/tenants/acme/resources/${encoded(name)}`,
			`/tenants/acme/resources/${encoded(name)}/members`,
			`/tenants/acme/resources/${encoded(name)}/history`,
			`/tenants/acme/tokens/${encoded(name)}`,
			`/tenants/acme/search/User/${encoded(name)}?text=a`,
			`/tenants/acme/search/${encoded(name)}/userName?text=a`,
			`/actions/${encoded(name)}`,
		]
		const answers: unknown[] = []
		for (const path of paths) answers.push([path, await ask('GET', path)])
		const statuses = answers.map((each) => (each as [string, { status: number }])[1].status)
		expect(
			statuses.filter((status) => status !== 404 && status !== 400 && status !== 409),
			JSON.stringify(answers),
		).toEqual([])
		const found = await ask('GET', `/tenants/acme/search?text=${encoded(name)}`)
		expect([200, 400], JSON.stringify(found)).toContain(found.status)
		const behind = await ask('GET', `/tenants/acme/search/User/userName?text=a&behind=${encoded(name)}`)
		expect([200, 400], JSON.stringify(behind)).toContain(behind.status)
		const action = await ask('POST', `/tenants/acme/actions/${encoded(name)}`, { fields: {} })
		expect(action.status, JSON.stringify(action)).toBeGreaterThanOrEqual(404)
		const added = await ask('POST', '/tenants', { name, mode: 'store' })
		expect(added.status === 400 || name === 'constructor', JSON.stringify(added)).toBe(true)
		expect(errors).toEqual([])
	})
})
