import { expect, test } from 'vitest'
import { useConsole, usePage } from '../support/console.ts'
import { expectAccessible, useBrowser } from './browser.ts'
import { takePicture } from './picture.ts'

const started = useConsole({ page: usePage() })
const browse = useBrowser()

test('a failure leads to the page of the documentation that says more, at its heading', async () => {
	const { console, addTenant, services } = started()
	const acme = await addTenant('acme')
	for (const userName of ['joy', 'JOY']) await acme.send('POST', '/Users', { userName })
	await services.refusals.flush()
	const page = await browse(console.newLink())
	await page.getByRole('heading', { name: 'Tenants' }).waitFor()
	await page.goto(`${console.url}/#/tenants/acme/failures`)
	await page.getByRole('link', { name: 'docs/operations.md' }).click()
	const heading = page.getByRole('heading', { name: 'From a symptom to its cause' })
	await heading.waitFor()
	expect(page.url()).toBe(`${console.url}/#/docs/operations.md?at=from-a-symptom-to-its-cause`)
	await expect.poll(() => heading.evaluate((node) => node === document.activeElement)).toBe(true)
	await expect.poll(() => heading.evaluate((node) => node.getBoundingClientRect().top < innerHeight / 2)).toBe(true)
	await expect.poll(() => page.title()).toBe('docs/operations.md · Rollcall')
	await expectAccessible(page)
	await takePicture(page, 'docs-operations', false)
	await page.goBack()
	await page.getByRole('heading', { name: 'Failures' }).waitFor()
})

test('the foot of each page leads to all pages, and those to each other', async () => {
	const { console } = started()
	const page = await browse(console.newLink())
	await page.getByRole('link', { name: 'Documentation' }).click()
	await page.locator('.doc').getByRole('link', { name: 'cli.md' }).first().click()
	await page.getByRole('heading', { level: 1 }).waitFor()
	await page.getByRole('table').first().waitFor()
	await expectAccessible(page)
	await takePicture(page, 'docs-cli', false)
	await page.getByRole('link', { name: 'all pages' }).click()
	await expect.poll(() => page.url()).toBe(`${console.url}/#/docs/README.md`)
	await page.goto(`${console.url}/#/docs/nowhere.md`)
	await page.getByRole('alert').getByText('The documentation has no page docs/nowhere.md.').waitFor()
	await page.goto(`${console.url}/#/docs/../page.js`)
	await page.getByText('There is no such page.').waitFor()
})

test('script in a page of the documentation is text, and a link to a script is none', async () => {
	const { console } = started()
	const attack = [
		'# <img src=x onerror=alert(1)>',
		'<script>alert(2)</script> `<b onclick=alert(3)>`',
		'',
		'[a](javascript:alert(4)) [b](data:text/html,x.md) [c](//evil.example/x.md) ![d](javascript:alert(5))',
		'[**e**](JAVASCRIPT:alert(6)) [f][f]',
		'',
		'| <svg onload=alert(7)> |',
		'|---|',
		'| <iframe src=x> |',
		'',
		'[f]: javascript:alert(8)',
	].join('\n')
	const page = await browse(console.newLink())
	page.on('dialog', () => {
		throw new Error('a script ran')
	})
	await page.getByRole('heading', { name: 'Tenants' }).waitFor()
	await page.route(
		(url) => url.pathname.includes('/api/docs/'),
		(route) => route.fulfill({ json: { text: attack } }),
	)
	await page.goto(`${console.url}/#/docs/cli.md`)
	await page.getByRole('heading', { name: '<img src=x onerror=alert(1)>' }).waitFor()
	expect(await page.locator('main :is(img, script, b, svg, iframe)').count()).toBe(0)
	expect(await page.locator('main a').allInnerTexts()).toEqual(['all pages'])
})
