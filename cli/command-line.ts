import { parseArgs } from 'node:util'
import { nearest } from '../shared/cli/nearest.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import { type Command, declared, type Invocation, type Option } from './command.ts'
import { commandHelp, help } from './help.ts'

/** What to do: a command, or to print a text. */
export type Parsed = ({ readonly command: Command } & Pick<Invocation, 'args' | 'values'>) | { readonly print: string }

/**
 * Reads the command line.
 *
 * @throws UsageError that names what is wrong as it was typed, and what may have been meant
 */
export function parseCommandLine(args: readonly string[], commands: readonly Command[]): Parsed {
	const { values, positionals, given } = parse(args, commands)
	if (positionals.length === 0) {
		if (values.help) return { print: help(commands) }
		throw new UsageError('no command', { hint: 'rollcall --help lists them' })
	}
	const command = commandOf(positionals, commands)
	if (values.help) return { print: commandHelp(command) }
	refuseOptions(command, given)
	return { command, args: argumentsOf(command, positionals), values }
}

function parse(args: readonly string[], commands: readonly Command[]) {
	try {
		const { values, positionals, tokens } = parseArgs({
			...{ args: [...args], options: declared },
			...{ allowPositionals: true, tokens: true },
		})
		const given = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
		return { values, positionals, given }
	} catch (error) {
		const message = String(error instanceof Error ? error.message : error)
		const [, option = ''] = /'(--?[^' ]+)/.exec(message) ?? []
		const command = matching(
			args.filter((arg) => !arg.startsWith('-')),
			commands,
		)
		if (message.startsWith('Unknown option')) {
			throw new UsageError(`unknown option ${option}`, { hint: hintFor(option, command), cause: error })
		}
		const problem = message.includes('does not take') ? 'takes no value' : 'needs a value'
		throw new UsageError(`${option} ${problem}`, { hint: listing(command), cause: error })
	}
}

const listing = (command: Command | undefined): string =>
	command === undefined ? 'rollcall --help lists the commands' : `rollcall ${command.words} --help lists the options`

/** Only an option that the command has is worth proposing. */
function hintFor(option: string, command: Command | undefined): string {
	const known = command === undefined ? Object.keys(declared) : optionsOf(command)
	const close = nearest(
		option,
		known.map((name) => `--${name}`),
	)
	if (close !== undefined) return `did you mean ${close}?`
	return listing(command)
}

const optionsOf = ({ options }: Command): readonly Option[] => [...options, 'json', 'help']

/** The command whose words the line begins with. */
const matching = (positionals: readonly string[], commands: readonly Command[]): Command | undefined =>
	commands.find(({ words }) => `${positionals.join(' ')} `.startsWith(`${words} `))

function commandOf(positionals: readonly string[], commands: readonly Command[]): Command {
	const command = matching(positionals, commands)
	if (command !== undefined) return command
	const [first = '', second = ''] = positionals
	const siblings = commands
		.filter(({ words }) => words.startsWith(`${first} `))
		.map(({ words }) => words.split(' ')[1] ?? '')
	if (siblings.length === 0) {
		const close = nearest(first, [...new Set(commands.map(({ words }) => words.split(' ')[0] ?? ''))])
		throw new UsageError(`unknown command ${first}`, {
			hint: close === undefined ? 'rollcall --help lists the commands' : `did you mean rollcall ${close}?`,
		})
	}
	const close = nearest(second, siblings)
	throw new UsageError(second === '' ? `rollcall ${first} what?` : `unknown command ${first} ${second}`, {
		hint:
			second === '' || close === undefined
				? `there is ${siblings.map((sibling) => `rollcall ${first} ${sibling}`).join(', ')}`
				: `did you mean rollcall ${first} ${close}?`,
	})
}

function refuseOptions(command: Command, given: readonly string[]): void {
	const known: readonly string[] = optionsOf(command)
	const foreign = given.find((option) => !known.includes(option))
	if (foreign === undefined) return
	throw new UsageError(`rollcall ${command.words} has no option --${foreign}`, {
		hint: listing(command),
	})
}

function argumentsOf({ words, parameters }: Command, positionals: readonly string[]): readonly string[] {
	const args = positionals.slice(words.split(' ').length)
	const hint = `rollcall ${[words, ...parameters].join(' ')}`
	const missing = parameters[args.length]
	if (missing !== undefined) throw new UsageError(`${missing} is missing`, { hint })
	const surplus = args[parameters.length]
	if (surplus !== undefined) throw new UsageError(`${surplus} is one argument too many`, { hint })
	return args
}
