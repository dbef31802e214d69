import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { programOf } from '../../cli/program.ts'
import { shellWord } from '../../shared/cli/shell-word.ts'

describe('the words that start the program', () => {
	const started = (script: string, event?: string) =>
		programOf({ script, cwd: '/work', env: event === undefined ? {} : { npm_lifecycle_event: event } })

	test.each([
		['/work/dist/cli/main.js', 'rollcall', 'npm run rollcall --'],
		['/work/dist/cli/main.js', undefined, 'node dist/cli/main.js'],
		['/srv/my rollcall/main.js', undefined, 'node "../srv/my rollcall/main.js"'],
		['/work/dist/cli/main.js', 'test', 'node dist/cli/main.js'],
		['/home/joy/.npm/_npx/0bbe/node_modules/.bin/rollcall', 'npx', 'npx rollcall'],
		['/usr/local/bin/rollcall', undefined, 'rollcall'],
		['/work/node_modules/.bin/rollcall', 'admin', 'rollcall'],
	])('%s in the script %s is %s', (script, event, program) => {
		expect(started(script, event)).toBe(program)
	})

	test('on Windows, the dashes are quoted, because PowerShell would lose them otherwise', () => {
		const start = { script: '/work/dist/cli/main.js', cwd: '/work', env: { npm_lifecycle_event: 'rollcall' } }
		expect(programOf({ ...start, platform: 'win32' })).toBe('npm run rollcall "--"')
		expect(programOf({ ...start, platform: 'linux' })).toBe('npm run rollcall --')
	})
})

test.each([
	['plain', 'plain'],
	['C:\\rollcall\\data', 'C:\\rollcall\\data'],
	['C:\\my data', '"C:\\my data"'],
	['one,two', '"one,two"'],
	["it's", `"it's"`],
	["it's $HOME", "'it''s $HOME'"],
	['a"b', `'a"b'`],
	['', '""'],
])('%j is %s for PowerShell', (word, quoted) => expect(shellWord(word, 'win32')).toBe(quoted))

test.each(['plain', 'my file', "it's", 'a"b', '$HOME', '`id`', '!!', 'a;b', '*', '', '\\server\\x', 'ü'])(
	'%j is one word of bash',
	(word) => {
		expect(execFileSync('bash', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word)
	},
)

describe('in a clone', () => {
	let clone = ''
	beforeAll(() => {
		clone = mkdtempSync(resolve('node_modules/.cache/rollcall-clone-'))
		const files = [
			'package.json',
			'README.md',
			'host.json',
			'build.mjs',
			'build-page.mjs',
			'build-stamp.mjs',
			'third-party.mjs',
			'tsconfig.json',
		]
		for (const name of files) cpSync(name, join(clone, name))
		for (const name of ['bench', 'cli', 'console', 'demo', 'docs', 'functions', 'local', 'agent', 'shared']) {
			symlinkSync(resolve(name), join(clone, name))
		}
	})
	afterAll(() => rmSync(clone, { recursive: true }))

	/** Runs a command line in the clone, without the variables of the npm that runs these tests. */
	const type = (line: string) => {
		const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
		const { stdout, stderr } = spawnSync('bash', ['-c', line], { cwd: clone, encoding: 'utf8', env })
		return { out: stdout, hint: /^hint: (.*)$/m.exec(stderr)?.[1] ?? '' }
	}

	test('each hint can be pasted, with the words that started the program', () => {
		const { hint } = type('npm run rollcall -- tenat add acme --data "my data"')
		expect(hint).toBe('did you mean: npm run rollcall -- tenant add acme --data "my data"')
		expect(type(hint.replace('did you mean: ', '')).out).toMatch(/^Tenant URL /m)
		const direct = type('node dist/cli/main.js tenant show acne --data "my data"')
		expect(direct.hint).toBe('node dist/cli/main.js tenant list --data "my data"')
		expect(type(direct.hint).out).toMatch(/\nacme +store /)
	}, 120_000)
})
