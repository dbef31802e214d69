import { isDeepStrictEqual } from 'node:util'
import { ScimError } from '../../scim/error.ts'
import { builtInTypes, userType } from '../../scim/resource-type.ts'
import type { ResourceStore } from '../resource-store.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import {
	type LeftAsItIs,
	type MembershipsToUndo,
	type ResourceToRestore,
	type RevisionToUndo,
	type UndoPlan,
	type UndoSubject,
	valueAt,
	withValues,
} from './undo-plan.ts'

/** How many people and groups were set back, and what turned out to be another than the plan says. */
export type UndoResult = {
	readonly revised: number
	readonly restored: number
	readonly memberships: number
	readonly left: readonly LeftAsItIs[]
}

type StepResult = 'done' | LeftAsItIs

/** How many resources are written at once. */
const width = 8
/** Members that one request of a client might add. */
const membersAtOnce = 10_000

/**
 * Does what a plan says by ordinary changes: values, then people, then groups, then memberships. It can be interrupted: a
 * new plan has the rest. A row that another request has changed since the plan was made is left.
 */
export async function undo(store: ResourceStore, plan: UndoPlan): Promise<UndoResult> {
	const revised = await inParallel(plan.revisions, (step) => revise(store, step), width)
	const people = plan.restorations.filter(({ type }) => type === 'User')
	const groups = plan.restorations.filter(({ type }) => type === 'Group')
	const restored = [
		...(await inParallel(people, (step) => restore(store, step), width)),
		...(await inParallel(groups, (step) => restore(store, step), width)),
	]
	const members = (await inParallel(plan.memberships, (step) => changeBack(store, step), width)).flat()
	const count = (results: readonly StepResult[]) => results.filter((result) => result === 'done').length
	return {
		revised: count(revised),
		restored: count(restored),
		memberships: members.reduce((sum, { changed }) => sum + changed, 0),
		left: [
			...[...revised, ...restored].filter((result) => result !== 'done'),
			...members.flatMap(({ left }) => (left === undefined ? [] : [left])),
		],
	}
}

const leftAs = ({ id, type, name }: UndoSubject, reason: LeftAsItIs['reason']): LeftAsItIs => ({
	id,
	type,
	name,
	reason,
})

/** A value that is taken by now leaves the resource as it is. */
async function unlessTaken(subject: UndoSubject, work: () => Promise<StepResult>): Promise<StepResult> {
	try {
		return await work()
	} catch (error) {
		if (!(error instanceof ScimError && error.scimType === 'uniqueness')) throw error
		return leftAs(subject, 'taken')
	}
}

const revise = (store: ResourceStore, step: RevisionToUndo): Promise<StepResult> =>
	unlessTaken(step, async () => {
		let isChanged = false
		const result = await store.update(builtInTypes[step.type], step.id, {
			revise: ({ attributes }) => {
				isChanged = step.values.some(({ path, is }) => !isDeepStrictEqual(valueAt(attributes, path), is))
				return isChanged ? undefined : { attributes: withValues(attributes, step.values) }
			},
		})
		if (typeof result === 'string') return leftAs(step, 'gone')
		return isChanged ? leftAs(step, 'again') : 'done'
	})

const restore = (store: ResourceStore, step: ResourceToRestore): Promise<StepResult> =>
	unlessTaken(step, async () => {
		const { id, type, attributes } = step
		// Another undo may have come first.
		if ((await store.get(builtInTypes[type], id)) !== undefined) return 'done'
		await store.create(builtInTypes[type], { id, attributes })
		return 'done'
	})

type MembersChangedBack = { readonly changed: number; readonly left?: LeftAsItIs }

/** A user or a group that is gone by now is passed over. */
async function changeBack(store: ResourceStore, step: MembershipsToUndo): Promise<readonly MembersChangedBack[]> {
	const results: MembersChangedBack[] = []
	for (const remove of chunked(step.remove, membersAtOnce)) results.push(await changeSome(store, step, { remove }))
	for (const add of chunked(step.add, membersAtOnce)) results.push(await changeSome(store, step, { add }))
	return results
}

async function changeSome(
	store: ResourceStore,
	step: MembershipsToUndo,
	{ add = [], remove = [] }: Partial<Pick<MembershipsToUndo, 'add' | 'remove'>>,
): Promise<MembersChangedBack> {
	try {
		const result = await store.changeMembers(step.id, { add, remove })
		if (result === 'absent') return { changed: 0, left: leftAs(step, 'gone') }
		return { changed: add.length + remove.length }
	} catch (error) {
		if (!(error instanceof ScimError && error.scimType === 'invalidValue')) throw error
		const rows = await inParallel(add, ({ value }) => store.get(userType, value))
		const users = add.filter((_, index) => rows[index] !== undefined)
		if (users.length === 0 || users.length === add.length) return { changed: 0, left: leftAs(step, 'gone') }
		return changeSome(store, step, { add: users })
	}
}
