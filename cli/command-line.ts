import { parseArgs } from 'node:util'
import { nearest } from '../shared/cli/nearest.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { Command, Invocation } from './command.ts'
import { commandHelp, help } from './help.ts'
import { declared, type Option } from './options.ts'
import { shellWord } from './program.ts'

/** A parsed command line: a command to run, or a text to print. */
export type ParsedCommandLine =
	| ({ readonly command: Command } & Pick<Invocation, 'args' | 'values'>)
	| { readonly print: string }

/** The words that the user has typed, and the commands that exist. */
type CommandLine = {
	readonly args: readonly string[]
	readonly commands: readonly Command[]
	/** The words that start this program. `args` come after them. */
	readonly program: string
}

/**
 * Reads the command line.
 *
 * @throws UsageError that quotes the wrong word, with the closest valid command line as the hint
 */
export function parseCommandLine(line: CommandLine): ParsedCommandLine {
	const { commands, program } = line
	const { values, positionals, typedOptions } = parse(line)
	if (positionals.length === 0) {
		if (values.help) return { print: help(commands, program) }
		throw new UsageError('no command', { hint: listing(line) })
	}
	const command = commandOf(line, positionals)
	if (values.help) return { print: commandHelp(command, program) }
	refuseOptions(line, command, typedOptions)
	return { command, args: argumentsOf(line, command, positionals), values }
}

function parse(line: CommandLine) {
	const { args, commands } = line
	try {
		const { values, positionals, tokens } = parseArgs({
			args: [...args],
			options: declared,
			allowPositionals: true,
			tokens: true,
		})
		const typedOptions = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
		return { values, positionals, typedOptions }
	} catch (error) {
		const message = String(error instanceof Error ? error.message : error)
		const [, option = ''] = /'(--?[^' ]+)/.exec(message) ?? []
		const command = matching(
			args.filter((arg) => !arg.startsWith('-')),
			commands,
		)
		if (message.startsWith('Unknown option')) {
			throw new UsageError(`unknown option ${option}`, { hint: hintFor(line, option, command), cause: error })
		}
		const problem = message.includes('does not take') ? 'takes no value' : 'needs a value'
		throw new UsageError(`${option} ${problem}`, { hint: listing(line, command), cause: error })
	}
}

/** The command line that lists the options of a command, or all commands. */
const listing = ({ program }: CommandLine, command?: Command): string =>
	[program, ...(command === undefined ? [] : [command.words]), '--help'].join(' ')

/** The whole command line with one word, or the beginning of one word, replaced. */
const corrected = ({ args, program }: CommandLine, wrong: string, right: string): string => {
	const at = args.findIndex((arg) => arg === wrong || arg.startsWith(`${wrong}=`))
	const words = args.map((arg, index) => (index === at ? `${right}${arg.slice(wrong.length)}` : arg))
	return `did you mean: ${[program, ...words.map(shellWord)].join(' ')}`
}

/** Proposes only options that the command has. */
function hintFor(line: CommandLine, option: string, command: Command | undefined): string {
	const names = command === undefined ? Object.keys(declared) : optionsOf(command)
	const close = nearest(
		option,
		names.map((name) => `--${name}`),
	)
	return close === undefined ? listing(line, command) : corrected(line, option, close)
}

const optionsOf = ({ options }: Command): readonly Option[] => [...options, 'json', 'help']

/** The command whose words the command line begins with. */
const matching = (positionals: readonly string[], commands: readonly Command[]): Command | undefined =>
	commands.find(({ words }) => `${positionals.join(' ')} `.startsWith(`${words} `))

function commandOf(line: CommandLine, positionals: readonly string[]): Command {
	const { commands } = line
	const command = matching(positionals, commands)
	if (command !== undefined) return command
	const [first = '', second = ''] = positionals
	const siblings = commands
		.filter(({ words }) => words.startsWith(`${first} `))
		.map(({ words }) => words.split(' ')[1] ?? '')
	if (siblings.length === 0) {
		const close = nearest(first, [...new Set(commands.map(({ words }) => words.split(' ')[0] ?? ''))])
		throw new UsageError(`unknown command ${first}`, {
			hint: close === undefined ? listing(line) : corrected(line, first, close),
		})
	}
	const close = nearest(second, siblings)
	if (second !== '' && close !== undefined) {
		throw new UsageError(`unknown command ${first} ${second}`, { hint: corrected(line, second, close) })
	}
	const problem = second === '' ? `${first} is incomplete` : `unknown command ${first} ${second}`
	throw new UsageError(`${problem}: the commands are ${siblings.map((sibling) => `${first} ${sibling}`).join(', ')}`, {
		hint: listing(line),
	})
}

function refuseOptions(line: CommandLine, command: Command, typedOptions: readonly string[]): void {
	const names: readonly string[] = optionsOf(command)
	const foreign = typedOptions.find((option) => !names.includes(option))
	if (foreign === undefined) return
	throw new UsageError(`unknown option --${foreign} for ${command.words}`, { hint: listing(line, command) })
}

function argumentsOf(
	{ program }: CommandLine,
	{ words, parameters }: Command,
	positionals: readonly string[],
): readonly string[] {
	const args = positionals.slice(words.split(' ').length)
	const hint = [program, words, ...parameters].join(' ')
	const missing = parameters[args.length]
	if (missing !== undefined) throw new UsageError(`${missing} is missing`, { hint })
	const surplus = args[parameters.length]
	if (surplus !== undefined) throw new UsageError(`unexpected argument ${surplus}`, { hint })
	return args
}
