import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { targetCommands } from '../../cli/target-commands.ts'
import { placedActions } from '../../console/placed-actions.ts'
import { consoleRoutes } from '../../console/routes.ts'

const changing = targetCommands.filter(({ work }) => work !== undefined && !work.isReading).map(({ words }) => words)
const placed = Object.keys(placedActions)
/** Adding a tenant is for no tenant yet, so that it has a route of its own. */
const routed = consoleRoutes.flatMap(({ command }) => command ?? [])

/** The sources of the page. */
const page = readdirSync('console/page', { recursive: true, encoding: 'utf8' })
	.filter((name) => name.endsWith('.tsx'))
	.map((name) => readFileSync(join('console/page', name), 'utf8'))
	.join('\n')

describe('the actions of the console', () => {
	test('each command that changes something is in the console', () => {
		expect(changing.length).toBeGreaterThan(15)
		expect(changing.filter((words) => !placed.includes(words) && !routed.includes(words))).toEqual([])
	})

	test('each action is a command, which has a button', () => {
		const words = targetCommands.filter(({ work }) => work !== undefined).map((command) => command.words)
		expect(placed.filter((each) => !words.includes(each))).toEqual([])
		const isForm = (each: string) => page.includes(`words="${each}"`) || page.includes(`words === '${each}'`)
		expect(placed.filter((each) => !isForm(each))).toEqual([])
	})

	test('an action that writes nothing is a command that reads, or one that Entra answers', () => {
		const writingNothing = placed.filter((words) => placedActions[words]?.needs.length === 0)
		expect(writingNothing.filter((words) => changing.includes(words))).toEqual([])
	})
})
