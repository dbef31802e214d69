import * as z from 'zod'
import type { ResourceId } from '../shared/scim/resource.ts'
import { groupType, userType } from '../shared/scim/resource-type.ts'
import { undo } from '../shared/storage/ledger/undo.ts'
import type { UndoPlan, UndoRequest } from '../shared/storage/ledger/undo-plan.ts'
import { undoKinds } from '../shared/storage/ledger/undo-window.ts'
import { connectTables } from '../shared/storage/table/tables.ts'
import { randomFrom } from '../test/support/simulator/table-service.ts'
import {
	damage,
	differences,
	exported,
	populate,
	type SizedDirectory,
	set,
	sizedDirectory,
} from '../test/support/undo-at-size.ts'
import { startChild } from './child.ts'
import { printTable } from './measure.ts'

const people = 10_000
const groups = 10
const members = 1_000_000
const leavers = 100
const minute = 60_000

/**
 * Takes away 10,000 people and their 100,000 memberships by random requests, and then a group of a million. Undoes each, and
 * prints the time, the requests to the table service, and whether everything is as before. The exit code is 1 if it is not.
 * The table service is the simulator, behind HTTP in another process.
 */
export async function undoAtSize(): Promise<void> {
	const read = z.object({ connectionString: z.string() }).parse
	const simulator = await startChild('./simulator.js', { args: [], read, execArgv: ['--max-old-space-size=16000'] })
	try {
		const laps = countedLaps()
		const tables = connectTables(simulator.ready, { intercept: laps.intercept })
		const tenant = { name: 'bench', table: 'tbench' }
		await tables.createTable(tenant.table)
		const directory = sizedDirectory(tables, { tenant })
		const isBack = await undoRandomRequests(directory, laps)
		const fill = (id: ResourceId) => simulator.ask({ tenant, group: { id, members } })
		const isGroupBack = await undoLargeGroup(directory, laps, fill)
		printTable(['', 's', 'storage requests'], laps.rows)
		console.log(`\n${verdict('people and memberships', isBack)}\n${verdict('the group', isGroupBack)}`)
		if (!isBack || !isGroupBack) process.exitCode = 1
	} finally {
		simulator.stop()
	}
}

const verdict = (what: string, isBack: boolean): string => `${what}: ${isBack ? 'as before' : 'NOT as before'}`

type Laps = ReturnType<typeof countedLaps>

/** Measures pieces of work, one after another. */
function countedLaps() {
	const rows: string[][] = []
	let requests = 0
	return {
		rows,
		intercept:
			<Q, A>(send: (request: Q) => Promise<A>) =>
			(request: Q): Promise<A> => {
				requests++
				return send(request)
			},
		async lap<T>(name: string, work: () => Promise<T>): Promise<T> {
			requests = 0
			const begun = performance.now()
			const result = await work()
			const seconds = ((performance.now() - begun) / 1000).toFixed(1)
			rows.push([name, seconds, requests.toLocaleString('en')])
			console.error(`${name}: ${seconds} s`)
			return result
		},
	}
}

async function undoRandomRequests(directory: SizedDirectory, { lap }: Laps): Promise<boolean> {
	const prod = directory.as('prod')
	const population = await lap(`create ${people} people in ${groups} groups`, () => populate(prod, { people, groups }))
	const since = pass(directory)
	const spared = new Set<string>(population.users.slice(0, leavers))
	for (const id of population.users.slice(0, leavers)) {
		await directory.as('hr').update(userType, id, set({ active: false }))
	}
	const before = await exported(prod)
	const done = await lap('random requests', () => damage(prod, population, { random: randomFrom(1), spared }))
	console.error(done)
	const selection = { since, credential: 'prod' }
	const { result } = await planAndUndo(directory, selection, { lap, name: 'random requests' })
	console.error(result)
	const again = await lap('plan again', () => plan(directory, selection))
	return differences(before, await exported(prod)).length === 0 && again.left.length === 0 && isEmpty(again)
}

/** A group with very many members is deleted and comes back. */
async function undoLargeGroup(
	directory: SizedDirectory,
	{ lap }: Laps,
	fill: (id: ResourceId) => Promise<unknown>,
): Promise<boolean> {
	const prod = directory.as('prod')
	const { id } = await prod.create(groupType, { attributes: { displayName: 'Everyone' } })
	await fill(id)
	const before = await exported(prod)
	const since = pass(directory)
	await lap('delete a group of a million', () => prod.delete(groupType, id))
	const selection = { since }
	await lap('finish the deletion', async () => {
		pass(directory)
		await directory.ledger.finishChanges(await plan(directory, selection))
	})
	await planAndUndo(directory, selection, { lap, name: 'the group' })
	return differences(before, await exported(prod)).length === 0
}

/** The next minutes, and their beginning. */
function pass({ clock, now }: SizedDirectory): number {
	clock.ahead += 2 * minute
	return now()
}

type UndoWhen = Pick<UndoRequest, 'since' | 'credential'>

const plan = ({ ledger, now }: SizedDirectory, selection: UndoWhen): Promise<UndoPlan> =>
	ledger.planUndo({ until: now(), only: undoKinds, isForced: false, ...selection })

async function planAndUndo(
	directory: SizedDirectory,
	selection: UndoWhen,
	{ lap, name }: Pick<Laps, 'lap'> & { readonly name: string },
) {
	pass(directory)
	const planned = await lap(`plan to undo ${name}`, () => plan(directory, selection))
	const result = await lap(`undo ${name}`, () => undo(directory.as('prod'), planned))
	return { planned, result }
}

const isEmpty = ({ revisions, restorations, memberships }: UndoPlan): boolean =>
	revisions.length + restorations.length + memberships.length === 0
