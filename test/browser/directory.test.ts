import type { Page } from 'playwright-core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { groupType, userType } from '../../shared/scim/resource-type.ts'
import { replay } from '../clients/recordings.ts'
import { useConsole, usePage } from '../support/console.ts'
import { expectAccessible, useBrowser } from './browser.ts'
import { takePicture } from './picture.ts'

// Before the console takes the clock.
beforeEach(() => {
	vi.useFakeTimers({ toFake: ['Date'], shouldAdvanceTime: true })
})
// The browser is closed first: a page that still asks would find no console.
const started = useConsole({ page: usePage() })
const browse = useBrowser()

afterEach(() => {
	vi.useRealTimers()
})

const patchOp = (...Operations: unknown[]) => ({
	schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
	Operations,
})

/** Opens a page of the console by its address behind `#/`. */
async function open(address: string): Promise<Page> {
	const { console } = started()
	const page = await browse(console.newLink())
	await page.getByRole('heading', { name: 'Tenants' }).waitFor()
	await page.goto(`${console.url}/#/${address}`)
	return page
}

type Client = Awaited<ReturnType<ReturnType<typeof started>['addTenant']>>

/** Creates a resource and answers its id. */
const created = async ({ send }: Client, path: string, body: unknown): Promise<string> =>
	((await send('POST', path, body)).body as { id: string }).id // sound: a resource

/** A second user or group by the name is refused, and the refusal is stored. */
async function refused({ send }: Client, path: string, body: unknown): Promise<void> {
	expect((await send('POST', path, body)).status).toBe(409)
	await started().services.refusals.flush()
}

test('changes and refusals show within five seconds, without a reload', async () => {
	const acme = await started().addTenant('acme')
	const page = await open('tenants/acme')
	await page.getByText('Nothing has happened yet.').waitFor()
	await expectAccessible(page)
	const joy = await created(acme, '/Users', { userName: 'joy@example.com', title: 'boss' })
	await page.getByRole('row', { name: /joy@example\.com created/ }).waitFor({ timeout: 5000 })
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'title', value: 'chief' }))
	await page.getByRole('row', { name: /joy@example\.com title changed/ }).waitFor({ timeout: 5000 })
	await expect.poll(() => page.getByRole('status').textContent()).toBe('joy@example.com: title changed')
	await refused(acme, '/Users', { userName: 'JOY@example.com' })
	await page
		.getByRole('row', { name: /JOY@example\.com refused: POST \/Users 409 uniqueness/ })
		.waitFor({ timeout: 5000 })
	await refused(acme, '/Users', { userName: 'JOY@example.com' })
	await page.getByRole('row', { name: /refused 2 times/ }).waitFor({ timeout: 5000 })
	expect(await page.getByRole('row', { name: /refused/ }).count()).toBe(1)
	await expectAccessible(page)
	await takePicture(page, 'activity')
})

test('lines stay in view while storage is away', async () => {
	const acme = await started().addTenant('acme')
	await created(acme, '/Users', { userName: 'joy@example.com' })
	const page = await open('tenants/acme')
	const row = page.getByRole('row', { name: /joy@example\.com created/ })
	await row.waitFor()
	const away = (url: URL) => url.pathname.endsWith('/activity')
	await page.route(away, (route) =>
		route.fulfill({ status: 429, json: { error: 'storage is away', hint: 'try again' } }),
	)
	const notice = page.getByRole('alert')
	await notice.getByText('Storage is away.').waitFor()
	expect(await row.isVisible()).toBe(true)
	await expectAccessible(page)
	await page.unroute(away)
	await notice.waitFor({ state: 'hidden' })
	expect(await row.isVisible()).toBe(true)
	const failures = (url: URL) => url.pathname.endsWith('/failures')
	await page.goto(`${started().console.url}/#/tenants/acme/failures`)
	await page.getByText('Nothing was refused in this time.').waitFor()
	await page.route(failures, (route) => route.fulfill({ status: 429, json: { error: 'storage is away' } }))
	await notice.getByText('Storage is away.').waitFor()
	await page.unroute(failures)
	await notice.waitFor({ state: 'hidden' })
})

test('a search finds a person, whose page has attributes, groups and what happened', async () => {
	const acme = await started().addTenant('acme')
	const joy = await created(acme, '/Users', {
		userName: 'joy@example.com',
		displayName: 'Joy Li',
		title: 'boss',
		name: { givenName: 'Joy', familyName: 'Li' },
		emails: [{ value: 'joy@work.example', type: 'work', primary: true }],
	})
	for (let index = 0; index < 12; index++) {
		await created(acme, '/Users', { userName: `joyce-${String(index).padStart(2, '0')}@example.com` })
	}
	await created(acme, '/Groups', { displayName: 'Staff', members: [{ value: joy }] })
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'title', value: 'chief' }))
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'active', value: 'perhaps' }))
	await started().services.refusals.flush()
	const page = await open('tenants/acme')
	await page.getByRole('searchbox').fill('joy')
	await page.keyboard.press('Enter')
	await page.getByRole('heading', { name: 'People by userName' }).waitFor()
	await page.getByRole('button', { name: 'Show more by userName' }).click()
	await page.getByRole('link', { name: 'joyce-11@example.com' }).waitFor()
	await expectAccessible(page)
	await takePicture(page, 'search')
	await page.getByRole('searchbox').fill('joy@work')
	await page.keyboard.press('Enter')
	await page.getByRole('heading', { name: 'People by userName' }).waitFor({ state: 'hidden' })
	await page.getByRole('heading', { name: 'People by emails' }).waitFor()
	await page.getByRole('link', { name: 'joy@example.com' }).click()
	await page.getByRole('heading', { level: 1, name: 'joy@example.com' }).waitFor()
	await page.getByRole('link', { name: 'Staff' }).first().waitFor()
	const timeline = page.getByRole('region', { name: 'Timeline' })
	await timeline.getByRole('row', { name: 'title: "boss" → "chief"' }).waitFor()
	await timeline.getByRole('row', { name: /refused: PATCH/ }).waitFor()
	expect(await page.locator('dl.attributes').textContent()).toContain('joy@work.example (work, primary)')
	await expectAccessible(page)
	await takePicture(page, 'person')
	await page.goBack()
	expect(await page.getByRole('searchbox').inputValue()).toBe('joy@work')
})

test('a deleted person comes back from their page, once the number of people is typed', async () => {
	const acme = await started().addTenant('acme')
	const joy = await created(acme, '/Users', { userName: 'joy@example.com', active: true })
	await created(acme, '/Groups', { displayName: 'Staff', members: [{ value: joy }] })
	expect((await acme.send('DELETE', `/Users/${joy}`)).status).toBe(204)
	vi.setSystemTime(Date.now() + 120_000)
	const page = await open('tenants/acme')
	await page.getByRole('searchbox').fill('joy@example.com')
	await page.keyboard.press('Enter')
	await page.getByRole('heading', { name: 'Was called this until a change or deletion' }).waitFor()
	await page.getByRole('link', { name: joy }).click()
	await page.getByRole('heading', { level: 1, name: 'joy@example.com deleted' }).waitFor()
	await page.getByRole('row', { name: /deleted; left 1 groups/ }).waitFor()
	await page.getByRole('button', { name: 'Undo' }).first().click()
	await page.getByText('People to bring back: joy@example.com').waitFor()
	await expectAccessible(page)
	await takePicture(page, 'undo')
	const number = page.getByRole('spinbutton', { name: /People who become active again: 1\./ })
	await number.fill('2')
	await page.getByRole('button', { name: 'Take the change back' }).click()
	await page
		.getByText('Nothing was undone: 2 people were expected to become active again, and it would be 1.')
		.waitFor()
	await number.fill('1')
	await page.getByRole('button', { name: 'Take the change back' }).click()
	await page.getByRole('heading', { level: 1, name: 'joy@example.com', exact: true }).waitFor()
	await page.getByRole('link', { name: 'Staff' }).first().waitFor()
	expect((await acme.send('GET', `/Users/${joy}`)).body).toMatchObject({ active: true })
})

test('members come page by page, both ways', async () => {
	await started().addTenant('acme')
	const { services } = started()
	const tenant = await services.tenants.getTenant('acme')
	if (tenant === undefined) throw new Error('there is a tenant')
	const store = services.open(tenant)
	const ids = []
	for (let index = 0; index < 120; index++) {
		ids.push((await store.create(userType, { attributes: { userName: `user-${String(index).padStart(3, '0')}` } })).id)
	}
	const members = ids.map((value) => ({ value }))
	const { id } = await store.create(groupType, { attributes: { displayName: 'Staff' }, members })
	const page = await open(`tenants/acme/groups/${id}`)
	const region = page.getByRole('region', { name: 'Members' })
	const step = async (link: string, first: string, rows: number) => {
		await region.getByRole('link', { name: link }).click()
		await region.getByRole('link', { name: first }).waitFor()
		expect(await region.getByRole('row').count()).toBe(rows + 1)
	}
	await region.getByRole('link', { name: 'user-000' }).waitFor()
	for (const key of ['j', 'j', 'k', 'j']) await page.keyboard.press(key)
	expect(await page.evaluate('document.activeElement?.textContent')).toBe('user-001')
	await step('Next', 'user-050', 50)
	await step('Next', 'user-100', 20)
	await step('Previous', 'user-050', 50)
	await step('Last', 'user-119', 50)
	await step('Previous', 'user-020', 50)
	await step('First', 'user-000', 50)
	const timeline = page.getByRole('region', { name: 'Timeline' })
	expect(await timeline.getByRole('listitem').allInnerTexts()).toEqual([
		...['+ user-000', '+ user-001', '+ user-002', 'and more: show them'],
	])
	await expectAccessible(page)
	await takePicture(page, 'group')
	await timeline.getByRole('button', { name: 'and more: show them' }).click()
	await timeline.getByRole('link', { name: 'user-019' }).waitFor()
	for (const more = timeline.getByRole('button', { name: 'Show more' }); (await more.count()) > 0; ) {
		const shown = await timeline.getByRole('listitem').count()
		await more.click()
		await expect.poll(() => timeline.getByRole('listitem').count()).not.toBe(shown)
	}
	expect(await timeline.getByRole('listitem').count()).toBe(120)
	await timeline.getByRole('link', { name: 'user-119' }).click()
	await page.getByRole('heading', { level: 1, name: 'user-119' }).waitFor()
})

test('a failed cycle of Entra is found on the failures page, with what helps', async () => {
	const { addTenant, server, services } = started()
	await addTenant('acme', { settings: { unknownAttributes: 'ignore' } })
	const tenant = { baseUrl: `${server.url}/scim/acme`, token: 'a-token-of-acme' }
	for (const file of ['entra/create-user.json', 'entra/disable-and-delete.json']) {
		for await (const { received, expected, name } of replay(tenant, file)) {
			// Another recording came before in the same tenant, so that versions and times differ.
			expect(received.status, name).toBe((expected as { status: number }).status)
		}
	}
	await services.refusals.flush()
	const page = await open('tenants/acme/failures')
	const failure = page.getByRole('article').filter({ hasText: '409 uniqueness' })
	await failure.getByText('Two resources have one value.').waitFor()
	expect(await failure.textContent()).toContain('1 request (POST /Users) about 1 person or group')
	await page
		.getByRole('article')
		.filter({ hasText: 'active must be a boolean' })
		.getByText('correct its mapping')
		.waitFor()
	await expectAccessible(page)
	await takePicture(page, 'failures')
	await failure.getByRole('link', { name: 'LEAST@testuser.com' }).click()
	await page.getByRole('heading', { name: 'People by userName' }).waitFor()
	await page.goto(`${started().console.url}/#/tenants/acme/failures?since=1h`)
	await page.getByRole('link', { name: 'last hour' }).and(page.locator('[aria-current]')).waitFor()
})

test('a tenant behind a relay says why its people are not here', async () => {
	await started().addTenant('far', { mode: 'relay' })
	const page = await open('tenants/far')
	await page.getByText('The people and groups of this tenant are not here.').waitFor()
	await expectAccessible(page)
	await takePicture(page, 'relay-tenant')
	await page.goto(`${started().console.url}/#/tenants/far/failures`)
	await page.getByText('Nothing was refused in this time.').waitFor()
})

test('script in each value that is shown stays text', async () => {
	const acme = await started().addTenant('acme')
	const script = '<img src=x onerror="window.isAttacked=1"><script>window.isAttacked=1</script>'
	const joy = await created(acme, '/Users', {
		userName: `joy ${script}`,
		displayName: `Joy ${script}`,
		title: script,
		externalId: script,
		emails: [{ value: `${script}@example.com`, type: script }],
	})
	const staff = await created(acme, '/Groups', {
		displayName: `Staff ${script}`,
		members: [{ value: joy, display: script }],
	})
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'title', value: `more ${script}` }))
	await acme.send('PATCH', `/Users/${joy}`, patchOp({ op: 'replace', path: 'active', value: script }))
	await refused(acme, '/Users', { userName: `joy ${script}` })
	const page = await open('tenants/acme')
	const isShown = async () => {
		await page.getByText('<script>').first().waitFor()
		expect(await page.evaluate('window.isAttacked')).toBeUndefined()
		expect(await page.locator('main img, main script').count()).toBe(0)
	}
	await isShown()
	for (const address of [
		`tenants/acme?text=${encodeURIComponent('joy <img')}`,
		`tenants/acme/people/${joy}`,
		`tenants/acme/groups/${staff}`,
		'tenants/acme/failures',
	]) {
		await page.goto(`${started().console.url}/#/${address}`)
		await isShown()
	}
})

test('after 10,000 lines the page is no larger than after 500', async () => {
	await started().addTenant('acme')
	const page = await open('tenants')
	let made = 0
	let limit = 500
	await page.route('**/console/api/tenants/acme/activity*', async (route) => {
		const lines = Array.from({ length: Math.min(100, limit - made) }, () => ({
			...{ id: `line ${++made}`, version: 0, at: new Date().toISOString(), what: `change ${made}`, by: 'Entra' },
			...{ about: { id: 'x', type: 'User', name: `person ${made}` }, isRefusal: false },
		}))
		await route.fulfill({ json: { lines, cursor: String(made), hasMore: made < limit } })
	})
	const client = await page.context().newCDPSession(page)
	const counts = async () => {
		await page.getByRole('row', { name: `person ${limit} change ${limit}` }).waitFor({ timeout: 60_000 })
		for (let times = 0; times < 3; times++) await client.send('HeapProfiler.collectGarbage')
		const { nodes, jsEventListeners } = await client.send('Memory.getDOMCounters')
		return { nodes, jsEventListeners }
	}
	await page.goto(`${started().console.url}/#/tenants/acme`)
	const few = await counts()
	limit = 10_000
	expect(await counts()).toEqual(few)
	expect(await page.locator('tbody tr').count()).toBe(200)
})
