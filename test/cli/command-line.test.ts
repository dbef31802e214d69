import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../cli/command-line.ts'
import { commands } from '../../cli/commands.ts'
import { rollcall } from '../support/rollcall.ts'

const parse = (line: string) =>
	parseCommandLine({ args: line === '' ? [] : line.split(' '), commands, program: 'npm run rollcall --' })

function refusalOf(line: string) {
	try {
		parse(line)
	} catch (error) {
		return error
	}
	throw new Error(`${line} is taken`)
}

describe('the command line', () => {
	test('has options in any place, with the values that the user gave', () => {
		const parsed = parse('tenant --json add acme --mode relay --agent a --agent=b')
		if ('print' in parsed) throw new Error('it is a command')
		expect(parsed.command.words).toBe('tenant add')
		expect(parsed.args).toEqual(['acme'])
		expect(parsed.values).toEqual({ json: true, mode: 'relay', agent: ['a', 'b'] })
	})

	test.each([
		['--help', /^npm run rollcall -- COMMAND\nAdministers .*\n\n(.*\n)*? {2}tenant add NAME +add a tenant/],
		['-h', /\nAdministers .*\n(.*\n)*\nnpm run rollcall -- COMMAND --help\nlists /],
		['tenant add --help', /^npm run rollcall -- tenant add NAME\n.*\n\n {2}--mode store\|relay /],
		['tenant list --help', /\n {2}--json +print JSON\n {2}--help +print this help$/],
		['help', /^npm run rollcall -- COMMAND\nAdministers /],
		['help token rotate', /^npm run rollcall -- token rotate NAME\n/],
		['tenant --help', /^npm run rollcall -- COMMAND\n.*\n\n {2}tenant add NAME (.*\n)+? {2}tenant remove NAME .*\n\n/],
		['help token', /\n\n {2}token add NAME (.*\n)+? {2}token rotate NAME .*\n\n/],
		['version --help', /^npm run rollcall -- version\n/],
	])('%s prints the help', (line, text) => {
		expect(parse(line)).toEqual({ print: expect.stringMatching(text) })
	})

	test.each([
		['', 'no command', 'npm run rollcall -- --help'],
		['tenent add acme', 'unknown command tenent', 'did you mean: npm run rollcall -- tenant add acme'],
		['dance', 'unknown command dance', 'npm run rollcall -- --help'],
		['tenant lst', 'unknown command tenant lst', 'did you mean: npm run rollcall -- tenant list'],
		['tenat ad acme', 'unknown command tenat ad', 'did you mean: npm run rollcall -- tenant add acme'],
		['tenat', 'unknown command tenat: the commands are', 'npm run rollcall -- --help'],
		['tokn disappear', 'unknown command tokn disappear: the commands are token add', 'npm run rollcall -- --help'],
		['hlep', 'unknown command hlep', 'did you mean: npm run rollcall -- help'],
		['help tenent add', 'unknown command tenent', 'did you mean: npm run rollcall -- help tenant add'],
		['vresion', 'unknown command vresion', 'did you mean: npm run rollcall -- version'],
		['version acme', 'unexpected argument acme', 'npm run rollcall -- version'],
		['tenant list --version', 'unknown option --version for tenant list', 'npm run rollcall -- tenant list --help'],
		['tenant --josn list', 'unknown option --josn', 'did you mean: npm run rollcall -- tenant --json list'],
		[
			'tenant add acme --mod relay',
			'unknown option --mod',
			'did you mean: npm run rollcall -- tenant add acme --mode relay',
		],
		[
			'tenant add acme --mod=relay',
			'unknown option --mod',
			'did you mean: npm run rollcall -- tenant add acme --mode=relay',
		],
		['tenant list --mod relay', 'unknown option --mod', 'npm run rollcall -- tenant list --help'],
		['tenant add acme -x', 'unknown option -x', 'npm run rollcall -- tenant add --help'],
		['tenant list --mode relay', 'unknown option --mode for tenant list', 'npm run rollcall -- tenant list --help'],
		['tenant add', 'NAME is missing', 'npm run rollcall -- tenant add NAME'],
		['tenant add acme globex', 'unexpected argument globex', 'npm run rollcall -- tenant add NAME'],
		['tenant add acme --mode', '--mode needs a value', 'npm run rollcall -- tenant add --help'],
		['token rotate acme --overlap --json', '--overlap needs a value', 'npm run rollcall -- token rotate --help'],
		['tenant remove acme --yes=1', '--yes takes no value', 'npm run rollcall -- tenant remove --help'],
		['--mode', '--mode needs a value', 'npm run rollcall -- --help'],
	])('%j is refused: %s', (line, message, hint) => {
		expect(refusalOf(line)).toMatchObject({ name: 'UsageError', message: expect.stringContaining(message), hint })
	})

	test.each([
		['tenant', 'tenant is incomplete:'],
		['token disappear', 'unknown command token disappear:'],
	])('%s is answered with the commands that exist', (line, message) => {
		expect(refusalOf(line)).toMatchObject({
			message: expect.stringContaining(
				`${message} the commands are ${line.split(' ')[0]} add, ${line.split(' ')[0]} list, `,
			),
			hint: 'npm run rollcall -- --help',
		})
	})

	test.each(['version', '--version', '--version --json', 'version --json'])('%s prints the version', async (line) => {
		const { code, out, err } = await rollcall(line.split(' '))
		expect({ code, err }).toEqual({ code: 0, err: '' })
		expect(out).toBe(line.endsWith('--json') ? `${JSON.stringify({ version: 'not built' }, null, 2)}\n` : 'not built\n')
	})

	test('a proposed command line can be pasted, whatever its words contain', () => {
		const args = ['improt', 'acme', 'my file', '--data', "it's $HOME"]
		const proposed = () => parseCommandLine({ args, commands, program: 'rollcall' })
		expect(proposed).toThrow(
			expect.objectContaining({ hint: `did you mean: rollcall import acme "my file" --data 'it'\\''s $HOME'` }),
		)
	})
})
