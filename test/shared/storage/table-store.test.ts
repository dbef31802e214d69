import { connectTables } from '../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../shared/storage/table-store.ts'
import { useAzurite } from '../../support/azurite.ts'
import { testFeed } from '../../support/feed.ts'
import { sequenceOfIds } from '../../support/sequence.ts'
import { describeResourceStore } from './resource-store.contract.ts'

const azurite = useAzurite()
const ids = sequenceOfIds()

describeResourceStore(async () => {
	const tables = connectTables({ connectionString: azurite().connectionString })
	const tenant = { name: 'acme', table: `t${ids('Operation')}` }
	await tables.createTable(tenant.table)
	return openDirectory({ tables, tenant, ids, now: Date.now, random: Math.random, feed: testFeed })
})
