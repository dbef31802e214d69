import { parseArgs } from 'node:util'
import { dashes } from '../../shared/cli/dashes.ts'
import { UsageError } from '../../shared/cli/usage-error.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { readText } from '../config.ts'
import { briefly } from '../log.ts'
import { type ConformanceResult, examine } from './examine.ts'
import type { HybridConnection } from './rig.ts'

// Results go to stdout, errors to stderr. Exit codes: 0 all as assumed, 1 a difference, 2 wrong usage.

const usage = `Tests behaviour that the documents of Azure Relay leave open, and reports differences from what agent and sender assume.

npm run relay:conformance ${dashes()} --namespace HOST --hybrid-connection NAME
  --namespace HOST            contoso.servicebus.windows.net
  --hybrid-connection NAME    an unused hybrid connection: other requests on it would be answered "ok"
  --listen-key-name NAME      a rule with the right Listen (default listen), its key in ROLLCALL_LISTEN_KEY
  --send-key-name NAME        a rule with the right SendAttempt (default send), its key in ROLLCALL_SEND_KEY
  --slow                      also run the questions that take minutes
  --json                      print JSON
  --ca FILE                   trust this authority, for a stand-in
`

const hint = `npm run relay:conformance ${dashes()} --help`

const options = {
	namespace: { type: 'string' },
	'hybrid-connection': { type: 'string' },
	'listen-key-name': { type: 'string', default: 'listen' },
	'send-key-name': { type: 'string', default: 'send' },
	slow: { type: 'boolean', default: false },
	json: { type: 'boolean', default: false },
	ca: { type: 'string' },
	help: { type: 'boolean', default: false },
} as const

async function main(args: readonly string[]): Promise<number> {
	const { values } = parse(args)
	if (values.help) {
		process.stdout.write(usage)
		return 0
	}
	const connection: HybridConnection = {
		namespace: required('--namespace', values.namespace),
		hybridConnection: required('--hybrid-connection', values['hybrid-connection']),
		listen: { name: values['listen-key-name'], key: required('ROLLCALL_LISTEN_KEY', process.env.ROLLCALL_LISTEN_KEY) },
		send: { name: values['send-key-name'], key: required('ROLLCALL_SEND_KEY', process.env.ROLLCALL_SEND_KEY) },
		ca: values.ca === undefined ? undefined : readText(values.ca, '--ca needs a PEM file.'),
	}
	const onResult = values.json ? () => undefined : (seen: ConformanceResult) => process.stdout.write(line(seen))
	const results = await examine(connection, { clock: systemClock, isSlow: values.slow, onResult })
	const different = results.filter(({ isAsAssumed }) => !isAsAssumed).length
	process.stdout.write(
		values.json
			? `${JSON.stringify(results, null, 2)}\n`
			: `\n${results.length} questions, ${different} not as assumed\n`,
	)
	return different === 0 ? 0 : 1
}

const line = ({ question, assumed, seen, isAsAssumed }: ConformanceResult): string =>
	`${isAsAssumed ? 'as assumed' : 'DIFFERENT '}  ${question}\n            ${seen}\n${isAsAssumed ? '' : `            assumed: ${assumed}\n`}`

function required(name: string, value: string | undefined): string {
	if (value === undefined || value === '') throw new UsageError(`${name} is missing`, { hint })
	return value
}

function parse(args: readonly string[]) {
	try {
		return parseArgs({ args: [...args], options })
	} catch (error) {
		throw new UsageError(briefly(error), { hint, cause: error })
	}
}

main(process.argv.slice(2)).then(
	(code) => process.exit(code),
	(error: unknown) => {
		const isUsage = error instanceof UsageError
		process.stderr.write(`error: ${briefly(error)}\n${isUsage ? `hint: ${error.hint}\n` : ''}`)
		process.exit(isUsage ? 2 : 1)
	},
)
