import { kindOfId } from '../../scim/id.ts'
import { builtInTypes, type TypeName, typeNames } from '../../scim/resource-type.ts'
import { type GuardReport, guardReport } from '../guard.ts'
import type { GuardLimits } from '../losses.ts'
import { uniqueRows } from '../query/unique-rows.ts'
import { type RefusalCount, refusalsAbout, refusalsSince, subjectOf } from '../refusals.ts'
import { totalOf } from '../rows/count-histogram.ts'
import { countsReadOnly } from '../rows/counts.ts'
import type { Directory } from '../rows/directory.ts'
import { idOf } from '../rows/entity.ts'
import { indexesOf } from '../rows/indexes.ts'
import { inParallel } from '../table/parallel.ts'
import type { Table } from '../table/tables.ts'
import { type DirectoryOptions, directoryOf } from '../table-store.ts'
import { lastWrite } from './activity.ts'
import { type Erasure, eraseUser } from './erase.ts'
import { historyOf, type LedgerSubject, type ResourceHistory, resourcesNamed } from './history.ts'
import { namePart } from './history-rows.ts'
import { finishChanges, planUndo, type UndoPlan, type UndoRequest } from './undo-plan.ts'

/** What happened in the directory of one tenant, and what was refused. Nothing here is for SCIM clients. */
export type Ledger = {
	/** The resources that an id, a userName or a displayName may mean: those that are there, or else those that were. */
	find(text: string): Promise<readonly LedgerSubject[]>
	history(subject: LedgerSubject): Promise<ResourceHistory>
	/** Refusals about an id in the path, or about a name that a request had. */
	refusalsAbout(nameOrId: string): Promise<readonly RefusalCount[]>
	/** Refusals that are not older than `since`, in milliseconds since 1970. */
	refusalsSince(since: number): AsyncGenerator<readonly RefusalCount[]>
	/** How many users and groups there are. */
	counts(): Promise<{ readonly users: number; readonly groups: number }>
	/** When the last change was made: RFC 3339; undefined if none is kept. */
	lastWrite(): Promise<string | undefined>
	/** What the tenant has lost in the last hour, and what is allowed. */
	losses(limits: GuardLimits): Promise<GuardReport>
	/** Takes a user out of the ledger. */
	erase(userId: string): Promise<Erasure>
	/** What an undo is to do. Nothing is written. */
	planUndo(request: UndoRequest): Promise<UndoPlan>
	/** Finishes the deletions and large changes that a plan had to wait for. */
	finishChanges(plan: UndoPlan): Promise<void>
}

export function openLedger(options: DirectoryOptions): Ledger {
	const directory = directoryOf(options)
	return {
		find: (text) => find(directory, text),
		history: (subject) => historyOf(directory, subject),
		refusalsAbout: (nameOrId) => refusalsAbout(directory.table, subjectOf({ resourceId: nameOrId })),
		refusalsSince: (since) => refusalsSince(directory.table, since),
		counts: () => countsIn(directory.table),
		lastWrite: () => lastWrite(directory),
		losses: (limits) => guardReport(directory, limits),
		erase: (userId) => eraseUser(directory, userId),
		planUndo: (request) => planUndo(directory, request),
		finishChanges: (plan) => finishChanges(directory, plan),
	}
}

async function countsIn(table: Table) {
	const count = async (name: TypeName) => totalOf(await countsReadOnly(table, { name }))
	const [users, groups] = await Promise.all([count('User'), count('Group')])
	return { users, groups }
}

async function find(directory: Directory, text: string): Promise<readonly LedgerSubject[]> {
	const kind = kindOfId(text)
	if (kind === 'User' || kind === 'Group') return [{ id: text, type: kind }]
	const now = await inParallel(typeNames, (type) => subjectsNamed(directory.table, type, text))
	const found = now.flat()
	return found.length > 0 ? found : resourcesNamed(directory, namePart(text))
}

async function subjectsNamed(table: Table, type: TypeName, name: string): Promise<readonly LedgerSubject[]> {
	const index = indexesOf(builtInTypes[type]).find(({ unique }) => unique)
	const rows = index === undefined ? [] : await uniqueRows(table, index, name)
	return rows.map((row) => ({ id: idOf(row), type }))
}
