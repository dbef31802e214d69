import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { Services } from '../functions/services.ts'
import { createServices } from '../functions/services.ts'
import { parseFilter } from '../shared/scim/filter/parse.ts'
import { userType } from '../shared/scim/resource-type.ts'
import type { Send, TableRequest } from '../shared/storage/table/tables.ts'
import type { IndexDefinition } from '../shared/tenants/index-definition.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { startChild } from './child.ts'
import { printTable } from './measure.ts'

const users = 200_000

/**
 * Fills an index of a tenant with 200,000 users, on the simulator in another process. Prints its time and its requests to
 * the table service, and how long requests take that are served beside it.
 */
export async function fill(): Promise<void> {
	const read = z.object({ connectionString: z.string() }).parse
	const execArgv = ['--max-old-space-size=12000']
	const simulator = await startChild('./simulator.js', { args: [], read, execArgv })
	try {
		const { connectionString } = simulator.ready
		let requests = 0
		const count = { intercept: (send: Send) => (request: TableRequest) => send(request).finally(() => requests++) }
		const services = await createServices({ tables: { connectionString }, tokens: { file: 'unused' } }, count)
		const tenant = await services.tenants.createTenant({ name: 'fill', mode: 'store', settings: {} })
		if (tenant === 'exists') throw new Error('the tenant exists')
		await simulator.ask({ tenant: { name: tenant.name, table: tenant.table }, users })
		const alone = await served(services, tenant, async () => sleep(5000))
		requests = 0
		const beside = await served(services, tenant, async () => {
			await services.tenants.updateIndexes(tenant.name, () => [definition])
			const [defined] = await services.tenants.listTenants()
			if (defined !== undefined) await services.advanceIndexes(defined, Number.POSITIVE_INFINITY)
		})
		printTable(
			['', 'seconds', 'requests to storage', 'users a second', 'a match: p50 ms', 'p99 ms'],
			[
				['without a fill', '5', '', '', ...timesOf(alone)],
				[
					`the fill of ${users.toLocaleString('en')} users`,
					(beside.milliseconds / 1000).toFixed(1),
					(requests - beside.times.length).toLocaleString('en'),
					Math.round((users / beside.milliseconds) * 1000).toLocaleString('en'),
					...timesOf(beside),
				],
			],
		)
	} finally {
		simulator.stop()
	}
}

/** The index as it is when every instance keeps it. */
const definition: IndexDefinition = {
	...{ name: 'obench', slot: 0, path: { name: 'name', sub: 'familyName' }, type: 'string', caseExact: false },
	...{ isUnique: true, stage: 'filling', since: 0, position: '', users: 0, worker: '', worked: 0 },
}

type ServedWork = { readonly milliseconds: number; readonly times: readonly number[] }

/** Does work, and beside it one request after another that matches a user by userName. */
async function served(services: Services, tenant: Tenant, work: () => Promise<unknown>): Promise<ServedWork> {
	const store = services.open(tenant)
	const times: number[] = []
	let isDone = false
	const began = performance.now()
	const traffic = async () => {
		while (!isDone) {
			const start = performance.now()
			const filter = parseFilter(`userName eq "filled-${times.length}@example.com"`)
			await store.query(userType, { filter, page: { startIndex: 1, count: 1 } })
			times.push(performance.now() - start)
			await sleep(10)
		}
	}
	const beside = traffic()
	await work().finally(() => {
		isDone = true
	})
	const milliseconds = performance.now() - began
	await beside
	return { milliseconds, times }
}

function timesOf({ times }: ServedWork): readonly string[] {
	const sorted = times.toSorted((a, b) => a - b)
	return [0.5, 0.99].map((share) => (sorted[Math.floor(share * sorted.length)] ?? 0).toFixed(1))
}
