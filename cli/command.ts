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

/** The streams and variables that a command uses. */
export type CommandEnvironment = {
	/** Writes to standard output. Resolves when the stream can take more. */
	readonly out: (text: string) => Promise<void>
	readonly err: (text: string) => void
	readonly input: Readable
	/** Whether standard error is a terminal, where progress is shown. */
	readonly isWatched: boolean
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
}

/** A command that works on a deployment target. It checks its arguments before the target is opened. */
export type TargetCommand = (invocation: Invocation) => (target: DeploymentTarget) => Promise<CommandResult | undefined>
