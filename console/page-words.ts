import { declared } from '../cli/options.ts'

/** What starts a command that a reader can copy. It keeps its options. */
const commandWord = /\b(rollcall|rollcall-relay|node|npm|npx|az|doctor) /

/** Where a command ends in a sentence. */
const clauseEnd = /([;,(]\s*|:\s+|\.\s+|\n)/

const option = /(?<=^|[\s(])--([a-z0-9]+(?:-[a-z0-9]+)*)/g

/** The answers to a question, which a form of the page asks itself. */
const answers = /,? (?:or )?give --yes(?: --expect \S+)?/g

/**
 * A sentence of the command line for a reader of the page: an option is the field of the form that has its label. A command
 * that the reader can copy stays as it is.
 *
 * @example inPageWords('undo needs --only or --resource') // 'undo needs "Only" or "Resource"'
 */
export const inPageWords = (text: string): string =>
	text.includes('--')
		? text
				.replaceAll(answers, '')
				.split(clauseEnd)
				.map((clause) => (commandWord.test(clause) ? clause : clause.replaceAll(option, labelled)))
				.join('')
		: text

const labelled = (whole: string, name: string): string => (name in declared ? `"${labelOf(name)}"` : whole)

/** As the page writes the name of a field. */
const labelOf = (name: string): string => `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('-', ' ')}`
