import type { Command, CommandEnvironment } from './command.ts'
import { parseCommandLine } from './command-line.ts'
import { explain } from './explain.ts'

/** Runs a command line and returns the exit code: 0 done, 1 failed, 2 wrong usage. */
export async function run(
	args: readonly string[],
	commands: readonly Command[],
	environment: CommandEnvironment,
): Promise<number> {
	const { out, err, program } = environment
	try {
		const parsed = parseCommandLine({ args, commands, program })
		if ('print' in parsed) {
			await out(`${parsed.print}\n`)
			return 0
		}
		const { command, args: commandArgs, values } = parsed
		const result = await command.run({ args: commandArgs, values, environment })
		if (result === undefined) return 0
		const { text, json, isFailure = false } = result
		await out(`${values.json ? JSON.stringify(json, null, 2) : text}\n`)
		return isFailure ? 1 : 0
	} catch (error) {
		const { lines, code } = explain(error)
		err(`${lines.join('\n')}\n`)
		return code
	}
}
