import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { benchUser } from '../../../../bench/user.ts'
import type { ResourceId, StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import { urn } from '../../../../shared/scim/urn.ts'
import type { History } from '../../../../shared/storage/rows/directory.ts'
import type { Row } from '../../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../../shared/storage/table-store.ts'
import { newDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

// What a change adds to the tables, in bytes, beside the figures of docs/history.md.
// https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model

const actor = {
	credential: { id: 'f'.repeat(16), label: 'prod' },
	requestId: '8f1c5b2e-1d3a-4c55-9a64-0d1b2c3d4e5f',
	client: 'Entra',
} as const

function bytesOf({ PartitionKey, RowKey, Timestamp: _, ...row }: Row & { readonly PartitionKey?: unknown }): number {
	const sizes = Object.entries(row)
		.filter(([name]) => !name.includes('odata'))
		.map(([name, value]) => 8 + 2 * name.length + bytesOfValue(value, /^w\d+$/.test(name)))
	return sizes.reduce((sum, size) => sum + size, 4 + 2 * ('acme'.length + RowKey.length))
}

function bytesOfValue(value: unknown, isBinary: boolean): number {
	if (isBinary) return 4 + Buffer.from(String(value), 'base64').length
	return typeof value === 'string' ? 4 + 2 * value.length : typeof value === 'boolean' ? 1 : 4
}

type Fixture = Awaited<ReturnType<typeof newFixture>>

async function newFixture(history: History) {
	const directory = await newDirectory(simulateTableService(), { history, feed: 'epochs' })
	const { tables, tenant, ids, feed, table } = directory
	const store = openDirectory({ tables, tenant, ids, feed, now: Date.now, random: () => 1, history, actor })
	const bytesIn = async (prefix: string) => {
		let sum = 0
		for await (const rows of table.pages({ from: prefix, to: `${prefix}~` })) {
			for (const row of rows) sum += bytesOf(row)
		}
		return sum
	}
	return { directory, store, bytesIn, sweep: () => directory.sweep() }
}

const usersIn = async ({ store }: Fixture, count: number): Promise<readonly StoredResource[]> => {
	const users: StoredResource[] = []
	for (let index = 0; index < count; index++) {
		users.push(await store.create(userType, { attributes: { userName: `user${index}@example.com` } }))
	}
	return users
}
const asMembers = (users: readonly StoredResource[]) => users.map(({ id }) => ({ value: id }))
const groupOf = ({ store }: Fixture, users: readonly StoredResource[]) =>
	store.create(groupType, { attributes: { displayName: 'Staff' }, members: asMembers(users) })
const joyIn = ({ store }: Fixture) => store.create(userType, { attributes: benchUser('joy') })

/** Prepares a change of the table, and answers what makes it. */
type Case = (fixture: Fixture) => Promise<() => Promise<unknown>>

const updating =
	(values: (attributes: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>): Case =>
	async (fixture) => {
		const { id } = await joyIn(fixture)
		return () =>
			fixture.store.update(userType, id, {
				revise: ({ attributes }) => ({ attributes: { ...attributes, ...values(attributes) } }),
			})
	}

const manager = { value: '01a22f2628db7004800000000000006b', displayName: 'Ann Other' }
const extension = (values: object) => (attributes: Readonly<Record<string, unknown>>) => ({
	[urn.enterpriseUser]: { ...(attributes[urn.enterpriseUser] as object), ...values },
})

const cases: Readonly<Record<string, Case>> = {
	'create a user': async (fixture) => () => joyIn(fixture),
	'deactivate a user': updating(() => ({ active: false })),
	'`title`': updating(() => ({ title: 'Chief Engineer' })),
	'department and manager': updating(extension({ department: 'Sales', manager })),
	rename: updating(() => ({
		userName: 'joy.li@example.com',
		displayName: 'Person Li',
		name: { givenName: 'Given', familyName: 'Li', formatted: 'Given Li' },
		emails: [{ type: 'work', value: 'joy.li@example.com', primary: true }],
	})),
	'move: addresses, phones, title, extension': updating((attributes) => ({
		title: 'Chief Engineer',
		addresses: [
			{ type: 'work', streetAddress: '2 Short Street', locality: 'Berlin', postalCode: '10115', country: 'DE' },
		],
		phoneNumbers: [{ type: 'work', value: '+49 30 7654321' }],
		...extension({ department: 'Sales' })(attributes),
	})),
	'add a member': async (fixture) => {
		const [user] = await usersIn(fixture, 1)
		const { id } = await groupOf(fixture, [])
		return () => fixture.store.changeMembers(id, { add: asMembers(user ? [user] : []), remove: [] })
	},
	'delete a user in one group': async (fixture) => {
		const joy = await joyIn(fixture)
		await groupOf(fixture, [joy])
		return () => fixture.store.delete(userType, joy.id)
	},
	'add 1,000 members': async (fixture) => {
		const users = await usersIn(fixture, 1000)
		const { id } = await groupOf(fixture, [])
		return () => fixture.store.changeMembers(id, { add: asMembers(users), remove: [] })
	},
	'remove 1,000 members': async (fixture) => {
		const users = await usersIn(fixture, 1000)
		const { id } = await groupOf(fixture, users)
		const ids = users.map((user) => user.id) as ResourceId[] // sound: ids of users
		return () => fixture.store.changeMembers(id, { add: [], remove: ids })
	},
	'delete a group of 1,000': async (fixture) => {
		const { id } = await groupOf(fixture, await usersIn(fixture, 1000))
		return () => fixture.store.delete(groupType, id)
	},
}

async function added(change: Case, history: History) {
	const fixture = await newFixture(history)
	const make = await change(fixture)
	await fixture.sweep()
	const kept = async () => (await fixture.bytesIn('f|')) + (await fixture.bytesIn('l|'))
	const before = { entry: await kept(), histories: await fixture.bytesIn('h|') }
	await make()
	const entry = (await kept()) - before.entry
	await fixture.sweep()
	return { entry, histories: (await fixture.bytesIn('h|')) - before.histories }
}

const page = readFileSync('docs/history.md', 'utf8')
const section = page.slice(page.indexOf('## What it adds'))
const lines = new Map(
	section
		.split('\n')
		.filter((line) => line.startsWith('| '))
		.map((line) => line.split('|').map((cell) => cell.trim()))
		.map(([, name = '', ...figures]) => [name, figures.slice(0, 4).map((text) => Number(text.replaceAll(',', '')))]),
)

test('the figures of docs/history.md are about the changes that are measured here', () => {
	const measured = [...lines.keys()].filter((name) => name !== 'Change' && name !== 'a refusal')
	expect(measured).toEqual(Object.keys(cases))
})

test.each(Object.entries(cases))('docs/history.md says how many bytes it adds to %s', async (name, change) => {
	const [off, names, full] = await Promise.all([added(change, 'off'), added(change, 'names'), added(change, 'full')])
	const measured = [off.entry, names.entry - off.entry, full.entry - names.entry, full.histories]
	const figures = lines.get(name) ?? []
	const isNear = (figure: number, bytes: number) => Math.abs(figure - bytes) <= Math.max(20, bytes / 20)
	expect({ measured, isNear: measured.map((bytes, index) => isNear(figures[index] ?? -1, bytes)) }).toEqual({
		...{ measured, isNear: [true, true, true, true] },
	})
})
