import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

/** How long a browser may take to read the file, in milliseconds. */
const readWithin = 5_000

/**
 * Opens a link in the user's browser, if there is one. The command line of a process is visible to every user of the
 * machine, and the link is a secret. So the browser is given a file that only its owner may read, and that leads to the
 * link. Resolves when the file is gone again.
 */
export async function openBrowser(link: string, platform = process.platform): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-link-'))
	const file = join(folder, 'console.html')
	await writeFile(file, `<!doctype html><meta http-equiv="refresh" content="0; url=${link}">\n`, { mode: 0o600 })
	const [program, ...words] = openerOf(platform)
	const child = spawn(program, [...words, pathToFileURL(file).href], { stdio: 'ignore', detached: true })
	// A machine without a browser: the user has the link in the terminal.
	child.on('error', () => {})
	child.unref()
	await pause(readWithin)
	await rm(folder, { recursive: true, force: true })
}

function openerOf(platform: NodeJS.Platform): readonly [string, ...string[]] {
	if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
	return [platform === 'darwin' ? 'open' : 'xdg-open']
}
