import type { Readable } from 'node:stream'
import type { Option, OptionValues } from './options.ts'
import type { DeploymentTarget } from './target.ts'

/** What a command came to: `text` for people, `json` for programs; nothing where it has written its answer itself. */
export type CommandResult = { readonly text: string; readonly json: unknown; readonly isFailure?: boolean }

export type Invocation = {
	/** One for each parameter of the command. */
	readonly args: readonly string[]
	readonly values: OptionValues
	readonly environment: CommandEnvironment
}

/** What surrounds a command: where it writes, and what it may read. */
export type CommandEnvironment = {
	/** Resolves when there is room for more. */
	readonly out: (text: string) => Promise<void>
	readonly err: (text: string) => void
	readonly input: Readable
	/** Whether somebody watches standard error, who likes to see that there is progress. */
	readonly isWatched: boolean
	readonly env: Readonly<Record<string, string | undefined>>
	/** What starts this program, for hints that can be pasted. */
	readonly program: string
}

export type Command = {
	/** What the user types, such as `tenant add`. */
	readonly words: string
	/** What follows; all of them are needed. */
	readonly parameters: readonly string[]
	/** Besides --json and --help, which all commands have. */
	readonly options: readonly Option[]
	readonly summary: string
	run(invocation: Invocation): Promise<CommandResult | undefined>
}

/** A command that works where tenants are: it looks at its arguments before that place is opened. */
export type TargetCommand = (invocation: Invocation) => (target: DeploymentTarget) => Promise<CommandResult | undefined>
