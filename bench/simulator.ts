import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as z from 'zod'
import { idGenerator } from '../shared/scim/id.ts'
import { userType } from '../shared/scim/resource-type.ts'
import { existenceRow, memberRow, membershipRow } from '../shared/storage/rows/schema.ts'
import { connectTables, type TableRequest } from '../shared/storage/table/tables.ts'
import { openDirectory } from '../shared/storage/table-store.ts'
import { connectionString, simulateTableService } from '../test/support/simulator/table-service.ts'
import { benchUser } from './user.ts'

// Runs the simulated table service behind HTTP in its own process. It fills its tables itself, which saves requests.

const service = simulateTableService()
const ids = idGenerator(Date.now, (digits) => randomBytes(16).toString('hex').slice(0, digits))

const server = createServer(async (incoming, outgoing) => {
	const chunks: Buffer[] = []
	for await (const chunk of incoming) chunks.push(chunk)
	const headers = {
		Accept: String(incoming.headers.accept),
		'Content-Type': String(incoming.headers['content-type']),
	}
	const response = await service.send({
		method: incoming.method as TableRequest['method'], // sound: our client sends no other method
		path: (incoming.url ?? '').replace(/^\/simulator\//, ''),
		headers,
		body: Buffer.concat(chunks).toString(),
	})
	const names = ['etag', 'x-ms-continuation-nextpartitionkey', 'x-ms-continuation-nextrowkey']
	const responseHeaders = names.flatMap((name) => {
		const value = response.headers.get(name)
		return value === undefined ? [] : [[name, value]]
	})
	const content = Buffer.from(response.text)
	outgoing
		.writeHead(response.status, { ...Object.fromEntries(responseHeaders), 'Content-Length': content.length })
		.end(content)
})
server.listen(0, '127.0.0.1', () => {
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	process.send?.({ connectionString: connectionString.replace('127.0.0.1:1/', `127.0.0.1:${port}/`) })
})

const order = z.object({
	tenant: z.object({ name: z.string(), table: z.string() }),
	/** Users to create. */
	users: z.number().optional(),
	/** Bytes of JSON of each user to create, beside the usual attributes: of one letter, which compresses, or of noise. */
	padding: z.object({ bytes: z.number(), of: z.enum(['letter', 'noise']) }).optional(),
	/** A group to add members to whose users have no more than their existence rows. */
	group: z.object({ id: z.string(), members: z.number() }).optional(),
})

process.on('message', async (message) => {
	const { tenant, users = 0, padding, group } = order.parse(JSON.parse(String(message)))
	const tables = connectTables({ connectionString }, { intercept: () => service.send })
	const store = openDirectory({ tables, tenant, ids, now: Date.now, random: Math.random, feed: 'operations' })
	for (let index = 0; index < users; index++) {
		const attributes = benchUser(`filled-${tenant.table}-${service.size(tenant.table)}-${index}`)
		const nickName = padding && paddingOf(padding)
		await store.create(userType, { attributes: nickName === undefined ? attributes : { ...attributes, nickName } })
	}
	if (group !== undefined) {
		const partitionKey = tenant.name
		const existence = existenceRow.properties({ letter: 'u' })
		const member = memberRow.properties({ letter: 'u' })
		for (let index = 0; index < group.members; index++) {
			const id = ids('User')
			service.load(tenant.table, { partitionKey, rowKey: existenceRow.key(id) }, existence)
			service.load(tenant.table, { partitionKey, rowKey: memberRow.key(group.id, id) }, member)
			service.load(tenant.table, { partitionKey, rowKey: membershipRow.key(id, group.id) }, {})
		}
	}
	process.send?.({ entities: service.size(tenant.table) })
})

const paddingOf = ({ bytes, of }: { readonly bytes: number; readonly of: 'letter' | 'noise' }): string =>
	of === 'letter' ? 'x'.repeat(bytes) : randomBytes(bytes).toString('base64').slice(0, bytes)
