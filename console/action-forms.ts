import type { Command } from '../cli/command.ts'
import { descriptions } from '../cli/help.ts'
import { declared, type Option } from '../cli/options.ts'
import { targetCommands } from '../cli/target-commands.ts'
import { targetOptions } from '../cli/target-options.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError } from './answer.ts'
import type { ActionField, ActionForm } from './answers/actions.ts'
import { inPageWords } from './page-words.ts'
import { type PlacedAction, placedActions } from './placed-actions.ts'

/** A command with its place in the page. */
export type Action = { readonly command: Command; readonly place: PlacedAction }

const placed = (): readonly Action[] =>
	Object.entries(placedActions).flatMap(([words, place]) => {
		const command = targetCommands.find((each) => each.words === words)
		return command === undefined ? [] : [{ command, place }]
	})

/** The forms of a page for a tenant. */
export const formsOf = (page: string, { mode }: Pick<Tenant, 'mode'>): readonly ActionForm[] =>
	placed()
		.filter(({ place }) => place.page === page && place.modes.includes(mode))
		.map(formOf)

/** @throws ConsoleError 404 if the page does not have the action */
export function actionNamed(words: string): Action {
	const action = placed().find(({ command }) => command.words === words)
	if (action === undefined) throw new ConsoleError(`the console has no action ${words}`, { status: 404 })
	return action
}

function formOf({ command, place }: Action): ActionForm {
	const { words, summary } = command
	return {
		words,
		summary: inPageWords(summary),
		fields: [
			...parametersOf(command).map((parameter) => parameterField(parameter, place)),
			...optionsOf({ command, place }).map((option) => optionField(option, place)),
		],
		...(place.question !== undefined && { question: place.question }),
		needs: place.needs,
	}
}

/** The parameters behind the name of the tenant. */
export const parametersOf = ({ parameters }: Command): readonly string[] => parameters.slice(1)

/** The options of a form. Those that name a deployment target are never among them. */
export const optionsOf = ({ command, place: { without = [] } }: Action): readonly Option[] =>
	command.options.filter((option) => !without.includes(option) && !targetNames.includes(option))

const targetNames: readonly string[] = targetOptions

/** @example nameOf('[FILE]') // 'FILE' */
export const nameOf = (parameter: string): string => parameter.replace(/[[\].]/g, '')

function parameterField(parameter: string, { document }: PlacedAction): ActionField {
	const name = nameOf(parameter)
	return {
		name,
		kind: name === document ? 'document' : 'text',
		help: parameter.endsWith('...') ? 'several are separated by spaces' : '',
		placeholder: name,
		choices: [],
		isRequired: !parameter.startsWith('['),
	}
}

function optionField(name: Option, { required = [] }: PlacedAction): ActionField {
	const [placeholder, help] = descriptions[name]
	const choices = /^[a-z|]+$/i.test(placeholder) && placeholder.includes('|') ? placeholder.split('|') : []
	const kind = declared[name].type === 'boolean' ? 'flag' : choices.length > 0 ? 'choice' : 'text'
	return { name, kind, help: inPageWords(help), placeholder, choices, isRequired: required.includes(name) }
}
