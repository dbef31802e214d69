import { expect, test } from 'vitest'
import { useConsole, usePage } from '../support/console.ts'
import { expectAccessible, useBrowser } from './browser.ts'
import { takePicture } from './picture.ts'

const browse = useBrowser()
const started = useConsole({ page: usePage() })

test('a first-time user gets from the link to a provisioned user', async () => {
	const { console, server, addTenant, services } = started()
	const demo = await addTenant('demo')
	const page = await browse(console.newLink())
	await page.getByRole('link', { name: 'Empty: connect it' }).click()
	await page.getByRole('heading', { name: 'Connect demo' }).waitFor()
	expect(await page.getByRole('navigation').getByRole('listitem').allInnerTexts()).toEqual([
		...['Activity', 'Failures', 'Connect', 'Credentials', 'Schema', 'Safety', 'Relay'],
	])
	expect(await page.locator('dd').allInnerTexts()).toEqual([
		expect.stringContaining(`${server.url}/scim/demo`),
		expect.stringContaining('a-token-of-demo'),
	])
	await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
	await page.getByRole('button', { name: 'Copy Secret Token' }).click()
	await page.getByRole('status').getByText('Secret Token copied').waitFor({ state: 'attached' })
	expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('a-token-of-demo')
	expect(await page.locator('ol.steps li').first().innerText()).toContain('entra.microsoft.com')
	await page.getByRole('button', { name: 'Okta' }).click()
	expect(await page.locator('ol.steps li').first().innerText()).toContain('Create App Integration')
	await expectAccessible(page)
	await takePicture(page, 'connect')

	await page.getByRole('button', { name: 'Send samples' }).click()
	await page.getByRole('heading', { name: 'The samples were sent' }).waitFor()
	expect(await page.locator('section.panel tbody tr').allInnerTexts()).toEqual([
		'a user\tPOST /Users\t201',
		'a group with the user as its member\tPOST /Groups\t201',
		expect.stringMatching(/^the same user again, .*\tPOST \/Users\t409 userName ".*" is already taken /),
	])
	await expectAccessible(page)
	expect(await demo.send('GET', '/Users?attributes=userName,groups')).toMatchObject({
		body: { Resources: [{ userName: 'sample.person@example.com', groups: [{ display: 'Sample group' }] }] },
	})
	await services.refusals.flush()
	await page.getByRole('link', { name: 'Rollcall' }).click()
	await page.getByRole('row', { name: 'demo' }).getByRole('cell', { name: '1', exact: true }).nth(2).waitFor()
	expect(await page.getByRole('row', { name: 'demo' }).getByRole('cell').allInnerTexts()).toMatchObject([
		'store',
		'1',
		'1',
		expect.stringMatching(/now|second/),
		'1',
		'',
	])
})

test('a tenant that is added shows its token, and its samples are sent with it', async () => {
	const { console, target, services } = started()
	const page = await browse(console.newLink())
	await page.getByText('There are no tenants in the folder data.').waitFor()
	await page.getByRole('button', { name: 'Add a tenant' }).click()
	await page.getByLabel('Name').fill('Users')
	await page.getByRole('button', { name: 'Add', exact: true }).click()
	await page.getByRole('alert').getByText('Users is not a valid name of a tenant.').waitFor()
	await expectAccessible(page)
	await page.getByLabel('Name').fill('acme')
	await page.keyboard.press('Enter')
	await page.getByRole('heading', { name: 'Connect acme' }).waitFor()
	const token = (await page.locator('dd').nth(1).locator('code').innerText()).trim()
	expect(token).toMatch(/^[\w-]{43}$/)
	const tenant = await services.tenants.getTenant('acme')
	expect(await target.administration.list(tenant ?? { name: '', table: '' })).toMatchObject([
		{ command: 'tenant add', outcome: 'done' },
	])
	await page.getByRole('button', { name: 'Send samples' }).click()
	await page.getByRole('heading', { name: 'The samples were sent' }).waitFor()
	expect(await target.tokens.list('acme')).toHaveLength(1)
})

test('a tenant whose directory is behind a relay shows what its agent needs', async () => {
	const { console } = started()
	const page = await browse(console.newLink())
	await page.getByRole('button', { name: 'Add a tenant' }).click()
	await page.getByLabel('Name').fill('distant')
	await page.getByLabel('In a SCIM server in a private network, behind Azure Relay').check()
	await page.getByRole('button', { name: 'Add', exact: true }).click()
	await page.getByRole('heading', { name: 'The agent' }).waitFor()
	expect(JSON.parse(await page.locator('pre').innerText())).toMatchObject({ relay: { hybridConnection: 'distant' } })
	expect(await page.getByRole('button', { name: 'Send samples' }).count()).toBe(0)
	await expectAccessible(page)
})
