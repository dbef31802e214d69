import type { AttributeValues, ResourceId } from '../../shared/scim/resource.ts'
import { type ResourceType, userType } from '../../shared/scim/resource-type.ts'
import { noLossKnown } from '../../shared/storage/losses.ts'
import { create } from '../../shared/storage/resource/create.ts'
import {
	type CountDifference,
	emptyHistogram,
	totalOf,
	withDifferences,
} from '../../shared/storage/rows/count-histogram.ts'
import { noEpochKnown } from '../../shared/storage/rows/directory.ts'
import { countDifferenceRow, countRow } from '../../shared/storage/rows/schema.ts'
import { insert, type Operation, type Properties } from '../../shared/storage/table/batch.ts'
import { chunked } from '../../shared/storage/table/parallel.ts'
import type { Table } from '../../shared/storage/table/tables.ts'
import type { TestDirectory } from './directory.ts'
import type { TableService } from './simulator/table-service.ts'

type SeedOptions = {
	readonly type?: ResourceType
	/** What a user has besides a userName, by its number from 0. */
	readonly attributesOf?: (index: number) => AttributeValues
}

/**
 * Creates many users in an empty directory and folds their count. The product code makes the rows. Unlike the product,
 * this writes the rows of many users in one transaction, or loads them into a simulator, and folds the count first.
 */
export async function seedUsers(
	{ table, tenant, ids }: Pick<TestDirectory, 'table' | 'tenant' | 'ids'>,
	count: number,
	simulator?: TableService,
	{ type = userType, attributesOf = () => ({}) }: SeedOptions = {},
): Promise<readonly ResourceId[]> {
	const rows = simulator === undefined ? sortedRows(table) : loadedRows(simulator, tenant)
	const differences: CountDifference[] = []
	const seeded: Table = {
		...table,
		async transaction(operations) {
			const isCount = ({ key }: Operation) => key.startsWith(countDifferenceRow.key('u', ''))
			differences.push(...operations.filter(isCount).map(differenceIn))
			await rows.write(operations.filter((operation) => !isCount(operation)))
			return { kind: 'done' }
		},
	}
	const pause = () => Promise.resolve()
	const time = Date.now()
	const withoutEpochs = { feed: 'operations', epochs: noEpochKnown(), losses: noLossKnown(), elapsed: () => 0 } as const
	const limits = { writtenFormat: 1, scanLimit: 0, keepFeedFor: 0, history: 'names' } as const
	const directory = { table: seeded, ids, pause, now: () => time, random: () => 1, ...limits, ...withoutEpochs }
	const userIds: ResourceId[] = []
	for (let index = 0; index < count; index++) {
		userIds.push(
			(await create(directory, type, { attributes: { userName: `seeded-${index}`, ...attributesOf(index) } })).id,
		)
	}
	await rows.end()
	const histogram = withDifferences(emptyHistogram, differences)
	await transact(table, [insert(countRow.key('u'), countRow.properties({ total: totalOf(histogram), histogram }))])
	return userIds
}

type Rows = {
	/** Takes the rows of one user. */
	write(operations: readonly Operation[]): Promise<void>
	/** Writes the rows that are not written yet. */
	end(): Promise<void>
}

const rowsAtOnce = 100

/** Writes the rows at the end in the order of their keys, which takes Azurite half the time. */
function sortedRows(table: Table): Rows {
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
	if (kind !== 'done') throw new Error(`the transaction of the seed ended with ${kind}`)
}

const loadedRows = (simulator: TableService, { name, table }: TestDirectory['tenant']): Rows => ({
	async write(operations) {
		for (const operation of operations) {
			simulator.load(table, { partitionKey: name, rowKey: operation.key }, propertiesIn(operation))
		}
	},
	end: () => Promise.resolve(),
})

function propertiesIn(operation: Operation): Properties {
	if (operation.kind !== 'insert') throw new TypeError(`${operation.key} is not inserted, and cannot be loaded`)
	return operation.properties
}

function differenceIn(operation: Operation): CountDifference {
	const properties = 'properties' in operation ? operation.properties : {}
	const row = { ...properties, RowKey: operation.key }
	return { id: countDifferenceRow.id.of(row), difference: countDifferenceRow.difference.of(row) }
}
