import type { ResourceId } from '../../shared/scim/resource.ts'
import { userType } from '../../shared/scim/resource-type.ts'
import { create } from '../../shared/storage/resource/create.ts'
import { type Delta, fenceProperties, noFences, withDeltas } from '../../shared/storage/rows/count-histogram.ts'
import { countKey, deltaKey } from '../../shared/storage/rows/keys.ts'
import { insert, type Operation, type Properties } from '../../shared/storage/table/batch.ts'
import { chunked } from '../../shared/storage/table/parallel.ts'
import type { Table } from '../../shared/storage/table/tables.ts'
import type { TestDirectory } from './directory.ts'
import type { TableService } from './simulator/table-service.ts'

/**
 * Creates many users in an empty directory and folds their count. The code that creates users makes the rows; only that
 * those of many go in one transaction, or right into a simulator, and that the counts are folded before they are written.
 */
export async function seedUsers(
	{ table, tenant, ids }: Pick<TestDirectory, 'table' | 'tenant' | 'ids'>,
	count: number,
	simulator?: TableService,
): Promise<readonly ResourceId[]> {
	const rows = simulator === undefined ? gathered(table) : loaded(simulator, tenant)
	const deltas: Delta[] = []
	const seeded: Table = {
		...table,
		async transaction(operations) {
			const isCount = ({ key }: Operation) => key.startsWith(deltaKey(userType, ''))
			deltas.push(...operations.filter(isCount).map(deltaIn))
			await rows.write(operations.filter((operation) => !isCount(operation)))
			return { kind: 'done' }
		},
	}
	const pause = () => Promise.resolve()
	const time = Date.now()
	const directory = { table: seeded, ids, pause, now: () => time, random: () => 1, scanLimit: 0, keepFeedFor: 0 }
	const made: ResourceId[] = []
	for (let index = 0; index < count; index++) {
		made.push((await create(directory, userType, { attributes: { userName: `seeded-${index}` } })).id)
	}
	await rows.end()
	await transact(table, [insert(countKey(userType), fenceProperties(withDeltas(noFences, deltas)))])
	return made
}

type Rows = {
	/** Takes the rows of one user. */
	write(operations: readonly Operation[]): Promise<void>
	/** Writes what is left. */
	end(): Promise<void>
}

const rowsAtOnce = 100

/** In the order of their keys, which takes Azurite half the time. */
function gathered(table: Table): Rows {
	const waiting: Operation[] = []
	return {
		async write(operations) {
			waiting.push(...operations)
		},
		async end() {
			waiting.sort((a, b) => (a.key < b.key ? -1 : 1))
			for (const some of chunked(waiting, rowsAtOnce)) await transact(table, some)
		},
	}
}

async function transact(table: Table, operations: readonly Operation[]): Promise<void> {
	const { kind } = await table.transaction(operations)
	if (kind !== 'done') throw new Error(`seeding met ${kind}`)
}

const loaded = (simulator: TableService, { name, table }: TestDirectory['tenant']): Rows => ({
	async write(operations) {
		for (const operation of operations) {
			simulator.load(table, { partitionKey: name, rowKey: operation.key }, propertiesIn(operation))
		}
	},
	end: () => Promise.resolve(),
})

function propertiesIn(operation: Operation): LoadedProperties {
	if (operation.kind !== 'insert' || !areLoadable(operation.properties)) {
		throw new TypeError(`${operation.key} cannot be loaded`)
	}
	return operation.properties
}

type LoadedProperties = Parameters<TableService['load']>[2]

const areLoadable = (properties: Properties): properties is LoadedProperties =>
	Object.values(properties).every((value) => typeof value !== 'object')

function deltaIn(operation: Operation): Delta {
	const { id, d } = 'properties' in operation ? operation.properties : {}
	if (typeof id !== 'string' || typeof d !== 'number') throw new TypeError(`${operation.key} counts nothing`)
	return { id, difference: d }
}
