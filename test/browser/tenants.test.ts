import { expect, test } from 'vitest'
import { useConsole, usePage } from '../support/console.ts'
import { expectAccessible, useBrowser } from './browser.ts'
import { takePicture } from './picture.ts'

const browse = useBrowser()
const started = useConsole({ page: usePage() })

test('a link opens the tenants, and its key leaves the address bar', async () => {
	const { console, addTenant } = started()
	const acme = await addTenant('acme')
	expect((await acme.send('POST', '/Users', { userName: 'joy@example.com' })).status).toBe(201)
	const page = await browse(console.newLink())
	const row = page.getByRole('row', { name: 'acme' })
	const time = row.getByText(/now|second/)
	await time.waitFor()
	expect((await row.getByRole('cell').allInnerTexts()).slice(0, 3)).toEqual(['store', '1', '0'])
	// The reader is in Berlin. The exact time, with its zone, shows on hover.
	expect(await time.getAttribute('title')).toMatch(/^\w+, \d+ \w+ \d{4} at \d\d:\d\d:\d\d CES?T \(\d{4}-.*Z\)$/)
	expect(page.url()).toBe(`${console.url}/#/`)
	expect(await page.title()).toBe('Tenants · Rollcall')
	await expectAccessible(page)
	await page.reload()
	await row.waitFor()
})

test('a change is seen without a reload', async () => {
	const { console, addTenant } = started()
	const acme = await addTenant('acme')
	const page = await browse(console.newLink(), { hasOwnClock: true })
	const cells = page.getByRole('row', { name: 'acme' }).getByRole('cell')
	await cells.nth(1).getByText('0').waitFor()
	await acme.send('POST', '/Users', { userName: 'joy@example.com' })
	await page.clock.runFor(61_000)
	await cells.nth(1).getByText('1').waitFor()
})

test('many tenants are shown by page, found by a part of the name, and reached by keys', async () => {
	const { console, services } = started()
	for (let number = 10; number < 40; number++) {
		await services.tenants.createTenant({ name: `tenant-${number}`, mode: 'relay', settings: {} })
	}
	const page = await browse(console.newLink())
	await page.getByText('1 to 25 of 30').waitFor()
	expect(await page.getByRole('rowheader').count()).toBe(25)
	await page.keyboard.press('j')
	await page.keyboard.press('j')
	await page.keyboard.press('j')
	await page.keyboard.press('k')
	expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('tenant-11')
	await page.getByRole('button', { name: 'Next' }).click()
	await page.getByText('26 to 30 of 30').waitFor()
	await expectAccessible(page)
	await page.keyboard.press('/')
	await page.keyboard.type('-3j')
	await page.getByText('No name of a tenant has -3j.').waitFor()
	await page.keyboard.press('Backspace')
	expect(await page.getByRole('rowheader').count()).toBe(10)
	await page.getByRole('button', { name: 'Shortcuts' }).click()
	await page.keyboard.press('j')
	expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Shortcuts')
})

test('a keyboard reaches everything, and the focus has an outline', async () => {
	const { console, addTenant } = started()
	await addTenant('acme')
	const page = await browse(console.newLink())
	await page.getByRole('link', { name: 'Empty: connect it' }).waitFor()
	const reached: (string | undefined)[] = []
	for (let stops = 0; stops < 7; stops++) {
		await page.keyboard.press('Tab')
		reached.push(
			await page.evaluate(() => {
				const { activeElement } = document
				const isSeen = activeElement !== null && getComputedStyle(activeElement).outlineStyle === 'solid'
				return isSeen ? (activeElement.textContent ?? '') : 'no outline'
			}),
		)
	}
	const stops = [
		'Skip to the content',
		'Rollcall',
		'acme',
		'Empty: connect it',
		'Add a tenant',
		'Documentation',
		'Shortcuts',
	]
	expect(reached).toEqual(stops)
})

test('tenants of each kind are shown with what is worth a look', async () => {
	const { console, addTenant, target, services } = started()
	const acme = await addTenant('acme')
	await addTenant('globex')
	await addTenant('plant', { mode: 'relay' })
	for (const name of ['ada', 'joy', 'kim']) await acme.send('POST', '/Users', { userName: `${name}@example.com` })
	await acme.send('POST', '/Groups', { displayName: 'Sales' })
	expect((await acme.send('POST', '/Users', { userName: 'JOY@example.com' })).status).toBe(409)
	await services.refusals.flush()
	const added = await target.tokens.add('acme', 'a-token-of-the-test', { label: 'Okta' })
	await target.tokens.change('acme', added, { expires: Date.now() + 4 * 86_400_000 + 3_600_000 })
	const page = await browse(console.newLink())
	await page.getByText('The token Okta ends in 4 days').waitFor()
	await page.getByText('npm start has no relay').waitFor()
	expect(await page.getByRole('row', { name: 'acme' }).getByRole('link', { name: '1' }).getAttribute('href')).toBe(
		'#/tenants/acme/failures',
	)
	await expectAccessible(page)
	await takePicture(page, 'tenants')
})
