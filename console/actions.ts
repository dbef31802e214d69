import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import * as z from 'zod'
import type { Command, CommandEnvironment, Invocation } from '../cli/command.ts'
import { Failure } from '../cli/failure.ts'
import { descriptions } from '../cli/help.ts'
import { declared, type Option, type OptionValues } from '../cli/options.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import { targetCommands } from '../cli/target-commands.ts'
import { targetOptions } from '../cli/target-options.ts'
import { undoChanges } from '../cli/undo.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { ConsoleError } from './answer.ts'
import type {
	ActionField,
	ActionForm,
	ActionForms,
	ActionGlances,
	ActionOutcome,
	FieldValues,
} from './answers/actions.ts'
import { type ActionWatch, type Jobs, openJobs } from './jobs.ts'
import { type PlacedAction, placedActions } from './placed-actions.ts'
import { type ConsoleContext, route, tenantRoute } from './route.ts'

const fieldValues = z.strictObject({ fields: z.record(z.string(), z.union([z.string(), z.boolean()])) })

/** The commands of the command line, which the page runs with the same words and the same questions. */
export const actionRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/forms/{page}',
		handle: async ({ tenant, params }): Promise<ActionForms> => ({
			forms: placed()
				.filter(({ place: { page, modes } }) => page === params.page && modes.includes(tenant.mode))
				.map(formOf),
		}),
	}),
	// Of any name, so that a page that looks every few seconds costs no request to storage.
	route({
		method: 'GET',
		path: '/actions',
		handle: async ({ query }, { target }): Promise<ActionGlances> => ({
			actions: jobsOf(target).of(query.get('tenant') ?? ''),
		}),
	}),
	tenantRoute({
		method: 'POST',
		path: '/tenants/{tenant}/actions/{words}',
		body: fieldValues,
		handle: ({ tenant, params, body }, { target }) => {
			const action = actionNamed(params.words)
			return jobsOf(target).start({
				words: action.command.words,
				tenant: tenant.name,
				work: (watch) => runAction(action, { target, tenant, fields: body.fields, watch }),
			})
		},
	}),
	tenantRoute({
		method: 'POST',
		path: '/tenants/{tenant}/undo-preview',
		body: fieldValues,
		handle: ({ tenant, body }, { target }) => {
			const { command, place } = actionNamed('undo')
			return jobsOf(target).start({
				words: 'undo --dry-run',
				tenant: tenant.name,
				async work(watch) {
					const { args, values } = argumentsOf({ command, place }, tenant, body.fields)
					const invocation = { args, values: { ...values, 'dry-run': true }, environment: environmentOf(watch, {}) }
					return outcomeOf(await undoChanges(invocation)(target))
				},
			})
		},
	}),
	route({
		method: 'GET',
		path: '/actions/{id}',
		async handle({ params: { id } }, { target }) {
			const state = await jobsOf(target).state(id)
			if (state !== undefined) return state
			throw new ConsoleError('the end of this action was told already', {
				status: 404,
				hint: 'the list of what administrators did has it',
			})
		},
	}),
]

const jobsByTarget = new WeakMap<DeploymentTarget, Jobs>()

/** The actions that run on a target. */
function jobsOf(target: ConsoleContext['target']): Jobs {
	const known = jobsByTarget.get(target)
	if (known !== undefined) return known
	const jobs = openJobs({ now: Date.now, newId: () => randomBytes(9).toString('base64url') })
	jobsByTarget.set(target, jobs)
	return jobs
}

type Action = { readonly command: Command; readonly place: PlacedAction }

const placed = (): readonly Action[] =>
	Object.entries(placedActions).flatMap(([words, place]) => {
		const command = targetCommands.find((each) => each.words === words)
		return command === undefined ? [] : [{ command, place }]
	})

function actionNamed(words: string): Action {
	const action = placed().find(({ command }) => command.words === words)
	if (action === undefined) throw new ConsoleError(`the console has no action ${words}`, { status: 404 })
	return action
}

function formOf({ command, place }: Action): ActionForm {
	const { words, summary } = command
	return {
		words,
		summary,
		fields: [
			...parametersOf(command).map((parameter) => parameterField(parameter, place)),
			...optionsOf({ command, place }).map((option) => optionField(option, place)),
		],
		...(place.question !== undefined && { question: place.question }),
		needs: place.needs,
	}
}

/** The parameters behind the name of the tenant. */
const parametersOf = ({ parameters }: Command): readonly string[] => parameters.slice(1)

const optionsOf = ({ command, place: { without = [] } }: Action): readonly Option[] =>
	command.options.filter((option) => !without.includes(option) && !targetNames.includes(option))

const targetNames: readonly string[] = targetOptions

/** @example nameOf('[FILE]') // 'FILE' */
const nameOf = (parameter: string): string => parameter.replace(/[[\].]/g, '')

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
	return { name, kind, help, placeholder, choices, isRequired: required.includes(name) }
}

type ActionCall = {
	readonly target: DeploymentTarget
	readonly tenant: Tenant
	readonly fields: FieldValues
	readonly watch: ActionWatch
}

async function runAction(action: Action, { target, tenant, fields, watch }: ActionCall): Promise<ActionOutcome> {
	const { work } = action.command
	if (work === undefined) throw new Error(`the command ${action.command.words} needs no target`)
	const invocation = {
		...argumentsOf(action, tenant, fields),
		environment: environmentOf(watch, answersIn(action, fields)),
	}
	if (action.command.words === 'erase') await requireUserName(target, tenant, fields)
	return outcomeOf(await work.on(invocation)(target))
}

const outcomeOf = (result: Awaited<ReturnType<ReturnType<typeof undoChanges>>>): ActionOutcome => {
	const { text, json, isFailure = false } = result ?? { text: '', json: undefined }
	return { state: 'done', text, json, isFailure, notes: [] }
}

/**
 * The arguments and options that the fields stand for.
 *
 * @throws ConsoleError 400 for a field that the form does not have, and for a required one that is missing
 */
function argumentsOf(
	action: Action,
	{ name }: Pick<Tenant, 'name'>,
	fields: FieldValues,
): Pick<Invocation, 'args' | 'values'> {
	const { command, place } = action
	const options = optionsOf(action)
	const names = [...parametersOf(command).map(nameOf), ...options, ...(place.question === undefined ? [] : ['answer'])]
	const foreign = Object.keys(fields).find((field) => !names.includes(field))
	if (foreign !== undefined) throw new ConsoleError(`${command.words} has no field ${foreign}`, { status: 400 })
	const missing = place.required?.find((option) => (fields[option] ?? '') === '')
	if (missing !== undefined) throw new ConsoleError(`${missing} is missing`, { status: 400 })
	return {
		args: [name, ...parametersOf(command).flatMap((parameter) => argumentOf(parameter, place, fields))],
		values: Object.fromEntries(options.flatMap((option) => optionOf(option, command, fields))) as OptionValues, // sound: each has the type that `declared` gives it
	}
}

function argumentOf(parameter: string, { document }: PlacedAction, fields: FieldValues): readonly string[] {
	const name = nameOf(parameter)
	const text = String(fields[name] ?? '').trim()
	if (text === '') {
		if (parameter.startsWith('[')) return []
		throw new ConsoleError(`${name} is missing`, { status: 400 })
	}
	if (name === document) return ['the document']
	if (parameter.endsWith('...')) return text.split(/\s+/)
	return [name === 'FILE' ? resolve(text) : text]
}

/** An empty text leaves the option out, but for a setting, which it removes. */
function optionOf(option: Option, { words }: Command, fields: FieldValues): readonly (readonly [Option, unknown])[] {
	const value = fields[option]
	const isFlag = declared[option].type === 'boolean'
	if (value === undefined || value === false || (value === '' && words !== 'tenant set')) return []
	if (isFlag !== (value === true))
		throw new ConsoleError(`${option} must be ${isFlag ? 'true or false' : 'a text'}`, { status: 400 })
	if (option === 'out') return [[option, resolve(String(value))]]
	return [[option, 'multiple' in declared[option] && declared[option].multiple ? [value] : value]]
}

type FormAnswers = { readonly document?: string; readonly answer?: string }

const answersIn = ({ place: { document, question } }: Action, fields: FieldValues): FormAnswers => ({
	...(document !== undefined && { document: String(fields[document] ?? '') }),
	...(question !== undefined && { answer: String(fields.answer ?? '') }),
})

/** What a command has in place of the terminal. A question is answered with what was typed into the form. */
const environmentOf = ({ show, note }: ActionWatch, { document = '', answer }: FormAnswers): CommandEnvironment => ({
	out: async () => {
		throw new UsageError('the console has no standard output', { hint: 'name a file' })
	},
	// With an answer, the text is the question.
	err: (text) => {
		if (answer === undefined) note(text.trim())
	},
	input: Readable.from([`${answer ?? ''}\n`]),
	readText: async () => document,
	isWatched: false,
	show,
	env: {},
	program: 'rollcall',
})

/** The command line names one person by a word that is typed. In the page a click would be enough, so it asks. */
async function requireUserName(
	target: DeploymentTarget,
	tenant: Tenant,
	{ WHO = '', answer = '' }: FieldValues,
): Promise<void> {
	const ledger = target.ledger(tenant)
	const users = (await ledger.find(String(WHO))).filter(({ type }) => type === 'User')
	for (const user of users) {
		const { name = user.id } = await ledger.history(user)
		if (name === answer) return
	}
	// What is no person, the command itself refuses.
	if (users.length === 0) return
	throw new Failure(`nothing was erased: ${JSON.stringify(answer)} is not the userName of the person`, {
		hint: 'type the userName, or the id of a person who has none',
	})
}
