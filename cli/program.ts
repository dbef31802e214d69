import { basename, relative } from 'node:path'
import { dashes } from '../shared/cli/dashes.ts'
import { shellWord } from '../shared/cli/shell-word.ts'

type CliStart = {
	/** The path of the running file, as Node received it. */
	readonly script: string
	readonly cwd: string
	readonly env: Readonly<Record<string, string | undefined>>
	/** The operating system, for tests. */
	readonly platform?: NodeJS.Platform
}

/**
 * The words that start this program again in the same way, so that the user can paste a hint.
 *
 * @example programOf({ … }) // 'npm run rollcall --'
 */
export function programOf({ script, cwd, env, platform = process.platform }: CliStart): string {
	// npm sets the name of the script that it runs: https://docs.npmjs.com/cli/using-npm/scripts#current-lifecycle-event
	if (env.npm_lifecycle_event === 'rollcall') return `npm run rollcall ${dashes(platform)}`
	if (basename(script) !== 'rollcall') return `node ${shellWord(relative(cwd, script), platform)}`
	return env.npm_lifecycle_event === 'npx' ? 'npx rollcall' : 'rollcall'
}
