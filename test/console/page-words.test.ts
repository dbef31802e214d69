import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formsOf } from '../../console/action-forms.ts'
import { refusalOf } from '../../console/answer.ts'
import { inPageWords } from '../../console/page-words.ts'
import { placedActions } from '../../console/placed-actions.ts'
import { UsageError } from '../../shared/cli/usage-error.ts'

describe('a sentence of the command line, in the page', () => {
	test.each([
		['type 1, or give --yes --expect 1', 'type 1'],
		['type acme, or give --yes', 'type acme'],
		['undo needs --only or --resource', 'undo needs "Only" or "Resource"'],
		[
			'use a number with s, m, h or d, such as --for 2h; --for 0s ends it',
			'use a number with s, m, h or d, such as "For" 2h; "For" 0s ends it',
		],
		['add --fix-externalid to change it', 'add "Fix externalid" to change it'],
		[
			'run rollcall guard allow acme --for 2h, or add --assign GROUP',
			'run rollcall guard allow acme --for 2h, or add "Assign" GROUP',
		],
		['az login --tenant contoso', 'az login --tenant contoso'],
		['the person "joy --x" stays', 'the person "joy --x" stays'],
		['nothing to say', 'nothing to say'],
	])('%j is %j', (sentence, words) => {
		expect(inPageWords(sentence)).toBe(words)
	})

	test('is the one of a refusal', () => {
		expect(refusalOf(new UsageError('undo needs --since', { hint: 'such as --since 2h' })).problem).toEqual({
			error: 'undo needs "Since"',
			hint: 'such as "Since" 2h',
		})
	})
})

/** The texts in the sources of the commands that have an option, with a word in place of each value. */
const texts = readdirSync('cli', { recursive: true, encoding: 'utf8' })
	.filter((name) => name.endsWith('.ts') && name !== 'help.ts')
	.flatMap((name) => readFileSync(join('cli', name), 'utf8').match(/'[^'\n]*'|`[^`]*`/g) ?? [])
	// Without the single words that commands hand to other programs.
	.filter((text) => /(^|[\s('`])--[a-z]/.test(text) && text.includes(' '))
	.map((text) =>
		text
			.slice(1, -1)
			.replaceAll(/\$\{[^}]*program[^}]*\}/g, 'rollcall')
			.replaceAll(/\$\{[^}]*\}/g, 'X'),
	)

/** Whether a text has an option that belongs to no command. */
const hasOption = (text: string): boolean =>
	text
		.split(/[;,(]\s*|:\s+|\.\s+|\n/)
		.some((clause) => /(^|\s)--[a-z]/.test(clause) && !/\b(rollcall|rollcall-relay|node|npm|az|doctor) /.test(clause))

test('no sentence that an action may show has an option, unless it is a command to copy', () => {
	expect(texts.filter(hasOption).length).toBeGreaterThan(20)
	expect(texts.map(inPageWords).filter(hasOption)).toEqual([])
	const pages = new Set(Object.values(placedActions).map(({ page }) => page))
	const shown = [...pages].flatMap((page) =>
		(['store', 'relay'] as const).flatMap((mode) =>
			formsOf(page, { mode }).flatMap(({ summary, question = '', fields }) => [
				summary,
				question,
				...fields.map(({ help }) => help),
			]),
		),
	)
	expect(shown.length).toBeGreaterThan(50)
	expect(shown.filter(hasOption)).toEqual([])
})
