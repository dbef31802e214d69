import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

const folder = process.env.PICTURES

/**
 * Takes a picture of a page in light and dark colours into the folder of the variable PICTURES; none without it.
 *
 * @param fullPage false for what is in view alone
 */
export async function takePicture(page: Page, name: string, fullPage = true): Promise<void> {
	if (folder === undefined) return
	await mkdir(folder, { recursive: true })
	for (const colorScheme of ['light', 'dark'] as const) {
		await page.emulateMedia({ colorScheme })
		await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`), fullPage })
	}
	await page.emulateMedia({ colorScheme: 'light' })
}
