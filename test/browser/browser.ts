import axe from 'axe-core'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { chromiumPath } from './chromium.ts'

type OpenOptions = {
	readonly colorScheme?: 'light' | 'dark'
	/** Whether the test moves the clock of the page: `page.clock.runFor`. */
	readonly hasOwnClock?: boolean
	/** Whether the page is not that of the console, and may ask other origins in vain. */
	readonly mayLeave?: boolean
}

/**
 * Starts Chromium for a test file. The result opens a page in a new context, and the context is closed after the test.
 * A test fails if its page wrote an error to its console, or sent a request to another origin.
 */
export function useBrowser(): (url: string, options?: OpenOptions) => Promise<Page> {
	let browser: Browser | undefined
	let contexts: BrowserContext[] = []
	let faults: string[] = []
	beforeAll(async () => {
		// Chromium refuses to run its sandbox as root.
		const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
		browser = await chromium.launch({ executablePath: chromiumPath, args })
	})
	afterAll(async () => {
		await browser?.close()
	})
	afterEach(async () => {
		const seen = faults
		for (const context of contexts) await context.close()
		contexts = []
		faults = []
		expect(seen).toEqual([])
	})
	return async (url, { colorScheme = 'light', hasOwnClock = false, mayLeave = false } = {}) => {
		if (browser === undefined) throw new Error('the browser runs only while tests run')
		const context = await browser.newContext({
			...{ colorScheme, viewport: { width: 1280, height: 800 }, timezoneId: 'Europe/Berlin', locale: 'en-GB' },
		})
		contexts.push(context)
		// The policy of the page would refuse a script element. This is no script of the page.
		await context.addInitScript({ content: axe.source })
		const page = await context.newPage()
		if (hasOwnClock) await page.clock.install()
		const { origin } = new URL(url)
		if (mayLeave) {
			await page.goto(url)
			return page
		}
		page.on('pageerror', (error) => faults.push(String(error)))
		page.on('console', (message) => {
			// A refusal by the console is written there too, and so is its end. Tests provoke both.
			if (message.type() === 'error' && !/status of [45]\d\d|ERR_CONNECTION_/.test(message.text()))
				faults.push(message.text())
		})
		page.on('request', (request) => {
			if (new URL(request.url()).origin !== origin) faults.push(`a request left for ${request.url()}`)
		})
		await page.goto(url)
		return page
	}
}

/** Fails with the violations of WCAG 2.2 AA that axe finds on a page, in light and dark colours. */
export async function expectAccessible(page: Page): Promise<void> {
	for (const colorScheme of ['light', 'dark'] as const) {
		await page.emulateMedia({ colorScheme })
		const violations = await page.evaluate(async (tags) => {
			// sound: the browser has run axe before the page
			const { axe } = globalThis as unknown as { axe: AxeRunner }
			const { violations } = await axe.run({ runOnly: tags })
			return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
		}, wcag)
		expect(violations, colorScheme).toEqual([])
	}
	await page.emulateMedia({ colorScheme: 'light' })
}

/** https://www.deque.com/axe/core-documentation/api-documentation/#axecore-tags */
const wcag = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

type AxeRunner = {
	run(options: {
		runOnly: string[]
	}): Promise<{ violations: readonly { id: string; nodes: readonly { html: string }[] }[] }>
}
