import { setTimeout as sleep } from 'node:timers/promises'
import { UsageError } from '../shared/cli/usage-error.ts'
import { ScimError } from '../shared/scim/error.ts'
import { printAttributePath } from '../shared/scim/filter/print.ts'
import { parseAttributePath } from '../shared/scim/path.ts'
import { type AttributePath, type ResourceType, resolveAttribute } from '../shared/scim/resource-type.ts'
import type { SharedValues } from '../shared/storage/index-work.ts'
import { type IndexSubject, indexSubject, isSamePath } from '../shared/storage/rows/indexable.ts'
import { usableIndexesOf } from '../shared/storage/rows/indexes.ts'
import { maxOwnIndexes } from '../shared/storage/rows/own-indexes.ts'
import { dueAt } from '../shared/tenants/advance-index.ts'
import type { IndexDefinition } from '../shared/tenants/index-definition.ts'
import { typesOf } from '../shared/tenants/resource-types.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { CommandEnvironment, CommandResult, TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { countsOf, storeTenantNamed } from './tenant.ts'
import { withProgress } from './transfer/progress.ts'

/** Adds an index, fills it, and returns when it is complete. If it is interrupted, the sweep of the app goes on. */
export const addIndex: TargetCommand = ({ args: [name = '', text = ''], values: { unique = false }, environment }) => {
	const path = pathOf(text)
	return async (target) => {
		const tenant = await storeTenantNamed(target, name)
		const subject = indexSubject(typesOf(tenant).User, path, unique)
		if (typeof subject === 'string') throw new Failure(subject, { hint: hintOn(typesOf(tenant).User, path) })
		const index = await define(target, tenant, { ...subject, isUnique: unique })
		return fillDefined(target, tenant, { index, environment })
	}
}

/** Fills an index that is in the tenant's row, and returns when it is complete. */
export async function fillDefined(target: DeploymentTarget, tenant: Tenant, run: IndexRun): Promise<CommandResult> {
	const minutes = minutesUntilDue(target, run.index)
	if (minutes > 0) {
		run.environment.err(
			`In ${minutes} minutes, every instance keeps the index of ${pathText(run.index)}, and this command fills it. If you interrupt the command, the app goes on.\n`,
		)
	}
	return complete(target, tenant, run)
}

const hintOn = (type: ResourceType, path: AttributePath): string =>
	resolveAttribute(type, path) === undefined
		? 'an attribute needs a declaration first: see docs/schema.md'
		: 'see "Indexes" in docs/cli.md'

function pathOf(text: string): AttributePath {
	try {
		return parseAttributePath(text)
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
		throw new UsageError(`${text} is not the path of an attribute: ${error.message}`, {
			hint: 'a path is a name such as employeeNumber or name.familyName, with the URN of its schema if it needs one',
			cause: error,
		})
	}
}

type NewIndex = IndexSubject & Pick<IndexDefinition, 'isUnique'>

/** Writes a new index into the tenant's row, from which the sweep of the app fills it. */
export async function define(target: DeploymentTarget, tenant: Tenant, index: NewIndex): Promise<IndexDefinition> {
	let defined: IndexDefinition | undefined
	await target.tenants.updateIndexes(tenant.name, (indexes) => {
		const existing = indexes.find(({ path }) => isSamePath(pathIn(path), index.path))
		if (existing !== undefined && isContinued(existing, index)) {
			defined = existing
			return undefined
		}
		if (existing !== undefined) throw alreadyThere(target, tenant, existing)
		defined = announced(target, tenant, { indexes, index })
		return [...indexes, defined]
	})
	if (defined === undefined)
		throw new Failure(`there is no tenant ${tenant.name}`, { hint: target.commandLine('tenant list') })
	return defined
}

type Announcement = { readonly indexes: readonly IndexDefinition[]; readonly index: NewIndex }

/** The definition of a new index beside those that the tenant has. */
function announced(target: DeploymentTarget, { name }: Tenant, { indexes, index }: Announcement): IndexDefinition {
	if (indexes.length >= maxOwnIndexes) {
		const hint = target.commandLine(`index list ${name}`)
		const removed = indexes.some(({ stage }) => isLeaving(stage))
			? '; one that is being removed counts until it is gone'
			: ''
		throw new Failure(`the tenant ${name} has ${maxOwnIndexes} indexes, which is the limit${removed}`, { hint })
	}
	const slots = indexes.map(({ slot }) => slot)
	const now = Date.now()
	return {
		...index,
		name: freeName(indexes, now),
		slot: Array.from({ length: maxOwnIndexes }, (_, slot) => slot).find((slot) => !slots.includes(slot)) ?? 0,
		...{ stage: 'announced', since: now, position: '', users: 0, worker: '', worked: 0 },
	}
}

type UniqueRequest = {
	readonly indexes: readonly IndexDefinition[]
	/** Users as they will be declared. */
	readonly type: ResourceType
	readonly path: AttributePath
}

/**
 * The unique index on an attribute that is to be unique: one that the tenant has already, or a new definition.
 *
 * @throws Failure if there can be none
 */
export function uniqueIndexFor(
	target: DeploymentTarget,
	tenant: Tenant,
	{ indexes, type, path }: UniqueRequest,
): IndexDefinition {
	const subject = indexSubject(type, path, true)
	if (typeof subject === 'string') {
		throw new Failure(`uniqueness cannot be server: ${subject}`, { hint: 'see "Indexes" in docs/cli.md' })
	}
	const existing = indexes.find((each) => isSamePath(pathIn(each.path), subject.path))
	if (existing === undefined) return announced(target, tenant, { indexes, index: { ...subject, isUnique: true } })
	if (isLeaving(existing.stage)) throw alreadyThere(target, tenant, existing)
	if (existing.isUnique && existing.type === subject.type && existing.caseExact === subject.caseExact) return existing
	throw new Failure(`uniqueness cannot be server: ${pathText(existing)} has an index of another kind`, {
		hint: `remove it first: ${target.commandLine(`index remove ${tenant.name} ${pathText(existing)}`)}`,
	})
}

/** Whether an earlier command has begun to add the same index. */
const isContinued = ({ stage, isUnique }: IndexDefinition, index: NewIndex): boolean =>
	isUnique === index.isUnique && (stage === 'announced' || stage === 'filling')

/** A name that no index of the tenant has or had: the time in base 36. */
function freeName(indexes: readonly IndexDefinition[], now: number): string {
	const name = `o${now.toString(36)}`
	return indexes.some((index) => index.name === name) ? freeName(indexes, now + 1) : name
}

const pathIn = ({ uri, name, sub }: IndexDefinition['path']): AttributePath => ({
	name,
	...(uri !== undefined && { uri }),
	...(sub !== undefined && { sub }),
})

function alreadyThere(target: DeploymentTarget, { name }: Tenant, { path, stage }: IndexDefinition): Failure {
	const text = printAttributePath(pathIn(path))
	if (isLeaving(stage)) {
		return new Failure(`the index of ${text} is still being removed`, {
			hint: 'add it when index list has it no longer',
		})
	}
	return new Failure(`${text} has an index already`, { hint: target.commandLine(`index list ${name}`) })
}

const isLeaving = (stage: IndexDefinition['stage']): boolean => stage === 'leaving' || stage === 'removing'

/** How long the wait for other instances still lasts: 0 if no other process serves the tenant. */
const minutesUntilDue = ({ isAlone }: DeploymentTarget, index: IndexDefinition): number =>
	Math.max(Math.ceil(((dueAt(index, isAlone) ?? 0) - Date.now()) / 60_000), 0)

const lookAgainAfter = 5_000

type IndexRun = { readonly index: IndexDefinition; readonly environment: CommandEnvironment }

/** Advances an index until it is complete, and shows how far it is. */
async function complete(
	target: DeploymentTarget,
	tenant: Tenant,
	{ index, environment }: IndexRun,
): Promise<CommandResult> {
	const { users: total } = await countsOf(target, tenant)
	await withProgress(environment, async (show) => {
		for (;;) {
			const current = (await indexesOf(target, tenant.name)).find(({ name }) => name === index.name)
			if (current === undefined || isLeaving(current.stage)) throw removedMeanwhile(target, tenant, index)
			if (current.stage === 'complete') return
			show(current.users / Math.max(total, 1), stateOf(target, tenant, { index: current, total }))
			if ((await target.advanceIndexes(tenant.name)) === 0 && !target.isAlone) await sleep(lookAgainAfter)
		}
	})
	const shared = await target.sharedValues(tenant, index)
	return {
		text: [`The index of ${pathText(index)} is complete.`, ...sharedInWords(index, shared)].join('\n'),
		json: jsonOf({ ...index, stage: 'complete' }, { total, shared }),
	}
}

const removedMeanwhile = (target: DeploymentTarget, { name }: Tenant, index: IndexDefinition): Failure =>
	new Failure(`the index of ${pathText(index)} was removed meanwhile`, {
		hint: target.commandLine(`index list ${name}`),
	})

/** The indexes as they are stored now. */
async function indexesOf(target: DeploymentTarget, tenant: string): Promise<readonly IndexDefinition[]> {
	let stored: readonly IndexDefinition[] = []
	await target.tenants.updateIndexes(tenant, (indexes) => {
		stored = indexes
		return undefined
	})
	return stored
}

const pathText = ({ path }: IndexDefinition): string => printAttributePath(pathIn(path))

type IndexCounts = { readonly total: number; readonly shared: SharedValues }

const jsonOf = (index: IndexDefinition, { total, shared }: IndexCounts) => ({
	path: pathText(index),
	unique: index.isUnique,
	stage: index.stage,
	since: new Date(index.since).toISOString(),
	...(index.stage === 'filling' && { users: index.users, total }),
	...(index.isUnique && { shared }),
})

/** The state of an index for people. */
function stateOf(
	target: DeploymentTarget,
	tenant: Tenant,
	{ index, total }: { readonly index: IndexDefinition; readonly total: number },
): string {
	const minutes = minutesUntilDue(target, index)
	switch (index.stage) {
		case 'announced':
			return minutes > 0 ? `announced: is filled in ${minutes} minutes` : 'announced: is filled next'
		case 'filling':
			return `filling: ${index.users} of ${total} users`
		case 'complete':
			return isUsed(tenant, index)
				? 'complete'
				: 'not used: the attribute is declared otherwise now; remove the index and add it again'
		case 'leaving':
		case 'removing':
			return 'being removed'
	}
}

/** Whether filters use a complete index: they do not if another declaration of its attribute compares values otherwise. */
const isUsed = (tenant: Tenant, { name }: IndexDefinition): boolean =>
	usableIndexesOf(typesOf(tenant).User).some(({ own }) => own?.name === name)

const sharedInWords = (index: IndexDefinition, { count, values }: SharedValues): readonly string[] =>
	count === 0
		? []
		: [
				`It is not yet unique: ${count} of its values belong to several users. No other user gets them.`,
				...values.map(({ value, users }) => `  ${pathText(index)} ${JSON.stringify(value)}: ${users.join(', ')}`),
				...(count > values.length ? [`  and ${count - values.length} more`] : []),
			]

export const listIndexes: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const lines = await listedIndexes(target, await storeTenantNamed(target, name))
		const rows = lines.map(({ index, state }) => [pathText(index), index.isUnique ? 'yes' : 'no', state])
		return {
			text:
				lines.length === 0
					? `The tenant ${name} has no indexes of its own.`
					: [
							table([['PATH', 'UNIQUE', 'STATE'], ...rows]),
							...lines.flatMap(({ index, shared }) => sharedInWords(index, shared)),
						].join('\n'),
			json: lines.map(({ json }) => json),
		}
	}

/** The indexes that were added to a tenant: as they are stored, in words, and as data. */
export async function listedIndexes(target: DeploymentTarget, tenant: Tenant) {
	const [indexes, { users: total }] = await Promise.all([indexesOf(target, tenant.name), countsOf(target, tenant)])
	return Promise.all(
		indexes.map(async (index) => {
			const shared = await target.sharedValues(tenant, index)
			return { index, shared, state: stateOf(target, tenant, { index, total }), json: jsonOf(index, { total, shared }) }
		}),
	)
}

/** Stops the use of an index. Its rows are removed when no instance uses it any more: by the sweep, or at once. */
export const removeIndex: TargetCommand = ({ args: [name = '', text = ''] }) => {
	const path = pathOf(text)
	return async (target) => {
		const tenant = await storeTenantNamed(target, name)
		const declared = resolvedPath(tenant, path)
		let removed: IndexDefinition | undefined
		await target.tenants.updateIndexes(name, (indexes) => {
			removed = indexes.find((index) => isSamePath(pathIn(index.path), declared))
			if (removed === undefined || isLeaving(removed.stage)) return undefined
			const leaving = { ...removed, stage: 'leaving', since: Date.now(), worker: '' } as const
			return indexes.map((index) => (index === removed ? leaving : index))
		})
		if (removed === undefined) {
			throw new Failure(`${text} has no index that was added`, { hint: target.commandLine(`index list ${name}`) })
		}
		if (target.isAlone) await target.advanceIndexes(name)
		const shown = pathText(removed)
		return {
			text: target.isAlone
				? `The index of ${shown} was removed.`
				: `Filters no longer use the index of ${shown}. The app removes its rows within the next hour.`,
			json: { path: shown },
		}
	}
}

/** A path by its declared name; as it was typed if no schema has the attribute any more. */
function resolvedPath(tenant: Tenant, path: AttributePath): AttributePath {
	const subject = indexSubject(typesOf(tenant).User, path, true)
	return typeof subject === 'string' ? path : subject.path
}
