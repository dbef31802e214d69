import { afterEach, expect, test } from 'vitest'
import { useConsole, usePage } from '../support/console.ts'
import { refusedWrites } from '../support/refused-writes.ts'
import { expectAccessible, useBrowser } from './browser.ts'

const { role, intercept } = refusedWrites()
const started = useConsole({ page: usePage(), intercept })
const browse = useBrowser()

afterEach(() => {
	role.isOn = false
})

const missing = /^You need the role Storage Table Data Contributor on the storage account/

test('with Storage Table Data Reader alone the pages are there, and a form says which role is missing', async () => {
	const { console, addTenant } = started()
	const client = await addTenant('acme', { settings: { history: 'full' } })
	await client.send('POST', '/Users', { userName: 'joy@example.com' })
	role.isOn = true
	const page = await browse(console.newLink())
	await page.getByRole('heading', { name: 'Tenants' }).waitFor()
	await page.goto(`${console.url}/#/tenants/acme/schema`)
	await page.getByRole('button', { name: 'Change guard-people' }).click()
	const dialog = page.getByRole('dialog')
	await dialog.getByText(missing).waitFor()
	expect(await dialog.getByRole('button', { name: 'Change' }).isDisabled()).toBe(true)
	await expectAccessible(page)
	await page.keyboard.press('Escape')
	await page.goto(`${console.url}/#/tenants/acme/credentials`)
	await page.getByRole('row', { name: /accepted/ }).waitFor()
	await page.goto(`${console.url}/#/tenants/acme/safety`)
	await page.getByRole('button', { name: 'Preview' }).click()
	await page.getByText('Nothing is to be undone.').waitFor()
	await page.getByText(missing).waitFor()
	expect(await page.getByRole('button', { name: 'Undo' }).isDisabled()).toBe(true)
	await page.getByRole('button', { name: 'Export' }).click()
	expect(await page.getByRole('dialog').getByRole('button', { name: 'Export' }).isEnabled()).toBe(true)
})
