import type { Readable } from 'node:stream'
import type { Option, OptionValues } from './options.ts'
import type { DeploymentTarget } from './target.ts'

/** The result of a command: `text` for people and `json` for programs. */
export type CommandResult = { readonly text: string; readonly json: unknown; readonly isFailure?: boolean }

export type Invocation = {
	/** One argument for each parameter of the command. */
	readonly args: readonly string[]
	readonly values: OptionValues
	readonly environment: CommandEnvironment
}

/** Shows the part of the work that is done, from 0 to 1, and describes it in words. */
export type ShowProgress = (done: number, words: string) => void

/** The streams and variables that a command uses. */
export type CommandEnvironment = {
	/** Writes to standard output. Resolves when the stream can take more. */
	readonly out: (text: string) => Promise<void>
	readonly err: (text: string) => void
	readonly input: Readable
	/** The text of a file that the command line names. Rejects as `readFile` of Node does. */
	readonly readText: (file: string) => Promise<string>
	/** Whether standard error is a terminal, where progress is shown. */
	readonly isWatched: boolean
	/** Takes the progress in place of the terminal. */
	readonly show?: ShowProgress
	readonly env: Readonly<Record<string, string | undefined>>
	/** The words that start this program, for hints that can be pasted. */
	readonly program: string
}

export type Command = {
	/** The words that the user types, such as `tenant add`. */
	readonly words: string
	/** The arguments that follow. One in brackets may be left out. One that ends with dots may be given several times. */
	readonly parameters: readonly string[]
	/** The options of this command. All commands also have --json and --help. */
	readonly options: readonly Option[]
	readonly summary: string
	/** Undefined if the command has already written its result. */
	run(invocation: Invocation): Promise<CommandResult | undefined>
	/** What the command does with a target that is open. Undefined for a command that needs no target. */
	readonly work?: TargetWork
}

/** The work of a command on a target: of the command line, and of the console. */
export type TargetWork = {
	/** Whether the work changes no tenant. All other work leaves a row that names the administrator. */
	readonly isReading: boolean
	readonly on: TargetCommand
}

/** A command that works on a deployment target. It checks its arguments before the target is opened. */
export type TargetCommand = (invocation: Invocation) => (target: DeploymentTarget) => Promise<CommandResult | undefined>
