import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Page } from 'playwright-core'
import { afterEach, expect, test } from 'vitest'
import { storedDigestOf } from '../../shared/auth/tokens.ts'
import { onlyJob, onlyPrincipal } from '../cli/entra/tenant.ts'
import { useAzure } from '../support/azure/azure.ts'
import { useGraph } from '../support/graph/graph.ts'
import { jsonOf, useBuiltPath, useBuiltRollcall } from '../support/rollcall.ts'
import { expectAccessible, useBrowser } from './browser.ts'

const azure = useAzure()
const graphOf = useGraph()
const path = useBuiltPath()
const rollcall = useBuiltRollcall(path)

const running = new Map<ChildProcess, Promise<unknown>>()
afterEach(async () => {
	for (const child of running.keys()) child.kill('SIGKILL')
	await Promise.all(running.values())
	running.clear()
})
// The browser is closed first: a page that still asks would find no console.
const browse = useBrowser()

/** A tenant of a deployment with a directory of Entra, and the page of its credentials. */
async function open(name: string, kind: 'token' | 'oauth') {
	const deployed = azure()
	const graph = graphOf()
	const env = graph.envOf(deployed)
	jsonOf(await rollcall(['tenant', 'add', name, '--resource-group', 'rollcall', '--json'], { env }))
	const tokens = () => [...(deployed.vault.secrets.get(`scim-token-${name}`)?.values() ?? [])]
	graph.accepts = (_, token) =>
		kind === 'oauth' || tokens().some(({ value, enabled }) => value === storedDigestOf(token) && enabled !== false)
	const link = await consoleOf(env)
	const page = await browse(link)
	await page.getByRole('heading', { name: 'Tenants' }).waitFor()
	await page.goto(`${new URL(link).origin}/#/tenants/${name}/credentials`)
	return { graph, page, name, tokens }
}

/** The link of `rollcall console` on the deployment. */
async function consoleOf(env: Readonly<Record<string, string>>): Promise<string> {
	const words = ['console', '--resource-group', 'rollcall', '--port', '0', '--no-open']
	const child = spawn(process.execPath, [path(), ...words], { env: { ...process.env, ...env } })
	const ended = once(child, 'close')
	running.set(child, ended)
	let said = ''
	child.stderr.on('data', (text) => {
		said += text
	})
	return new Promise((done, fail) => {
		child.stdout.on('data', (text) => {
			said += text
			const [link] = /http:\/\/127\.0\.0\.1:\d+\/#[\w-]{43}(?=\n)/.exec(said) ?? []
			if (link !== undefined) done(link)
		})
		ended.then(() => fail(new Error(`the console has ended: ${said}`)), fail)
	})
}

/** Presses a button of the page and the one of its dialog, and answers what the dialog says at the end. */
async function press(page: Page, name: string, fields: Readonly<Record<string, string | true>>, said: RegExp) {
	await page.getByRole('button', { name, exact: true }).click()
	const dialog = page.getByRole('dialog')
	for (const [label, value] of Object.entries(fields)) {
		const field = dialog.getByLabel(label, { exact: true })
		await (value === true ? field.check() : field.fill(value))
	}
	await expectAccessible(page)
	await dialog.getByRole('button', { name, exact: true }).click()
	const end = dialog.locator('.notice:not(:has(progress))')
	await end.waitFor({ timeout: 90_000 })
	const text = (await end.textContent()) ?? ''
	expect(text).toMatch(said)
	await page.keyboard.press('Escape')
	await dialog.waitFor({ state: 'hidden' })
	return text
}

test('Entra is connected, looked at, asked for one user, and disconnected', async () => {
	const { graph, page, name, tokens } = await open('acme', 'token')
	graph.directory.users.set('u1', { id: 'u1', displayName: 'Ada', userPrincipalName: 'ada@contoso.com' })
	const none = await press(page, 'Show the provisioning job', {}, /was not connected by rollcall\./)
	expect(none).toMatch(/\bnode \S+ connect entra acme --resource-group rollcall$/)
	const connected = await press(page, 'Connect', {}, /Provisioning +started/)
	expect(connected).toContain(`Enterprise application  created Rollcall - ${name}`)
	expect(graph.mistakes).toEqual([])
	expect(onlyPrincipal(graph).secrets.SecretToken).toMatch(/^[\w-]{43}$/)
	expect(onlyJob(graph)).toMatchObject({ schedule: { state: 'Active' } })
	await page.getByRole('row', { name: /Entra.*accepted|accepted.*Entra/ }).waitFor()
	expect(await press(page, 'Show the provisioning job', {}, /^Job +scim\./)).toContain('runs about every 40 minutes')
	const provisioned = await press(page, 'Provision one user', { User: 'ada@contoso.com' }, /ada@contoso\.com: /)
	expect(provisioned).toContain("User 'ada@contoso.com' was created")
	const gone = await press(page, 'Disconnect', {}, /was deleted/)
	expect(gone).toContain('Users and groups stay as they are')
	expect(onlyPrincipal(graph).jobs.size).toBe(0)
	expect(tokens().filter(({ enabled }) => enabled === false)).toHaveLength(1)
	await page.getByRole('row', { name: /disabled/ }).waitFor()
})

test('Entra gets an OAuth client, which is disabled when Entra is disconnected', async () => {
	const { graph, page } = await open('globex', 'oauth')
	const connected = await press(page, 'Connect', { Oauth: true }, /Provisioning +started/)
	expect(connected).toMatch(/the OAuth client \w+ was made and given to Entra/)
	expect(graph.mistakes).toEqual([])
	await page.getByRole('row', { name: /Entra/ }).first().waitFor()
	const gone = await press(page, 'Disconnect', {}, /was deleted/)
	expect(gone).toMatch(/The OAuth client \w+ was disabled/)
	await page.getByRole('row', { name: /Entra.*disabled/ }).waitFor()
})
