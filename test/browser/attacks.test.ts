import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startConsole } from '../../console/server.ts'
import { createSessions } from '../../console/sessions.ts'
import { useConsole, usePage } from '../support/console.ts'
import { useBrowser } from './browser.ts'

const built = usePage()
const started = useConsole({ page: built })
const browse = useBrowser()

/** Another program on another port of 127.0.0.1, which remembers the headers that it gets. */
const evil = createServer((incoming, outgoing) => {
	seen.push(JSON.stringify(incoming.headers))
	outgoing.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>evil</title>')
})
let seen: string[] = []
let evilUrl = ''
beforeEach(async () => {
	seen = []
	await new Promise<void>((done) => evil.listen(0, '127.0.0.1', done))
	evilUrl = `http://127.0.0.1:${(evil.address() as AddressInfo).port}` // sound: it listens on a port
})
afterEach(() => {
	evil.close()
	evil.closeAllConnections()
})

describe('another program on another port of 127.0.0.1', () => {
	test('gets no credential, although the browser has a session', async () => {
		const page = await browse(started().console.newLink())
		await page.getByRole('heading', { name: 'Tenants' }).waitFor()
		const other = await page.context().newPage()
		await other.goto(evilUrl)
		expect(
			await other.evaluate(() => JSON.stringify([document.cookie, { ...sessionStorage }, { ...localStorage }])),
		).toBe('["",{},{}]')
		expect(await page.context().cookies()).toEqual([])
		for (const headers of seen) expect(headers).not.toMatch(/cookie|authorization/i)
	})

	test('reads nothing of the console from its own page, and changes nothing', async () => {
		const { console, session, services } = started()
		const key = await session()
		const page = await browse(evilUrl, { mayLeave: true })
		const outcomes = await page.evaluate(
			async ({ url, authorization }) => {
				const attempt = (work: () => Promise<unknown>) => work().then(String, () => 'refused')
				const load = (element: HTMLElement) =>
					new Promise((done, fail) => {
						element.onload = () => done('loaded')
						element.onerror = fail
						document.body.append(element)
					})
				const headers = { authorization, 'content-type': 'application/json' }
				const body = JSON.stringify({ name: 'evil', mode: 'store' })
				return Promise.all([
					attempt(() => fetch(`${url}/console/api/tenants`, { headers })),
					attempt(() => fetch(`${url}/console/api/tenants`, { method: 'POST', headers, body })),
					attempt(() => fetch(`${url}/`)),
					attempt(() => load(Object.assign(document.createElement('script'), { src: `${url}/page.js` }))),
					attempt(() => load(Object.assign(document.createElement('img'), { src: `${url}/icon.svg` }))),
				])
			},
			{ url: console.url, authorization: `Bearer ${key}` },
		)
		expect(outcomes).toEqual(Array(5).fill('refused'))
		// A form, and a request whose answer stays hidden, reach the console. Neither gets past the gate.
		const statuses: number[] = []
		page.on('response', (response) => statuses.push(response.status()))
		await page.evaluate(async (url) => {
			const body = '{"name":"evil","mode":"store"}'
			// The answer is not even a hidden one: it says that it is for its own origin alone.
			await fetch(`${url}/console/api/tenants`, { method: 'POST', mode: 'no-cors', body }).catch(() => {})
			const form = Object.assign(document.createElement('form'), {
				action: `${url}/console/api/tenants`,
				method: 'post',
			})
			document.body.append(form)
			form.submit()
		}, console.url)
		await page.getByText('the console answers only to its own page').waitFor()
		expect(new Set(statuses)).toEqual(new Set([403]))
		expect(await services.tenants.listTenants()).toEqual([])
	})

	test('does not get the console into a frame', async () => {
		const { console } = started()
		const page = await browse(evilUrl, { mayLeave: true })
		await page.evaluate((url) => {
			document.body.append(Object.assign(document.createElement('iframe'), { src: url }))
		}, console.url)
		await expect
			.poll(() => page.frames().map((frame) => frame.url()))
			.toEqual([`${evilUrl}/`, 'chrome-error://chromewebdata/'])
	})
})

test('script in a displayed value is text', async () => {
	const { console, target, services, addTenant } = started()
	const script = '<img src=x onerror=alert(1)><script>alert(2)</script>'
	await addTenant('acme')
	const expires = Date.now() + 86_400_000
	const added = await target.tokens.add('acme', 'a-token-of-the-test', { label: script })
	await target.tokens.change('acme', added, { expires })
	const page = await browse(console.newLink())
	page.on('dialog', () => {
		throw new Error('a script ran')
	})
	await page.getByText(`The token ${script} ends`).waitFor()
	expect(await page.locator('main img, main script').count()).toBe(0)
	await page.goto(`${console.url}/#/tenants/${encodeURIComponent(script)}/connect`)
	await page.getByRole('heading', { name: `Connect ${script}` }).waitFor()
	await page.getByText(`There is no tenant ${script}.`).waitFor()
	await page.goto(`${console.url}/#/tenants/%zz/${script}`)
	await page.getByText('There is no such page.').waitFor()
	expect(await page.locator('main img, main script').count()).toBe(0)
	expect(await services.tenants.listTenants()).toHaveLength(1)
})

describe('the page', () => {
	test('of a link that was used says so, and shows nothing', async () => {
		const { console, addTenant } = started()
		await addTenant('acme')
		const link = console.newLink()
		const first = await browse(link)
		await first.getByRole('link', { name: 'acme' }).waitFor()
		const second = await browse(link)
		await second.getByText('This link was used already, or a newer one replaced it.').waitFor()
		expect(await second.getByText('acme').count()).toBe(0)
		expect(second.url()).not.toContain(link.split('#')[1])
		const third = await browse(console.url)
		await third.getByText('This tab has no session.').waitFor()
	})

	test('of a console that was killed says so, and asks for a new link when another console has its port', async () => {
		const { console, target, addTenant } = started()
		await addTenant('acme')
		const page = await browse(console.newLink(), { hasOwnClock: true })
		await page.getByRole('link', { name: 'acme' }).waitFor()
		await console.close()
		await page.clock.runFor(31_000)
		await page.getByRole('alert').getByText('The console does not answer.').waitFor()
		expect(await page.getByRole('link', { name: 'acme' }).count()).toBe(1)
		const sessions = createSessions({
			now: Date.now,
			randomBytes: (size) => Buffer.alloc(size, 7),
			pause: async () => {},
		})
		const port = Number(new URL(console.url).port)
		const another = await startConsole({
			target,
			sessions,
			port,
			place: '',
			now: Date.now,
			log: () => {},
			page: built(),
		})
		await page.clock.runFor(31_000)
		await page.getByRole('alert').getByText('The session has ended.').waitFor()
		expect(await page.getByRole('link', { name: 'acme' }).count()).toBe(0)
		expect(await page.evaluate(() => ({ ...sessionStorage }))).toEqual({})
		await page.goto(another.newLink())
		await page.reload()
		await another.close()
	})
})
