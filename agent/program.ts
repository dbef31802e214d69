import { basename, relative } from 'node:path'
import { shellWord } from '../shared/cli/shell-word.ts'

type ProgramStart = {
	/** The absolute path of the running file. */
	readonly script: string
	readonly cwd: string
}

/**
 * Replaces `rollcall-relay` in the commands of a text by the way this program was started, so that they can be pasted.
 * The agent is a single file that is copied to a server, so no command named `rollcall-relay` exists there.
 *
 * @example pasteable('rollcall-relay --help', { … }) // 'node main.js --help'
 */
export function pasteable(text: string, { script, cwd }: ProgramStart): string {
	if (basename(script) === 'rollcall-relay') return text
	const relativePath = relative(cwd, script)
	const path = relativePath.startsWith('..') ? script : relativePath
	const program = `node ${shellWord(path)}`
	return text.replaceAll(
		/\brollcall-relay (?=doctor\b|run\b|service\b|restart\b|reload\b|certificate\b|status\b|--help\b)/g,
		() => `${program} `,
	)
}
