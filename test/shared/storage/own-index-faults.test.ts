import { expect, test } from 'vitest'
import { ScimError } from '../../../shared/scim/error.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { type OwnIndex, type ResourceType, userType } from '../../../shared/scim/resource-type.ts'
import { clearIndex, fillIndex } from '../../../shared/storage/resource/own-index.ts'
import { violationsIn } from '../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../support/directory.ts'
import { withFaults } from '../../support/faults.ts'
import { simulateTableService } from '../../support/simulator/table-service.ts'

// Processes change users at random while others fill two indexes. They lose requests and answers, find the service busy,
// have writes that are done late, and die. Afterwards all rows must agree. `SEED=17 npx vitest run …` repeats one run.

const seeds = process.env.SEED === undefined ? [1, 2, 3] : [Number(process.env.SEED)]

const indexes: readonly OwnIndex[] = [
	{
		...{ name: 'oa', slot: 0, path: { name: 'title' }, type: 'string', caseExact: false },
		...{ isUnique: false, isKept: true, isComplete: false },
	},
	{
		...{ name: 'ob', slot: 1, path: { name: 'nickName' }, type: 'string', caseExact: false },
		...{ isUnique: true, isKept: true, isComplete: false },
	},
]
const knowing: ResourceType = { ...userType, indexes }

/** Numbers from 0 up to a limit that a seed determines (a linear congruential generator). */
function chanceFrom(seed: number): (limit: number) => number {
	let state = (seed * 2_654_435_761) >>> 0
	return (limit) => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
		return Math.floor((state / 2 ** 32) * limit)
	}
}

/** A process that loses 3% of its requests and 3% of the answers. One request in so many kills it before it is sent. */
function begin(directory: TestDirectory, below: (limit: number) => number, lives = 60) {
	let isDead = false
	const around = withFaults(() => {
		isDead ||= below(lives) === 0
		const fate = below(100)
		return isDead || fate < 3 ? 'unsent' : fate < 6 ? 'lost' : 'answered'
	})
	return { store: directory.open(around), rows: directory.rows(around), isDead: () => isDead }
}

type Running = {
	readonly directory: TestDirectory
	readonly below: (limit: number) => number
	readonly ids: ResourceId[]
}

const attributesFrom = (below: (limit: number) => number) => ({
	...(below(5) > 0 && { title: `title ${below(9)}` }),
	...(below(5) > 0 && { nickName: `nick ${below(60)}` }),
})

let names = 0

async function change({ directory, below, ids }: Running, type: ResourceType, steps: number): Promise<void> {
	let { store, isDead } = begin(directory, below)
	for (let step = 0; step < steps; step++) {
		const id = ids[below(ids.length)] ?? ''
		const attributes = attributesFrom(below)
		try {
			const turn = below(10)
			if (turn < 3)
				ids.push((await store.create(type, { attributes: { userName: `user-${++names}`, ...attributes } })).id)
			else if (turn < 4) await store.delete(type, id)
			else if (turn < 7) {
				await store.update(type, id, {
					revise: ({ attributes: { userName } }) => ({ attributes: { userName, ...attributes } }),
				})
			} else {
				await store.update(type, id, {
					revise: (current) => ({ attributes: { ...current.attributes, active: below(2) === 0 } }),
				})
			}
		} catch (error) {
			// A value is taken, or the process is dead.
			if (!(error instanceof ScimError)) throw error
		}
		if (isDead()) ({ store, isDead } = begin(directory, below))
	}
}

/** Fills or clears the indexes until a process does not die on the way, and answers how many have died. */
async function untilDone({ directory, below }: Running, work: (process: ReturnType<typeof begin>) => Promise<unknown>) {
	for (let died = 0; ; died++) {
		try {
			await work(begin(directory, below, 12))
			return died
		} catch (error) {
			if (!(error instanceof ScimError)) throw error
		}
	}
}

const span = { position: '', until: Number.POSITIVE_INFINITY }

test.each(seeds)(
	'after faults of all kinds, the rows of indexes agree with the users (seed %i)',
	async (seed) => {
		const service = simulateTableService({
			...{ seed, shares: { busy: 0.01, late: 0.005, shortPage: 0.1 }, isInterleaved: true },
		})
		const directory = await newDirectory(service)
		const running: Running = { directory, below: chanceFrom(seed), ids: [] }
		const writers = (count: number, type: ResourceType, steps: number) =>
			Array.from({ length: count }, () => change(running, type, steps))
		// Some processes know the indexes already, and some do not yet.
		await Promise.all([...writers(8, userType, 30), ...writers(8, knowing, 30)])
		service.finishLate()
		expect(await violationsIn(directory.table)).toEqual([])
		const fill = ({ rows }: ReturnType<typeof begin>) =>
			Promise.all(indexes.map((index) => fillIndex(rows, index, span)))
		const filling = [untilDone(running, fill), untilDone(running, fill)]
		await Promise.all([...filling, ...writers(12, knowing, 30)])
		service.finishLate()
		await directory.sweep()
		await directory.sweep()
		expect(await violationsIn(directory.table, undefined, indexes)).toEqual([])
		// Some processes still keep the indexes, while others do not any more. Then their rows are removed.
		await Promise.all([...writers(6, userType, 20), ...writers(6, knowing, 20)])
		service.finishLate()
		const clear = ({ rows }: ReturnType<typeof begin>) =>
			Promise.all(indexes.map((index) => clearIndex(rows, index, Number.POSITIVE_INFINITY)))
		const clearing = [untilDone(running, clear), untilDone(running, clear)]
		await Promise.all([...clearing, ...writers(8, userType, 20)])
		service.finishLate()
		await directory.sweep()
		expect(await violationsIn(directory.table)).toEqual([])
		expect(await directory.table.first({ from: 'y|oa', to: 'y|oc' }, 1)).toEqual([])
		const deaths = await Promise.all([...filling, ...clearing])
		expect(deaths.reduce((sum, died) => sum + died)).toBeGreaterThan(0)
	},
	120_000,
)
