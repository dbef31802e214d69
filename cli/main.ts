import { commands } from './commands.ts'
import { run } from './run.ts'

// Answers go to standard output; `error: …` and `hint: …`, questions and progress to standard error.

process.exitCode = await run(process.argv.slice(2), commands, {
	out: (text) => process.stdout.write(text),
	err: (text) => process.stderr.write(text),
	input: process.stdin,
	isWatched: process.stderr.isTTY === true,
	env: process.env,
})
