import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import * as z from 'zod'
import type { CommandEnvironment, CommandResult } from '../cli/command.ts'
import { Failure } from '../cli/failure.ts'
import type { DeploymentTarget } from '../cli/target.ts'
import { undoChanges } from '../cli/undo.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { argumentsOf } from './action-arguments.ts'
import { type Action, actionNamed, formsOf } from './action-forms.ts'
import { ConsoleError } from './answer.ts'
import type { ActionForms, ActionGlances, ActionOutcome, FieldValues } from './answers/actions.ts'
import { type ActionWatch, type Jobs, openJobs } from './jobs.ts'
import { inPageWords } from './page-words.ts'
import { type ConsoleContext, route, tenantRoute } from './route.ts'

const fieldValues = z.strictObject({ fields: z.record(z.string(), z.union([z.string(), z.boolean()])) })

/** The commands of the command line, which the page runs with the same words and the same questions. */
export const actionRoutes = [
	tenantRoute({
		method: 'GET',
		path: '/tenants/{tenant}/forms/{page}',
		handle: async ({ tenant, params }): Promise<ActionForms> => ({ forms: formsOf(params.page, tenant) }),
	}),
	// The name of the tenant is not looked up, so that a page that asks every few seconds costs no request to storage.
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
			const action = actionNamed('undo')
			return jobsOf(target).start({
				words: 'undo --dry-run',
				tenant: tenant.name,
				async work(watch) {
					const { args, values } = argumentsOf(action, tenant, body.fields)
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
	if (action.command.words === 'erase')
		await requireUserName(target, tenant, { who: invocation.args[1], answer: fields.answer })
	return outcomeOf(await work.on(invocation)(target))
}

function outcomeOf(result: CommandResult | undefined): ActionOutcome {
	const { text, json, isFailure = false } = result ?? { text: '', json: undefined }
	return { state: 'done', text: inPageWords(text), json, isFailure, notes: [] }
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

/** On the command line an administrator types who is meant. In the page a click would be enough, so the page asks. */
async function requireUserName(
	target: DeploymentTarget,
	tenant: Tenant,
	{ who = '', answer = '' }: { readonly who: string | undefined; readonly answer: string | boolean | undefined },
): Promise<void> {
	const ledger = target.ledger(tenant)
	const users = (await ledger.find(who)).filter(({ type }) => type === 'User')
	for (const user of users) {
		const { name = user.id } = await ledger.history(user)
		if (name === answer) return
	}
	// If the word names no person, the command refuses it.
	if (users.length === 0) return
	throw new Failure(`nothing was erased: ${JSON.stringify(answer)} is not the userName of the person`, {
		hint: 'type the userName, or the id of a person who has none',
	})
}
