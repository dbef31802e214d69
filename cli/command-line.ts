import { parseArgs } from 'node:util'
import { shellWord } from '../shared/cli/shell-word.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import { nearest } from '../shared/scim/nearest.ts'
import type { Command, Invocation } from './command.ts'
import { commandHelp, help } from './help.ts'
import { declared, type Option } from './options.ts'

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
	const { values, positionals, typedOptions } = parse(line)
	const [first] = positionals
	if (first === 'help') return { print: helpOn(line, positionals.slice(1)) }
	if (values.help) return { print: helpOn(line, positionals) }
	if (first === undefined) {
		if (values.version) return parseCommandLine({ ...line, args: line.args.map(versionAsCommand) })
		throw new UsageError('no command', { hint: listing(line) })
	}
	const command = commandOf(line, positionals)
	refuseOptions(line, command, typedOptions)
	return { command, args: argumentsOf(line, command, positionals), values }
}

const versionAsCommand = (arg: string): string => (arg === '--version' ? 'version' : arg)

/** The help on one command, on the commands that begin with one word, or on all. */
function helpOn(line: CommandLine, words: readonly string[]): string {
	const { commands, program } = line
	const [first] = words
	const group = first === undefined ? commands : commands.filter(({ words }) => words.startsWith(`${first} `))
	if (words.length < 2 && group.length > 0) return help(group, program)
	return commandHelp(commandOf(line, words), program)
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
const corrected = ({ args, program }: CommandLine, wrong: string, right: string): string =>
	`did you mean: ${[program, ...withReplaced(args, wrong, right).map((word) => shellWord(word))].join(' ')}`

function withReplaced(args: readonly string[], wrong: string, right: string): readonly string[] {
	const at = args.findIndex((arg) => arg === wrong || arg.startsWith(`${wrong}=`))
	return args.map((arg, index) => (index === at ? `${right}${arg.slice(wrong.length)}` : arg))
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
	const command = matching(positionals, line.commands)
	if (command !== undefined) return command
	throw unknownCommand(line, positionals)
}

/** The refusal of words that are no command, with the closest command if there is one. */
function unknownCommand(line: CommandLine, [first = '', second = '']: readonly string[]): UsageError {
	const firstWords = [...new Set(line.commands.map(({ words }) => words.split(' ')[0] ?? '')), 'help']
	const closeFirst = firstWords.includes(first) ? first : nearest(first, firstWords)
	if (closeFirst === undefined) return new UsageError(`unknown command ${first}`, { hint: listing(line) })
	const repaired = { ...line, args: withReplaced(line.args, first, closeFirst) }
	const siblings = line.commands
		.filter(({ words }) => words.startsWith(`${closeFirst} `))
		.map(({ words }) => words.split(' ')[1] ?? '')
	const isComplete = siblings.length === 0 || siblings.includes(second)
	if (isComplete) return new UsageError(`unknown command ${first}`, { hint: corrected(line, first, closeFirst) })
	const closeSecond = nearest(second, siblings)
	if (second !== '' && closeSecond !== undefined) {
		return new UsageError(`unknown command ${first} ${second}`, { hint: corrected(repaired, second, closeSecond) })
	}
	const problem =
		second === '' && first === closeFirst ? `${first} is incomplete` : `unknown command ${first} ${second}`
	const existing = siblings.map((sibling) => `${closeFirst} ${sibling}`).join(', ')
	return new UsageError(`${problem.trimEnd()}: the commands are ${existing}`, { hint: listing(line) })
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
	if (missing !== undefined && !missing.startsWith('[')) throw new UsageError(`${missing} is missing`, { hint })
	const surplus = args[parameters.length]
	if (surplus !== undefined && !parameters.at(-1)?.endsWith('...'))
		throw new UsageError(`unexpected argument ${surplus}`, { hint })
	return args
}
