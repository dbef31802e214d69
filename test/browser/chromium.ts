import { existsSync } from 'node:fs'

/** The program that the browser tests drive. */
export const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Runs before all browser tests. */
export function setup(): void {
	if (existsSync(chromiumPath)) return
	throw new Error(
		`there is no ${chromiumPath}: install Chromium (apt-get install chromium), or set CHROMIUM to the path of one`,
	)
}
