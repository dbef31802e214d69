import { basename, relative } from 'node:path'

type ProgramStart = {
	/** The path of the file that runs, as Node was given it. */
	readonly script: string
	readonly cwd: string
	readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * What has to be typed to start this program once more in the way it was started, so that whoever reads a hint can paste it.
 *
 * @example programOf({ … }) // 'npm run rollcall --'
 */
export function programOf({ script, cwd, env }: ProgramStart): string {
	// npm tells what it runs: https://docs.npmjs.com/cli/using-npm/scripts#current-lifecycle-event
	if (env.npm_lifecycle_event === 'rollcall') return 'npm run rollcall --'
	if (basename(script) !== 'rollcall') return `node ${shellWord(relative(cwd, script))}`
	return env.npm_lifecycle_event === 'npx' ? 'npx rollcall' : 'rollcall'
}

/** A word as a shell takes it. Double quotes are what bash, PowerShell and cmd have in common. */
export function shellWord(word: string): string {
	if (/^[\w@%+=:,./-]+$/.test(word)) return word
	return /["$`\\!]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : `"${word}"`
}
