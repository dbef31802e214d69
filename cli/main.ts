import { readFile } from 'node:fs/promises'
import { commands } from './commands.ts'
import { programOf } from './program.ts'
import { run } from './run.ts'

// Results go to standard output. `error: …`, `hint: …`, questions and progress go to standard error.

// A reader that closes the pipe, such as `head`, has all it wants.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
	if (error.code !== 'EPIPE') throw error
	process.exit(0)
})

process.exitCode = await run(process.argv.slice(2), commands, {
	out: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
	err: (text) => process.stderr.write(text),
	input: process.stdin,
	readText: (file) => readFile(file, 'utf8'),
	isWatched: process.stderr.isTTY === true,
	env: process.env,
	program: programOf({ script: process.argv[1] ?? '', cwd: process.cwd(), env: process.env }),
})
