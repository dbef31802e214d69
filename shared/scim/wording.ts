import type * as z from 'zod'
import { shown } from './shown.ts'

/**
 * What is wrong with a member, for `safeParse(value, { error: wording })`. The sentence goes on behind the member's place.
 * A schema whose own message says more keeps that message.
 */
export const wording: z.core.$ZodErrorMap = (issue) => problemOf(issue, came)

/** The same for files and settings whose values are secret: it says nothing of them. */
export const wordingWithoutValues: z.core.$ZodErrorMap = (issue) => problemOf(issue, () => '')

/**
 * The message of a schema for a member that must be `what`.
 *
 * @example mustBe('a string') // 'must be a string, not the number 1', or 'is missing: it must be a string'
 */
export const mustBe = (what: string) => ({
	error: ({ input }: { readonly input?: unknown }) => unlike(what, input, came),
})

/**
 * The first problem of a value, with its place.
 *
 * @example firstProblem(error, 'the body') // 'Operations[0].op must be add, replace or remove, not the number 1'
 */
export const firstProblem = (error: z.ZodError, whole: string): string => problemsOf(error, whole)[0] ?? whole

/** All problems of a value, with their places. */
export const allProblems = (error: z.ZodError, whole: string): string => problemsOf(error, whole).join('; ')

const problemsOf = ({ issues }: z.ZodError, whole: string): readonly string[] =>
	issues.map(({ path, message }) => {
		const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
		return `${steps.join('').replace(/^\./, '') || whole} ${message}`
	})

type Describe = (value: unknown) => string

const came: Describe = (value) => `, not ${shown(value)}`

const unlike = (what: string, input: unknown, describe: Describe): string =>
	input === undefined ? `is missing: it must be ${what}` : `must be ${what}${describe(input)}`

function problemOf(issue: z.core.$ZodRawIssue, describe: Describe): string {
	switch (issue.code) {
		case 'invalid_type':
			return unlike(nounOf(issue.expected), issue.input, describe)
		case 'invalid_value':
			return unlike(listOf(issue.values.map((value) => JSON.stringify(value))), issue.input, describe)
		case 'too_small':
			return sizes.has(issue.origin) ? `is shorter than ${issue.minimum}` : `is less than ${issue.minimum}`
		case 'too_big':
			return sizes.has(issue.origin) ? `is longer than ${issue.maximum}` : `is more than ${issue.maximum}`
		case 'invalid_format':
			return formats[issue.format] ?? 'has a wrong form'
		case 'invalid_union':
			return 'options' in issue && Array.isArray(issue.options)
				? unlike(listOf(issue.options.map((value) => JSON.stringify(value))), issue.options, () => '')
				: 'has a value that is not allowed'
		case 'unrecognized_keys':
			return `has an unknown member ${issue.keys[0]}`
		default:
			return 'has a value that is not allowed'
	}
}

const formats: Readonly<Record<string, string>> = { url: 'is not a URL', guid: 'is not a UUID' }

const sizes: ReadonlySet<string> = new Set(['string', 'array', 'set'])

function nounOf(type: string): string {
	switch (type) {
		case 'int':
			return 'a whole number'
		case 'array':
			return 'a list'
		case 'object':
		case 'record':
			return 'an object'
		default:
			return `a ${type}`
	}
}

const listOf = (words: readonly string[]): string =>
	words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
