import { describe } from 'vitest'
import { connectTables } from '../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../shared/storage/table-store.ts'
import { testFeed } from '../../support/feed.ts'
import { sequenceOfIds } from '../../support/sequence.ts'
import { connectionString, type SimulatorOptions, simulateTableService } from '../../support/simulator/table-service.ts'
import { describeResourceStore } from './resource-store.contract.ts'

const ids = sequenceOfIds()

const open = (options: SimulatorOptions) => async () => {
	const service = simulateTableService(options)
	const tables = connectTables({ connectionString }, { intercept: () => service.send, pause: async () => {} })
	const tenant = { name: 'acme', table: `t${ids('Operation')}` }
	await tables.createTable(tenant.table)
	return openDirectory({ tables, tenant, ids, now: Date.now, random: Math.random, feed: testFeed })
}

describe('on the simulator,', () => describeResourceStore(open({})))

describe('on a simulator whose requests overtake each other and whose pages end early,', () =>
	describeResourceStore(open({ seed: 7, isInterleaved: true, shares: { shortPage: 0.3 } })))

describe('on a simulator that loses requests and answers, is too busy, and does requests late,', () =>
	describeResourceStore(
		open({ seed: 11, isInterleaved: true, shares: { lost: 0.05, late: 0.05, busy: 0.05, unsent: 0.05 } }),
	))
