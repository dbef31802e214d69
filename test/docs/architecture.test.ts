import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { typedIn } from './typed.ts'

const page = readFileSync('docs/architecture.md', 'utf8')

const questions = [
	'Where a PATCH of a group goes',
	'What happens if the process dies at one of its writes',
	'What a new attribute takes',
]

/** The section below a heading, up to the next one of the same level. */
const sectionOf = (heading: string): string => page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''

const [, firstWords = ''] = /^((?:\S+\s+){900})/.exec(page) ?? []

test.each(questions)('the first 900 words answer: %s', (question) => {
	const answer = sectionOf(question)
	expect(answer).not.toBe('')
	expect(firstWords).toContain(answer)
})

test.each(questions)('the answer has links to the functions: %s', (question) => {
	const answer = sectionOf(question)
	expect([...answer.matchAll(/\[`\w+`\]\(\.\.\/[\w/-]+\.ts\)/g)].length).toBeGreaterThanOrEqual(4)
})

test('the one command for a new attribute passes', () => {
	const { scripts } = typedIn(page, () => false)
	const command = scripts.get('What a new attribute takes')?.trim() ?? ''
	expect(command).toMatch(/^npx vitest run test\/\S+\.test\.ts$/)
	const file = command.split(' ').at(-1) ?? ''
	expect(readFileSync(file, 'utf8')).toContain("describe('what the schemas declare'")
	// The variables of the tests that run now would make the command a part of them.
	const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|npm_|NODE_ENV)/.test(name)))
	const path = [dirname(process.execPath), resolve('node_modules/.bin'), env.PATH].join(':')
	const { status, stdout, stderr } = spawnSync('bash', ['-c', command], {
		encoding: 'utf8',
		env: { ...env, PATH: path },
	})
	expect(status, `${stdout}\n${stderr}`).toBe(0)
	expect(stdout).toMatch(/Tests .*[1-9]\d* passed/)
}, 120_000)
