import { basename, relative } from 'node:path'

type Invocation = {
	/** The absolute path of the file that runs. */
	readonly script: string
	readonly cwd: string
}

/**
 * A text with the commands in it as this program was started. The agent is one file that is copied to a server, where no
 * command has its name: what a hint says is to be pasted.
 *
 * @example pasteable('rollcall-relay --help', { … }) // 'node main.js --help'
 */
export function pasteable(text: string, { script, cwd }: Invocation): string {
	if (basename(script) === 'rollcall-relay') return text
	const near = relative(cwd, script)
	const path = near.startsWith('..') ? script : near
	const program = `node ${quoted(path)}`
	return text.replaceAll(/\brollcall-relay (?=doctor\b|run\b|service\b|--help\b)/g, () => `${program} `)
}

/** A path as a shell takes it. */
export const quoted = (path: string): string => (/^[\w./\\:@+-]+$/.test(path) ? path : `"${path}"`)
