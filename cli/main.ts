import { commands } from './commands.ts'
import { programOf } from './program.ts'
import { run } from './run.ts'

// Answers go to standard output; `error: …` and `hint: …`, questions and progress to standard error.

// Whoever reads no more, as `head` does, has what it wants.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
	if (error.code !== 'EPIPE') throw error
	process.exit(0)
})

process.exitCode = await run(process.argv.slice(2), commands, {
	out: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
	err: (text) => process.stderr.write(text),
	input: process.stdin,
	isWatched: process.stderr.isTTY === true,
	env: process.env,
	program: programOf({ script: process.argv[1] ?? '', cwd: process.cwd(), env: process.env }),
})
