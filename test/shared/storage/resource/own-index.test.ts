import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../../shared/scim/error.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, type OwnIndex, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import { urn } from '../../../../shared/scim/urn.ts'
import { foldKeys } from '../../../../shared/storage/fold-keys.ts'
import { clearIndex, fillIndex } from '../../../../shared/storage/resource/own-index.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { connectTables, type Send } from '../../../../shared/storage/table/tables.ts'
import { directoryOf, openDirectory } from '../../../../shared/storage/table-store.ts'
import { maxOperations } from '../../../../shared/storage/transaction/commit.ts'
import { violationsIn } from '../../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { withFaults } from '../../../support/faults.ts'
import { testFeed } from '../../../support/feed.ts'
import { seedUsers } from '../../../support/seed.ts'
import { connectionString, simulateTableService, type TableService } from '../../../support/simulator/table-service.ts'

const own = (properties: Partial<OwnIndex> = {}): OwnIndex => ({
	...{ name: 'oa', slot: 0, path: { uri: urn.enterpriseUser, name: 'employeeNumber' }, type: 'string' },
	...{ caseExact: false, isUnique: false, isKept: true, isComplete: true },
	...properties,
})

const typeWith = (...indexes: readonly OwnIndex[]): ResourceType => ({ ...userType, indexes })

const byNumber = own()
const filling = own({ isComplete: false })
const unique = own({ isUnique: true })

let names = 0
const withNumber = (employeeNumber?: string, extra = {}) => ({
	userName: `user-${++names}`,
	...(employeeNumber !== undefined && { [urn.enterpriseUser]: { employeeNumber } }),
	...extra,
})

const create = async (store: ResourceStore, type: ResourceType, employeeNumber?: string): Promise<ResourceId> =>
	(await store.create(type, { attributes: withNumber(employeeNumber) })).id

const change = (store: ResourceStore, type: ResourceType, id: string, employeeNumber: string | undefined) =>
	store.update(type, id, {
		revise: ({ attributes }) => ({ attributes: { ...attributes, [urn.enterpriseUser]: { employeeNumber } } }),
	})

const deactivate = (store: ResourceStore, type: ResourceType, id: string) =>
	store.update(type, id, { revise: ({ attributes }) => ({ attributes: { ...attributes, active: false } }) })

async function found(store: ResourceStore, type: ResourceType, filter: string): Promise<readonly string[]> {
	const { resources } = await store.query(type, { filter: parseFilter(filter), page: { startIndex: 1, count: 100 } })
	return resources.map(({ id }) => id)
}

const path = `${urn.enterpriseUser}:employeeNumber`

/** Another process on the same tables. */
function processOn(
	{ tenant, ids }: TestDirectory,
	service: TableService,
	around: (send: Send) => Send = (send) => send,
) {
	const tables = connectTables(
		{ connectionString },
		{ intercept: () => around(service.send), pause: () => Promise.resolve() },
	)
	return directoryOf({ tables, tenant, ids, now: Date.now, random: () => 1, feed: 'operations' })
}

const always = { position: '', until: Number.POSITIVE_INFINITY }

async function newTest() {
	const service = simulateTableService()
	const directory = await newDirectory(service)
	return { service, directory, ...directory, worker: processOn(directory, service) }
}

describe('an own index', () => {
	test('answers eq and sw with one request, at the cost of externalId', async () => {
		const { store, meter } = await newTest()
		const type = typeWith(byNumber)
		const [ann, bob] = [await create(store, type, 'E-17'), await create(store, type, 'E-175')]
		await create(store, type)
		for (const [filter, ids] of [
			[`${path} eq "e-17"`, [ann]],
			[`employeeNumber eq "E-175"`, [bob]],
			[`employeeNumber eq "E-1"`, []],
			[`employeeNumber sw "e-17"`, [ann, bob]],
			[`employeeNumber eq "E-17" and userName sw "user"`, [ann]],
		] as const) {
			const { result, requests } = await meter.measure(() => found(store, type, filter))
			expect({ filter, result, requests }).toEqual({ filter, result: ids, requests: 1 })
		}
	})

	test('is kept current by create, update and delete, which take no more requests than without it', async () => {
		const { store, table, meter } = await newTest()
		const five = Array.from({ length: 5 }, (_, slot) => own({ name: `o${slot}`, slot, isUnique: slot % 2 === 0 }))
		const type = typeWith(...five)
		// With epochs, the first change of a process reads which one is open.
		await create(store, type, '0')
		const created = await meter.measure(() => create(store, type, '1'))
		const id = created.result
		const changed = await meter.measure(() => change(store, type, id, '2'))
		const kept = await meter.measure(() => deactivate(store, type, id))
		expect([created.requests, changed.requests, kept.requests]).toEqual([1, 2, 2])
		expect(await violationsIn(table, undefined, five)).toEqual([])
		expect(await found(store, type, `${path} eq "1"`)).toEqual([])
		expect(await found(store, type, `${path} eq "2"`)).toEqual([id])
		await change(store, type, id, undefined)
		expect(await violationsIn(table, undefined, five)).toEqual([])
		await change(store, type, id, '3')
		const deleted = await meter.measure(() => store.delete(type, id))
		expect(deleted.requests).toBe(3)
		expect(await violationsIn(table, undefined, five)).toEqual([])
	})

	test('has no rows left of a user whom a process changes or deletes that does not know the index', async () => {
		const { store, table } = await newTest()
		const type = typeWith(byNumber)
		const [ann, bob] = [await create(store, type, '1'), await create(store, type, '2')]
		await deactivate(store, userType, ann)
		await store.delete(userType, bob)
		expect(await violationsIn(table)).toEqual([])
		expect(await found(store, type, `${path} eq "1"`)).toEqual([])
	})

	test('leaves no row of an index that had its place before', async () => {
		const { store, table } = await newTest()
		const id = await create(store, typeWith(own({ name: 'ob' })), '1')
		await deactivate(store, typeWith(byNumber), id)
		expect(await violationsIn(table)).toEqual([])
		expect(await table.first({ from: 'y|o', to: 'y|p' }, 9)).toEqual([])
	})

	test('is used only when it is complete, and then only for what it holds', async () => {
		const { store, meter } = await newTest()
		const id = await create(store, userType, '1')
		expect(await found(store, typeWith(filling), `${path} eq "1"`)).toEqual([id])
		const exact = typeWith(own({ caseExact: true }))
		expect(await found(store, exact, `${path} eq "1"`)).toEqual([id])
		const { requests } = await meter.measure(() => found(store, typeWith(byNumber), `not (${path} eq "1")`))
		expect(requests).toBe(1)
	})

	test('finds numbers in any notation, and sub-attributes', async () => {
		const { store, table, worker } = await newTest()
		const level = own({ type: 'integer' })
		const family = own({ name: 'ob', slot: 1, path: { name: 'name', sub: 'familyName' } })
		const attributes = { ...withNumber(), name: { familyName: 'Young' }, [urn.enterpriseUser]: { employeeNumber: 42 } }
		const type = typeWith(level, family)
		const { id } = await store.create(type, { attributes })
		const keys = (await worker.table.first({ from: 'y|o', to: 'y|p' }, 9)).map(({ RowKey }) => RowKey)
		expect(keys).toEqual([`y|oa|42|${id}`, `y|ob|young|${id}`])
		expect(await found(store, type, 'name.familyName eq "YOUNG"')).toEqual([id])
		expect(await violationsIn(table, undefined, [level, family])).toEqual([])
	})

	test('is named in the refusal of a filter that would read too many users', async () => {
		const { directory, service, tenant, ids } = await newTest()
		const tables = connectTables({ connectionString }, { intercept: () => service.send })
		const store = openDirectory({
			tables,
			tenant,
			ids,
			now: Date.now,
			random: () => 1,
			feed: 'operations',
			scanLimit: 1000,
		})
		await seedUsers(directory, 1100, service)
		await expect(found(store, userType, `employeeNumber eq "1"`)).rejects.toThrow(
			`there are more than 1000 resources to look through: add an index with: rollcall index add TENANT ${path}, or page by cursor without sortBy`,
		)
		await expect(found(store, typeWith(filling), `employeeNumber eq "1"`)).rejects.toThrow(
			`wait until the index of ${path} is complete`,
		)
		await expect(found(store, userType, `active eq true`)).rejects.toThrow('filter by an attribute that has an index')
	})
})

describe('in a directory of 200,000 users', () => {
	test('an own index takes one request, and without it the filter is refused with what helps', async () => {
		const { directory, service, store, meter } = await newTest()
		const type = typeWith(byNumber)
		const attributesOf = (index: number) => ({ [urn.enterpriseUser]: { employeeNumber: `E-${index}` } })
		const ids = await seedUsers(directory, 200_000, service, { type, attributesOf })
		const { result, requests } = await meter.measure(() => found(store, type, 'employeeNumber eq "e-177777"'))
		expect({ result, requests }).toEqual({ result: [ids[177_777]], requests: 1 })
		await expect(found(store, userType, 'employeeNumber eq "e-177777"')).rejects.toThrow(
			`there are more than 50000 resources to look through: add an index with: rollcall index add TENANT ${path}, or`,
		)
	}, 120_000)
})

describe('the fill of an own index', () => {
	test('adds what is missing, goes on after the last user, and changes no version', async () => {
		const { store, table, worker } = await newTest()
		const ids: string[] = []
		for (let count = 0; count < 150; count++) ids.push(await create(store, userType, `${count}`))
		const before = await store.get(userType, ids[3] ?? '')
		const first = await fillIndex(worker, filling, { position: '', until: 0 })
		expect(first).toMatchObject({ users: 150, position: ids.at(-1) })
		await create(store, userType, 'late')
		expect(await fillIndex(worker, filling, { position: first.position ?? '', until: always.until })).toEqual({
			...{ users: 1, position: undefined },
		})
		expect(await violationsIn(table, undefined, [byNumber])).toEqual([])
		expect(await store.get(userType, ids[3] ?? '')).toEqual(before)
		expect(await found(store, typeWith(byNumber), `${path} eq "77"`)).toEqual([ids[77]])
	})

	test.each([false, true])(
		'killed at each step, with writers beside it, leaves rows that agree (unique: %s)',
		async (isUnique) => {
			const isKept = own({ isUnique, isComplete: false })
			const type = typeWith(isKept)
			let isKilled = true
			for (let step = 0; isKilled; step++) {
				const { store, table, worker, directory, service } = await newTest()
				const ids: string[] = []
				for (let count = 0; count < 40; count++) ids.push(await create(store, userType, `${count % 25}`))
				let requests = 0
				const writer = async () => {
					// It writes between the requests of the fill: to users before and behind it.
					const id = ids[(requests * 7) % ids.length] ?? ''
					const turn = requests % 4
					try {
						if (turn === 0) await change(store, type, id, `${(requests * 3) % 30}`)
						else if (turn === 1) await deactivate(store, type, id)
						else if (turn === 2) await store.delete(type, id)
						else await create(store, type, `${requests % 30}`)
					} catch (error) {
						if (!(error instanceof ScimError && error.scimType === 'uniqueness')) throw error
					}
				}
				const dying = processOn(directory, service, (send) => async (request) => {
					await writer()
					return withFaults(() => (requests++ < step ? 'answered' : step % 2 === 0 ? 'unsent' : 'lost'))(send)(request)
				})
				isKilled = await fillIndex(dying, isKept, always).then(
					() => false,
					() => true,
				)
				// The next one loses answers, too, and lives.
				let others = 0
				const lossy = processOn(
					directory,
					service,
					withFaults(() => (others++ % 3 === 1 ? 'lost' : 'answered')),
				)
				await fillIndex(lossy, isKept, always)
				await directory.sweep()
				expect({ step, violations: await violationsIn(table, undefined, [own({ isUnique })]) }).toEqual({
					...{ step, violations: [] },
				})
				expect(await clearIndex(worker, isKept, Number.POSITIVE_INFINITY)).toBe(true)
				expect(await violationsIn(table)).toEqual([])
				expect(await table.first({ from: 'y|o', to: 'y|p' }, 1)).toEqual([])
			}
		},
	)
})

describe('a unique own index', () => {
	const type = typeWith(unique)
	const taken = (value: string, owner?: string) =>
		new RegExp(
			`^${path} "${value}" is already taken${owner === undefined ? '' : ` by the User with the id "${owner}"`}$`,
		)

	test('refuses a value that another user has, in any letter case, and names the user', async () => {
		const { store, table } = await newTest()
		const ann = await create(store, type, 'E1')
		const bob = await create(store, type, 'e2')
		await expect(create(store, type, 'e1')).rejects.toThrow(taken('e1', ann))
		await expect(change(store, type, bob, 'E1')).rejects.toMatchObject({ status: 409, scimType: 'uniqueness' })
		await change(store, type, ann, 'e1')
		await store.delete(type, ann)
		await change(store, type, bob, 'E1')
		expect(await violationsIn(table, undefined, [unique])).toEqual([])
	})

	test('of many that take one value at once, one gets it', async () => {
		const { store, table } = await newTest()
		const results = await Promise.allSettled(Array.from({ length: 20 }, () => create(store, type, 'E1')))
		expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
		expect(await violationsIn(table, undefined, [unique])).toEqual([])
	})

	test('finds all users of a value that several had before, and keeps it from all others', async () => {
		const { store, table, worker, sweep } = await newTest()
		const ids: string[] = []
		for (let count = 0; count < 45; count++) ids.push(await create(store, userType, count < 40 ? 'same' : `${count}`))
		await fillIndex(worker, unique, always)
		expect(await violationsIn(table, undefined, [unique])).toEqual([])
		expect(await found(store, type, `${path} eq "same"`)).toEqual(ids.slice(0, 40))
		expect(await found(store, type, `${path} sw "s"`)).toHaveLength(40)
		await expect(create(store, type, 'same')).rejects.toThrow(taken('same'))
		// Those who have it may be changed otherwise.
		await deactivate(store, type, ids[0] ?? '')
		for (const id of ids.slice(2, 40)) await change(store, type, id, undefined)
		await expect(create(store, type, 'same')).rejects.toThrow(taken('same'))
		await store.delete(type, ids[1] ?? '')
		// One is left, who has it alone from now on.
		await expect(create(store, type, 'SAME')).rejects.toThrow(taken('SAME', ids[0]))
		expect(await violationsIn(table, undefined, [unique])).toEqual([])
		expect((await sweep()).failures).toEqual([])
	})

	test('frees a value that no user has any more', async () => {
		const { store, table, worker } = await newTest()
		const [ann, bob, eve] = [
			await create(store, userType, '1'),
			await create(store, userType, '1'),
			await create(store, type),
		]
		await fillIndex(worker, unique, always)
		for (const id of [ann, bob]) await store.delete(type, id)
		await change(store, type, eve, '1')
		expect(await violationsIn(table, undefined, [unique])).toEqual([])
	})

	test('never refuses a change that leaves the value alone, before it is filled', async () => {
		const { store, worker, table } = await newTest()
		const announced = typeWith(own({ isUnique: true, isComplete: false }))
		const [ann, bob] = [await create(store, userType, '1'), await create(store, announced, '1')]
		await deactivate(store, announced, ann)
		expect(await store.get(userType, ann)).toMatchObject({ attributes: { active: false } })
		await deactivate(store, announced, bob)
		await fillIndex(worker, unique, always)
		expect(await violationsIn(table, undefined, [unique])).toEqual([])
	})
})

describe('the worst case', () => {
	const emails = (word: string) => Array.from({ length: 20 }, (_, index) => ({ value: `${word}${index}@example.com` }))
	const all = Array.from({ length: 5 }, (_, slot) => own({ name: `o${slot}`, slot, isUnique: true }))

	/** The most operations that a transaction to the service had. */
	function counting() {
		const seen = { most: 0 }
		const around =
			(send: Send): Send =>
			(request) => {
				seen.most = Math.max(seen.most, (request.body?.match(/^--changeset_\S+(?<!--)\r$/gm) ?? []).length)
				return send(request)
			}
		return { seen, around }
	}

	test('a user with 20 e-mail addresses and five own indexes takes 59 operations beside those of the feed', async () => {
		const { directory, table } = await newTest()
		const { seen, around } = counting()
		const store = directory.open(around)
		const type = typeWith(...all)
		const full = (word: string) => ({
			...withNumber(word),
			...{ externalId: word, displayName: word, emails: emails(word) },
			[urn.enterpriseUser]: { employeeNumber: word, manager: { value: word } },
		})
		const { id } = await store.create(type, { attributes: full('a') })
		await store.update(type, id, { revise: () => ({ attributes: full('b') }) })
		expect(seen.most).toBe(60 + 99 - maxOperations({ feed: testFeed }))
		expect(await violationsIn(table, undefined, all)).toEqual([])
	})

	test.each([
		[0, 1, 22],
		[5, 1, 21],
		[0, 20, testFeed === 'operations' ? 18 : 17],
		[5, 20, 16],
	])(
		'with %i own indexes and %i e-mail addresses, a user in %i groups is deleted in one transaction, and not in one more',
		async (count, addresses, groups) => {
			const { store, meter, directory } = await newTest()
			const type = typeWith(...all.slice(0, count))
			const attributes = {
				...withNumber('x'),
				...{ externalId: 'x', displayName: 'x', emails: emails('x').slice(0, addresses) },
				[urn.enterpriseUser]: { employeeNumber: 'x', manager: { value: 'x' } },
			}
			const requestsFor = async (memberships: number) => {
				const { id } = await store.create(type, { attributes })
				for (let index = 0; index < memberships; index++) {
					const group = { attributes: { displayName: `group-${++names}` }, members: [{ value: id }] }
					await store.create(groupType, group)
				}
				const { requests } = await meter.measure(() => store.delete(type, id))
				await directory.sweep()
				return requests
			}
			expect(await requestsFor(groups)).toBe(3)
			expect(await requestsFor(groups + 1)).toBeGreaterThan(3)
		},
	)
})

/** Folds the keys of a directory as format 2 does. */
const convert = ({ table }: TestDirectory): Promise<string | undefined> => {
	const time = { now: () => 0, until: Number.POSITIVE_INFINITY }
	return foldKeys({ table, pause: () => Promise.resolve(), position: '', ...time, report: () => {} })
}

describe('a value with a Greek final sigma', () => {
	test.each([
		[1, false],
		[1, true],
		[2, false],
		[2, true],
	])('has one entry, written in format %i and after the conversion (unique: %s)', async (format, isUnique) => {
		const { directory, table, meter } = await newTest()
		const index = own({ isUnique })
		const type = typeWith(index)
		const store = directory.open((send) => send, Date.now, format)
		const sent = { displayName: 'ΝΙΚΟΣ', [urn.enterpriseUser]: { employeeNumber: 'ΝΙΚΟΣ' } }
		const { id } = await store.create(type, { attributes: { userName: 'ΝΙΚΟΣ', ...sent } })
		const longer = await create(store, type, 'ΝΙΚΟΣΤΡΑΤΟΣ')
		const expectFound = async () => {
			for (const name of ['ΝΙΚΟΣ', 'νικοσ', 'νικος']) {
				const { result, requests } = await meter.measure(() => found(directory.store, type, `${path} eq "${name}"`))
				expect([result, requests]).toEqual([[id], 1])
				expect(await found(directory.store, type, `${path} sw "${name}"`)).toEqual([id, longer])
				if (isUnique) await expect(create(store, type, name)).rejects.toMatchObject({ status: 409 })
			}
			expect(await violationsIn(table, undefined, [index])).toEqual([])
		}
		await expectFound()
		await deactivate(store, type, id)
		await expectFound()
		expect(await convert(directory)).toBeUndefined()
		await expectFound()
		await store.update(type, id, { revise: () => ({ attributes: { userName: 'νίκος', ...sent } }) })
		await expectFound()
		expect(await store.delete(type, id)).toBe('deleted')
		expect(await found(directory.store, type, `${path} sw "νικοσ"`)).toEqual([longer])
		expect(await violationsIn(table, undefined, [index])).toEqual([])
	})

	test.each([false, true])(
		'is entered if the keys are converted between two requests of the fill (unique: %s)',
		async (isUnique) => {
			for (let at = 1; ; at++) {
				const { service, directory, store, table } = await newTest()
				for (const name of ['ΝΙΚΟΣ', 'ΠΑΥΛΟΣ', 'alice']) {
					const attributes = { userName: name, [urn.enterpriseUser]: { employeeNumber: 'ΣΟΦΟΣ' } }
					await store.create(userType, { attributes })
				}
				let count = 0
				const converting = (send: Send): Send => {
					return async (request) => {
						if (++count === at) await convert(directory)
						return send(request)
					}
				}
				const index = own({ isUnique, isComplete: false })
				const step = await fillIndex(processOn(directory, service, converting), index, always)
				expect([at, step.position]).toEqual([at, undefined])
				expect([at, await violationsIn(table, undefined, [index])]).toEqual([at, []])
				expect(await found(store, typeWith(own({ isUnique })), `${path} eq "σοφος"`)).toHaveLength(3)
				if (count < at) break
			}
		},
	)
})
