import { basename, delimiter, dirname, join, relative, sep, win32 } from 'node:path'
import { isSea } from 'node:sea'
import { fileURLToPath } from 'node:url'
import { shellWord } from '../shared/cli/shell-word.ts'

/** The files that run the agent, as absolute paths. */
export type ProgramFiles = {
	/** Node, or the single executable that contains Node and the agent. */
	readonly node: string
	/** The agent's file. Undefined in a single executable. */
	readonly program: string | undefined
}

/** The files of the running agent. https://nodejs.org/api/single-executable-applications.html */
export const ownFiles: ProgramFiles = {
	node: process.execPath,
	program: isSea() ? undefined : fileURLToPath(import.meta.url),
}

/** The words that start the agent, for a shell or a service. Its arguments follow. */
export const commandOf = ({ node, program }: ProgramFiles): readonly string[] =>
	program === undefined ? [node] : [node, program]

/**
 * Whether the agent was installed with its own Node: as a single executable, or as a folder with both. Paths of Linux and
 * of Windows are understood on both.
 */
export const hasOwnNode = ({ node, program }: ProgramFiles): boolean =>
	program === undefined || win32.dirname(program) === win32.dirname(node)

type ProgramStart = {
	readonly files: ProgramFiles
	/** The absolute path of the started file, before links are followed. */
	readonly script: string
	readonly cwd: string
	/** The folders in which a shell looks for commands. */
	readonly path?: string | undefined
}

/**
 * Replaces `rollcall-relay` in the commands of a text by the way this program was started, so that they can be pasted.
 * The agent is copied to a server, so no command named `rollcall-relay` exists there.
 *
 * @example pasteable('rollcall-relay --help', { … }) // 'node main.js --help'
 */
export function pasteable(text: string, start: ProgramStart): string {
	const program = programOf(start)
	return text.replaceAll(
		/\brollcall-relay (?=setup\b|doctor\b|enrol\b|run\b|service\b|restart\b|reload\b|certificate\b|status\b|--help\b)/g,
		() => `${program} `,
	)
}

function programOf({ files, script, cwd, path = '' }: ProgramStart): string {
	if (!hasOwnNode(files))
		return basename(script) === 'rollcall-relay' ? 'rollcall-relay' : `node ${shellWord(pathFrom(cwd, script))}`
	// A folder with Node has a script of this name, which starts both files.
	const file = files.program === undefined ? files.node : join(dirname(files.node), 'rollcall-relay')
	const isCommand = basename(file) === 'rollcall-relay' && path.split(delimiter).includes(dirname(file))
	// A shell runs a file of the current folder only if a path names the folder.
	return isCommand ? 'rollcall-relay' : shellWord(pathFrom(cwd, file, `.${sep}`))
}

/** The path of a file below a folder, after `prefix`. The absolute path of another file. */
function pathFrom(folder: string, file: string, prefix = ''): string {
	const path = relative(folder, file)
	return path.startsWith('..') ? file : `${prefix}${path}`
}
