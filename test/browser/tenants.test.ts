import { expect, test } from 'vitest'
import { useConsole, usePage } from '../support/console.ts'
import { expectAccessible, useBrowser } from './browser.ts'

const browse = useBrowser()
const started = useConsole({ page: usePage() })

test('a link opens the tenants, and its key leaves the address bar', async () => {
	const { console, addTenant } = started()
	const acme = await addTenant('acme')
	expect((await acme.send('POST', '/Users', { userName: 'joy@example.com' })).status).toBe(201)
	const page = await browse(console.newLink())
	const row = page.getByRole('row', { name: 'acme' })
	await row.getByText('just now').or(row.getByText('second')).first().waitFor()
	expect((await row.getByRole('cell').allInnerTexts()).slice(2, 4)).toEqual(['1', '0'])
	expect(page.url()).toBe(`${console.url}/#/`)
	expect(await page.title()).toBe('Tenants · Rollcall')
	await expectAccessible(page)
})
