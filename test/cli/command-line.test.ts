import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../cli/command-line.ts'
import { commands } from '../../cli/commands.ts'

const parse = (line: string) => parseCommandLine(line === '' ? [] : line.split(' '), commands)

function refusalOf(line: string) {
	try {
		parse(line)
	} catch (error) {
		return error
	}
	throw new Error(`${line} is taken`)
}

describe('the command line', () => {
	test('has options anywhere, each as it was given', () => {
		const parsed = parse('tenant --json add acme --mode relay --agent a --agent=b')
		if ('print' in parsed) throw new Error('it is a command')
		expect(parsed.command.words).toBe('tenant add')
		expect(parsed.args).toEqual(['acme'])
		expect(parsed.values).toEqual({ json: true, mode: 'relay', agent: ['a', 'b'] })
	})

	test.each([
		['--help', /^Administers .*\n\n(.*\n)*? {2}rollcall tenant add NAME +make a tenant/],
		['-h', /^Administers /],
		['tenant add --help', /^rollcall tenant add NAME\n.*\n\n {2}--mode store\|relay /],
		['tenant list --help', /\n {2}--json +print JSON\n {2}--help +print this$/],
	])('%s prints what there is', (line, text) => {
		expect(parse(line)).toEqual({ print: expect.stringMatching(text) })
	})

	test.each([
		['', 'no command', 'rollcall --help lists them'],
		['tenent add acme', 'unknown command tenent', 'did you mean rollcall tenant?'],
		['dance', 'unknown command dance', 'rollcall --help lists the commands'],
		['tenant lst', 'unknown command tenant lst', 'did you mean rollcall tenant list?'],
		['tenant --josn list', 'unknown option --josn', 'did you mean --json?'],
		['tenant add acme --mod relay', 'unknown option --mod', 'did you mean --mode?'],
		['tenant list --mod relay', 'unknown option --mod', 'rollcall tenant list --help lists the options'],
		['tenant add acme -x', 'unknown option -x', 'rollcall tenant add --help lists the options'],
		[
			'tenant list --mode relay',
			'rollcall tenant list has no option --mode',
			'rollcall tenant list --help lists the options',
		],
		['tenant add', 'NAME is missing', 'rollcall tenant add NAME'],
		['tenant add acme globex', 'globex is one argument too many', 'rollcall tenant add NAME'],
		['tenant add acme --mode', '--mode needs a value', 'rollcall tenant add --help lists the options'],
		['token rotate acme --overlap --json', '--overlap needs a value', 'rollcall token rotate --help lists the options'],
		['tenant remove acme --yes=1', '--yes takes no value', 'rollcall tenant remove --help lists the options'],
		['--mode', '--mode needs a value', 'rollcall --help lists the commands'],
	])('%j is refused: %s', (line, message, hint) => {
		expect(refusalOf(line)).toMatchObject({ name: 'UsageError', message, hint })
	})

	test('tenant alone is answered with what can be done to tenants', () => {
		expect(refusalOf('tenant')).toMatchObject({
			message: 'rollcall tenant what?',
			hint: expect.stringMatching(/^there is rollcall tenant add, rollcall tenant list, /),
		})
	})
})
