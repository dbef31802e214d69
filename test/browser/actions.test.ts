import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { type TestConsole, useConsole, usePage } from '../support/console.ts'
import { expectAccessible, useBrowser } from './browser.ts'
import { takePicture } from './picture.ts'

// The page is closed before its console: otherwise a request of the page would fail.
const started = useConsole({ page: usePage() })
const browse = useBrowser()

/** Opens a page of a tenant in a new session. */
async function open({ console }: TestConsole, path: string): Promise<Page> {
	const page = await browse(console.newLink())
	await page.getByRole('heading', { name: 'Tenants' }).waitFor()
	await page.goto(`${console.url}/#/tenants/${path}`)
	return page
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

/** Presses the button of a dialog, and waits for what it says. */
async function submit(page: Page, name: string, said: string | RegExp): Promise<string> {
	const dialog = page.getByRole('dialog')
	await dialog.getByRole('button', { name, exact: true }).click()
	await dialog.getByText(said).first().waitFor()
	return (await dialog.textContent()) ?? ''
}

/** The token that a dialog shows. */
const tokenIn = async (page: Page): Promise<string> =>
	(await page.getByRole('dialog').locator('dd code').nth(1).textContent()) ?? ''

const statusOf = async (url: string, token: string): Promise<number> =>
	(await fetch(`${url}/Users`, { headers: { Authorization: `Bearer ${token}` } })).status

describe('credentials', () => {
	test('a token is rotated with an overlap: both are accepted, and the old one has an end', async () => {
		const running = started()
		await running.addTenant('acme')
		const page = await open(running, 'acme/credentials')
		await page.getByRole('row', { name: /accepted/ }).waitFor()
		await expectAccessible(page)
		await button(page, 'Rotate the token').click()
		await expectAccessible(page)
		await page.getByLabel('Overlap').fill('6d')
		await page.getByLabel('Label').fill('Entra')
		const said = await submit(page, 'Rotate the token', 'Copy it now.')
		expect(said).toMatch(/The token \w+ expires at /)
		const url = `${running.server.url}/scim/acme`
		const token = await tokenIn(page)
		expect([await statusOf(url, token), await statusOf(url, 'a-token-of-acme')]).toEqual([200, 200])
		await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
		const rows = page.getByRole('row', { name: /accepted/ })
		await page.getByRole('row', { name: /Entra/ }).waitFor()
		expect(await rows.count()).toBe(2)
		expect(await rows.nth(1).textContent()).toMatch(/in [56] days/)
		expect(await page.content()).not.toContain(token)
		await takePicture(page, 'credentials')
	})

	test('a token of this machine is shown when it is asked for, and disabled', async () => {
		const running = started()
		await running.addTenant('acme')
		const page = await open(running, 'acme/credentials')
		await page.getByRole('button', { name: /^Show \w{12}$/ }).click()
		await page.getByText('a-token-of-acme').waitFor()
		await page.getByRole('button', { name: /^Disable \w{12}$/ }).click()
		const said = await submit(page, 'Disable', 'was disabled.')
		expect(said).toContain('The tenant acme now has no accepted token.')
		await page.keyboard.press('Escape')
		await page.getByRole('row', { name: /disabled/ }).waitFor()
	})

	test('an OAuth client is added, gets a second secret, and is disabled', async () => {
		const running = started()
		await running.addTenant('acme')
		const page = await open(running, 'acme/credentials')
		await button(page, 'Add a client').click()
		await page.getByLabel('Label').fill('HR application')
		await page.getByLabel('Scope').selectOption('read')
		const said = await submit(page, 'Add a client', 'Copy it now.')
		expect(said).toContain('Client secret')
		await page.keyboard.press('Escape')
		const row = page.getByRole('row', { name: /HR application/ })
		await row.getByRole('button', { name: 'Rotate HR application' }).click()
		await submit(page, 'Rotate', /The secret \w+ expires at/)
		await page.keyboard.press('Escape')
		await row.getByRole('button', { name: 'Disable HR application' }).click()
		await expectAccessible(page)
		await submit(page, 'Disable', /The client \w+ was disabled/)
		await page.keyboard.press('Escape')
		await page.getByRole('row', { name: /HR application.*disabled/ }).waitFor()
	})

	test('a refusal has the words of the command line, and the form stays', async () => {
		const running = started()
		await running.addTenant('acme')
		const page = await open(running, 'acme/credentials')
		await button(page, 'Rotate the token').click()
		await page.getByLabel('Overlap').fill('soon')
		const said = await submit(page, 'Rotate the token', '"Overlap" soon is not a valid time.')
		expect(said).toContain('Use a time such as 30m, 24h or 7d, up to 90d; or 0s.')
		expect(await page.getByLabel('Overlap').inputValue()).toBe('soon')
		await expectAccessible(page)
	})
})

describe('schema', () => {
	test('an attribute of the tenant is added by pasting, and one that arrives is adopted', async () => {
		const running = started()
		const client = await running.addTenant('acme', { settings: { unknownAttributes: 'keep' } })
		await client.send('POST', '/Users', { userName: 'joy@example.com', shoeSize: 38, displayNam: 'Joy' })
		await running.services.observations.flush()
		const page = await open(running, 'acme/schema')
		await page.getByText('is it displayName?').waitFor()
		await expectAccessible(page)
		await button(page, 'Add a schema').click()
		await expectAccessible(page)
		await submit(page, 'Add a schema', 'Declared urn:example:params:scim:schemas:hr:2.0:User: 1 attribute of users.')
		await page.keyboard.press('Escape')
		await page.getByRole('cell', { name: 'badge string' }).waitFor()
		await page.getByRole('button', { name: 'Adopt shoeSize' }).click()
		await submit(page, 'Adopt', /:shoeSize as integer\./)
		await page.keyboard.press('Escape')
		await page.getByRole('cell', { name: 'shoeSize integer' }).waitFor()
		await takePicture(page, 'schema')
		await page.getByRole('button', { name: 'Remove urn:example:params:scim:schemas:hr:2.0:User' }).click()
		await submit(page, 'Remove', 'What is stored stays as it is')
		await page.keyboard.press('Escape')
		await page.getByRole('row', { name: /hr:2\.0:User/ }).waitFor({ state: 'detached' })
	})

	test('a setting is changed, and removed by an empty value', async () => {
		const running = started()
		await running.addTenant('acme')
		const page = await open(running, 'acme/schema')
		await page.getByRole('button', { name: 'Change guard-people' }).click()
		await page.getByLabel('Guard people').fill('7')
		await submit(page, 'Change', 'guardPeople')
		await page.keyboard.press('Escape')
		await page.getByRole('row', { name: /^guard-people 7/ }).waitFor()
		await page.getByRole('button', { name: 'Change guard-people' }).click()
		await page.getByLabel('Guard people').fill('')
		await submit(page, 'Change', /has no settings of its own|history/)
		await page.keyboard.press('Escape')
		await page.getByRole('row', { name: /^guard-people not set/ }).waitFor()
	})

	test('an index is added, and its progress is in the list', async () => {
		const running = started()
		await running.addTenant('acme')
		const page = await open(running, 'acme/schema')
		await button(page, 'Add an index').click()
		await page.getByLabel('Path').fill('employeeNumber')
		await submit(page, 'Add an index', /In 10 minutes, every instance keeps the index/)
		await page.keyboard.press('Escape')
		await page.getByRole('row', { name: /employeeNumber no announced/ }).waitFor()
		await page.getByText(/^index add: announced/).waitFor()
		await expectAccessible(page)
		await page.getByRole('button', { name: /^Remove .*employeeNumber/ }).click()
		await submit(page, 'Remove', 'Filters no longer use the index of')
		await page.keyboard.press('Escape')
		await page.getByRole('row', { name: /employeeNumber no being removed/ }).waitFor()
	})
})

describe('safety', () => {
	test('undo shows its preview, refuses a wrong number of people, and takes back', async () => {
		const running = started()
		const client = await running.addTenant('acme', { settings: { history: 'full' } })
		const { body } = await client.send('POST', '/Users', { userName: 'joy@example.com', active: true })
		const { id } = body as { id: string } // sound: the answer to a creation
		const since = new Date().toISOString()
		await client.send('PATCH', `/Users/${id}`, {
			schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
			Operations: [{ op: 'replace', path: 'active', value: false }],
		})
		const page = await open(running, 'acme/safety')
		await page.getByLabel('Since').fill(since)
		await page.getByLabel('deactivations').check()
		await expectAccessible(page)
		await button(page, 'Preview').click()
		await page.getByText('People to make active again: 1').waitFor()
		const question = page.getByLabel('Type the number of people who become active again to continue')
		await question.fill('2')
		await button(page, 'Undo').click()
		await page.getByText('Nothing was undone: "2" is not the number of people.').waitFor()
		expect((await client.send('GET', `/Users/${id}`)).body).toMatchObject({ active: false })
		await question.fill('1')
		await expectAccessible(page)
		await takePicture(page, 'safety')
		await button(page, 'Undo').click()
		await page.getByText('1 were set back').waitFor()
		expect((await client.send('GET', `/Users/${id}`)).body).toMatchObject({ active: true })
		await page.getByRole('row', { name: /undo .* failed/ }).waitFor()
		const done = page.getByRole('row', { name: /undo .* done/ })
		await done.waitFor()
		expect(await done.count()).toBe(1)
	})

	test('a tenant is exported, imported into another one, and removed by its name', async () => {
		const running = started()
		const client = await running.addTenant('acme')
		await running.addTenant('globex')
		await client.send('POST', '/Users', { userName: 'joy@example.com' })
		const folder = await mkdtemp(join(tmpdir(), 'rollcall-export-'))
		const file = join(folder, 'acme.ndjson')
		const page = await open(running, 'acme/safety')
		await button(page, 'Export').click()
		await page.getByLabel('Out').fill(file)
		await submit(page, 'Export', 'Exported 1 user, 0 groups, 0 memberships')
		await page.goto(`${running.console.url}/#/tenants/globex/safety`)
		await button(page, 'Import').click()
		await page.getByLabel('File').fill(file)
		expect(await submit(page, 'Import', '1 created')).toContain('0 already present')
		await page.keyboard.press('Escape')
		await button(page, 'Remove the tenant').click()
		await page.getByLabel('Out').fill(join(folder, 'globex.ndjson'))
		const question = page.getByLabel('Type the name of the tenant to continue')
		await question.fill('acme')
		await submit(page, 'Remove the tenant', 'Nothing was removed: "acme" is not the name of the tenant.')
		await expectAccessible(page)
		await question.fill('globex')
		await submit(page, 'Remove the tenant', 'The tenant globex was removed.')
		expect(await running.target.tenants.getTenant('globex')).toBe(undefined)
		await rm(folder, { recursive: true })
	})

	test('a person is taken out of the ledger by the userName', async () => {
		const running = started()
		const client = await running.addTenant('acme', { settings: { history: 'full' } })
		await client.send('POST', '/Users', { userName: 'joy@example.com' })
		const page = await open(running, 'acme/safety')
		await button(page, 'Take a person out of the ledger').click()
		await page.getByLabel('Who').fill('joy@example.com')
		const question = page.getByLabel('Type the userName of the person to continue')
		await question.fill('joy')
		await submit(page, 'Take a person out of the ledger', /^Nothing was erased: "joy" is not the userName/)
		await question.fill('joy@example.com')
		await submit(page, 'Take a person out of the ledger', 'was taken out of the ledger')
	})
})

describe('relay and checks', () => {
	test('the app and the Tenant URL are checked', async () => {
		const running = started()
		await running.addTenant('acme')
		const page = await open(running, 'acme/relay')
		await button(page, 'Ask the app').click()
		await page.getByRole('row', { name: /^tables PASS/ }).waitFor()
		await button(page, 'Check').click()
		await page.getByRole('row', { name: /^Test Connection PASS/ }).waitFor()
		await expectAccessible(page)
	})

	test("a tenant of mode relay shows the settings of its agent, and the doctor's findings", async () => {
		const running = started()
		await running.addTenant('remote', { mode: 'relay' })
		const page = await open(running, 'remote/relay')
		await page.getByText('"hybridConnection": "remote"').waitFor()
		await button(page, 'Add an agent').click()
		await page.getByLabel('Label').fill('first machine')
		await submit(page, 'Add an agent', /^Copy it now\./)
		await page.keyboard.press('Escape')
		await page.getByRole('button', { name: 'Remove first machine' }).click()
		await submit(page, 'Remove', /It gets no more tokens/)
		await page.keyboard.press('Escape')
		await page.getByRole('row', { name: /first machine.*removed/ }).waitFor()
		await page.getByLabel('What the doctor prints').fill('nothing')
		await page.getByText('This is not what doctor --json prints.').waitFor()
		const findings = [
			{ code: 'C1', verdict: 'PASS', seen: 'relay.json is valid' },
			{ code: 'O3', verdict: 'FAIL', seen: 'the certificate has expired', remedy: 'Renew it.' },
		]
		await page.getByLabel('What the doctor prints').fill(JSON.stringify(findings))
		expect(await page.getByRole('row', { name: /^O3/ }).textContent()).toMatch(
			/^O3FAILthe certificate has expiredRenew it\.$/,
		)
		await takePicture(page, 'relay')
		await expectAccessible(page)
		await page.goto(`${running.console.url}/#/tenants/remote/safety`)
		await page.getByText('which the guard does not see').waitFor()
		await expectAccessible(page)
		await page.goto(`${running.console.url}/#/tenants/remote/schema`)
		await page
			.getByText('The SCIM server behind the relay has the schemas')
			.or(page.getByText('remote has no schema'))
			.waitFor()
		await expectAccessible(page)
	})
})
