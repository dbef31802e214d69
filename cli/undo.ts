import { UsageError } from '../shared/cli/usage-error.ts'
import { kindOfId } from '../shared/scim/id.ts'
import { type UndoResult, undo } from '../shared/storage/ledger/undo.ts'
import type {
	LeavingReason,
	LeftAsItIs,
	RevisionToUndo,
	UndoPlan,
	UndoRequest,
} from '../shared/storage/ledger/undo-plan.ts'
import { type UndoKind, undoKinds } from '../shared/storage/ledger/undo-window.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { CommandEnvironment, TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import type { OptionValues } from './options.ts'
import { lineOf } from './remove.ts'
import { parseMoment } from './since.ts'
import type { DeploymentTarget } from './target.ts'
import { storeTenantNamed } from './tenant.ts'

/** Takes back what was changed in a time. It first says what it will do, and asks how many people become active again. */
export const undoChanges: TargetCommand = ({ args: [name = ''], values, environment }) => {
	const request = requestOf(values)
	const expected = expectedIn(values)
	return async (target) => {
		const tenant = await storeTenantNamed(target, name)
		const ledger = target.ledger(tenant)
		const plan = await ledger.planUndo(request)
		if (values['dry-run']) return { text: planInWords(plan), json: planJson(name, plan) }
		if (!hasSteps(plan)) {
			await ledger.finishChanges(plan)
			return { text: planInWords(plan), json: { name, ...noResult, left: plan.left } }
		}
		if (expected === undefined) await confirm(plan, environment)
		else requireExpected(plan, expected)
		const result = await carryOut(target, tenant, plan)
		return {
			text: [resultInWords(result), ...leftInWords(result.left), ...nextInWords].join('\n'),
			json: { name, ...result },
		}
	}
}

/** Does what a plan says. `requestId` is that of the changes in the history. */
export async function carryOut(
	target: DeploymentTarget,
	tenant: Tenant,
	plan: UndoPlan,
): Promise<UndoResult & { readonly requestId: string }> {
	await target.ledger(tenant).finishChanges(plan)
	const requestId = `undo-${new Date().toISOString()}`
	const result = await undo(target.open(tenant, requestId), plan)
	return { requestId, ...result, left: [...plan.left, ...result.left] }
}

const noResult: Omit<UndoResult, 'left'> = { revised: 0, restored: 0, memberships: 0 }

/** @throws UsageError if the options do not say what is to be undone */
function requestOf(values: OptionValues): UndoRequest {
	const { since, until, credential, resource, force = false } = values
	if (since === undefined)
		throw new UsageError('undo needs --since', { hint: 'add the time to take back, such as --since 2h' })
	const from = parseMoment('--since', since)
	const to = until === undefined ? Date.now() : parseMoment('--until', until)
	if (from > to) throw new UsageError('--until is before --since', { hint: 'give the earlier time as --since' })
	const only = kindsIn(values)
	if (only.length === 0 && resource === undefined) {
		throw new UsageError('undo needs --only or --resource', {
			hint: `add --only ${undoKinds.join('|')}, or --resource ID`,
		})
	}
	if (resource !== undefined && !['User', 'Group'].includes(kindOfId(resource) ?? '')) {
		throw new UsageError(`--resource ${resource} is not the id of a user or a group`, { hint: 'history shows the ids' })
	}
	return {
		since: from,
		until: to,
		only: only.length === 0 ? undoKinds : only,
		isForced: force,
		...(credential !== undefined && { credential }),
		...(resource !== undefined && { resource }),
	}
}

const kindsIn = ({ only = [] }: OptionValues): readonly UndoKind[] =>
	only
		.flatMap((text) => text.split(','))
		.map((word) => {
			const kind = undoKinds.find((each) => each === word)
			if (kind === undefined) {
				throw new UsageError(`--only ${word} is not a kind of change`, { hint: `use ${undoKinds.join(', ')}` })
			}
			return kind
		})

/** The number that --expect gives with --yes; undefined if the command is to ask. */
function expectedIn({ yes = false, expect }: OptionValues): number | undefined {
	if (!yes && expect === undefined) return undefined
	const hint = 'N is the number of people who become active again; --dry-run says it'
	if (!yes || expect === undefined) throw new UsageError('--yes and --expect N belong together', { hint })
	if (!/^\d{1,9}$/.test(expect)) throw new UsageError(`--expect ${expect} is not a number of people`, { hint })
	return Number(expect)
}

/** @throws Failure if another number of people would become active again than was expected */
export function requireExpected({ activated }: UndoPlan, expected: number): void {
	if (activated === expected) return
	throw new Failure(
		`nothing was undone: ${expected} people were expected to become active again, and it would be ${activated}`,
		{
			hint: 'look at the names with --dry-run, and give their number as --expect',
		},
	)
}

async function confirm(plan: UndoPlan, { err, input }: CommandEnvironment): Promise<void> {
	err(`${planInWords(plan)}\nType the number of people who become active again to continue:\n`)
	const answer = await lineOf(input)
	if (answer === String(plan.activated)) return
	throw new Failure(`nothing was undone: ${JSON.stringify(answer)} is not the number of people`, {
		hint: `type ${plan.activated}, or give --yes --expect ${plan.activated}`,
	})
}

/** Whether a plan changes anything. */
export const hasSteps = ({ revisions, restorations, memberships }: UndoPlan): boolean =>
	revisions.length + restorations.length + memberships.length > 0

const namesShown = 20

function planInWords(plan: UndoPlan): string {
	const { left, activated } = plan
	const lines = kindsOf(plan).flatMap(({ title, names }) => (names.length === 0 ? [] : [listed(title, names)]))
	return [
		...(lines.length === 0 ? ['Nothing is to be undone.'] : lines),
		`People who become active again: ${activated}`,
		...leftInWords(left),
	].join('\n')
}

/** What a plan does, by kind, with the names of all resources. */
function kindsOf({ revisions, restorations, memberships }: UndoPlan) {
	const namesOf = (some: readonly { readonly name: string }[]) => some.map(({ name }) => name)
	const hasAttributes = ({ values, isReactivation }: RevisionToUndo) => values.length > (isReactivation ? 1 : 0)
	return [
		{ title: 'People to bring back', names: namesOf(restorations.filter(({ type }) => type === 'User')) },
		{ title: 'Groups to bring back', names: namesOf(restorations.filter(({ type }) => type === 'Group')) },
		{ title: 'People to make active again', names: namesOf(revisions.filter((each) => each.isReactivation)) },
		{ title: 'People and groups whose attributes to set back', names: namesOf(revisions.filter(hasAttributes)) },
		{
			title: 'Groups whose members to set back',
			names: memberships.map(({ name, add, remove }) => `${name} (${add.length} to add, ${remove.length} to remove)`),
		},
	]
}

function listed(title: string, names: readonly string[]): string {
	const more = names.length > namesShown ? `, and ${names.length - namesShown} more` : ''
	return `${title}: ${names.length}\n  ${names.slice(0, namesShown).join(', ')}${more}`
}

/** Why something is left, in words. */
export const reasons: Readonly<Record<LeavingReason, string>> = {
	again: 'Left, because they were changed again afterwards (--force sets them back all the same)',
	gone: 'Left, because they were deleted by a change that is not undone',
	taken: 'Left, because another resource has the unique value by now, such as the userName',
	values: 'Left, because the ledger has not kept what was there before, or which members changed',
	unsure: 'Groups with members left, because a large change may have added members who were there before',
	unfinished:
		'Left, because a deletion or a large change of members was not finished: run the command again in a minute',
	recent: 'Left, because they were deleted less than a minute ago: run the command again in a minute',
}

const leftInWords = (left: readonly LeftAsItIs[]): readonly string[] =>
	Object.entries(reasons).flatMap(([reason, title]) => {
		const names = left.filter((each) => each.reason === reason).map(({ name }) => name)
		return names.length === 0 ? [] : [listed(title, names)]
	})

export const resultInWords = ({ revised, restored, memberships }: UndoResult): string =>
	`${restored} people and groups were brought back, ${revised} were set back, and ${memberships} memberships were set back.`

const nextInWords = [
	'The identity provider does not know of this. It sends a change again only when the person or group changes there.',
	'Correct the cause there first. A restart of provisioning sends everything again, and with it the mistake if it is still there.',
]

/** What a plan does, with some of the names. */
export function planJson(name: string, plan: UndoPlan) {
	const { memberships, left, activated } = plan
	const count = (list: 'add' | 'remove') => memberships.reduce((sum, each) => sum + each[list].length, 0)
	return {
		name,
		activated,
		kinds: kindsOf(plan).map(({ title, names }) => ({ title, count: names.length, names: names.slice(0, namesShown) })),
		membershipsToAdd: count('add'),
		membershipsToRemove: count('remove'),
		left: left.map(({ id, type, name: leftName, reason }) => ({ id, type, name: leftName, reason })),
	}
}
