import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../shared/scim/error.ts'
import { parseFilter } from '../../../shared/scim/filter/parse.ts'
import type { AttributeValues, ResourceId, StoredResource } from '../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../shared/scim/resource-type.ts'
import { lookAtSpellings } from '../../../shared/storage/resource/spellings.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { connectTables, type Send } from '../../../shared/storage/table/tables.ts'
import { violationsIn } from '../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../support/directory.ts'
import { connectionString, simulateTableService } from '../../support/simulator/table-service.ts'

// Rows of format 1 have a sigma at the end of a word as ς or σ, as the client has written it. Rows of format 2 have σ.
// Writers of both formats are at work while the format changes.

const formats = [1, 2] as const
type Format = (typeof formats)[number]

const asIs = (send: Send): Send => send
const writing = (directory: TestDirectory, format: Format, around = asIs): ResourceStore =>
	directory.open(around, Date.now, format)
const fresh = () => newDirectory(simulateTableService())

const page = { startIndex: 1, count: 100 } as const

/** The ids that a filter finds, page by page by cursor too. */
async function found(store: ResourceStore, type: ResourceType, filter: string): Promise<readonly string[]> {
	const query = { filter: parseFilter(filter) }
	const { resources, totalResults } = await store.query(type, { ...query, page })
	const ids = resources.map(({ id }) => id)
	expect(totalResults).toBe(ids.length)
	const walked: string[] = []
	for (let after: string | undefined = ''; after !== undefined; ) {
		const next: Awaited<ReturnType<ResourceStore['query']>> = await store.query(type, {
			...query,
			page: { after, count: 2 },
		})
		walked.push(...next.resources.map(({ id }) => id))
		after = next.next
	}
	expect(walked.toSorted()).toEqual(ids.toSorted())
	return ids
}

/** The status of a refused request, or 'done'. */
const endingOf = (request: Promise<unknown>): Promise<string | number> =>
	request.then(
		(answer) => (typeof answer === 'string' ? answer : 'done'),
		(error: unknown) => {
			if (error instanceof ScimError) return error.status
			throw error
		},
	)

const renamed = (store: ResourceStore, { id }: Pick<StoredResource, 'id'>, change: AttributeValues) =>
	store.update(userType, id, { revise: ({ attributes }) => ({ attributes: { ...attributes, ...change } }) })

const person = (userName: string): AttributeValues => ({
	userName,
	displayName: userName,
	title: userName,
	name: { familyName: userName },
	emails: [{ value: `${userName}@example.gr` }],
})

test.each([
	['nikos', 0],
	['ΝΙΚΟΣ', 1],
])('the keys of the rows of %s are made %i times to look for other spellings', async (userName, times) => {
	let made = 0
	const keys = () => {
		made++
		return []
	}
	const send: Send = async () => ({ status: 500, headers: { get: () => undefined }, text: '' })
	const table = connectTables({ connectionString }, { intercept: () => send }).table('t', 'p')
	const resource = { id: 'u1' as ResourceId, attributes: { userName } } // sound: any text will do
	expect(await lookAtSpellings(table, { type: userType, resource, keys })).toEqual({ guards: [], taken: undefined })
	expect(made).toBe(times)
})

describe.each(formats)('in rows of format %i', (format) => {
	test.each([
		['ΝΙΚΟΣ', 'νικοσ'],
		['ΝΙΚΟΣ', 'νικος'],
		['νικος', 'ΝΙΚΟΣ'],
		['νικοσ', 'ΝΙΚΟΣ'],
		['νικοσ', 'Νικος'],
		['παπας.νικος', 'ΠΑΠΑΣ.ΝΙΚΟΣ'],
		['ΠΑΠΑΣ.ΝΙΚΟΣ', 'παπασ.νικοσ'],
	])('a user %s is found as %s', async (stored, asked) => {
		const directory = await fresh()
		const store = writing(directory, format)
		const { id } = await store.create(userType, { attributes: person(stored) })
		await store.create(userType, { attributes: person('ΣΤΑΥΡΟΣ') })
		for (const filter of [
			...[
				'userName eq',
				'displayName eq',
				'title eq',
				'name.familyName eq',
				'userName sw',
				'displayName sw',
				'title sw',
			],
			...['userName co', 'emails sw', 'displayName ew'],
		]) {
			expect([filter, await found(store, userType, `${filter} "${asked}"`)]).toEqual([filter, [id]])
		}
		expect(await found(store, userType, `emails.value eq "${asked}@example.gr"`)).toEqual([id])
		expect(await found(store, userType, `emails[type eq "work" or value eq "${asked}@example.gr"]`)).toEqual([id])
		expect(await found(store, userType, `userName eq "${asked}" and title eq "${asked}"`)).toEqual([id])
	})

	test('a name that goes on behind the sigma is found by its beginning', async () => {
		const directory = await fresh()
		const store = writing(directory, format)
		const { id } = await store.create(userType, { attributes: person('ΝΙΚΟΣΤΡΑΤΟΣ') })
		const other = await store.create(userType, { attributes: person('Νικος') })
		for (const asked of ['ΝΙΚΟΣ', 'νικος', 'νικοσ', 'Νικος']) {
			for (const path of ['displayName', 'userName', 'emails', 'title']) {
				expect((await found(store, userType, `${path} sw "${asked}"`)).toSorted()).toEqual([id, other.id].toSorted())
			}
		}
		expect(await found(store, userType, 'displayName sw "ΝΙΚΟΣΤ"')).toEqual([id])
	})

	test('a group is found by its name, and two groups have one name', async () => {
		const directory = await fresh()
		const store = writing(directory, format)
		const { id } = await store.create(groupType, { attributes: { displayName: 'ΟΜΑΔΑ ΣΠΑΡΤΗΣ' } })
		expect(await found(store, groupType, 'displayName eq "ομαδα σπαρτησ"')).toEqual([id])
		await expect(store.create(groupType, { attributes: { displayName: 'ομαδα σπαρτησ' } })).rejects.toMatchObject({
			status: 409,
			scimType: 'uniqueness',
			message: expect.stringContaining(`the id "${id}"`),
		})
	})
})

describe.each(formats.flatMap((one) => formats.map((other) => [one, other] as const)))(
	'if one writer writes format %i and another format %i',
	(one, other) => {
		const spellings = ['ΝΙΚΟΣ', 'νικοσ', 'νικος', 'Νικοσ'] as const
		const pairs = spellings.flatMap((first) => spellings.map((second) => [first, second] as const))

		test.each(pairs)('%s and %s are one userName', async (first, second) => {
			const directory = await fresh()
			const owner = await writing(directory, one).create(userType, { attributes: person(first) })
			const store = writing(directory, other)
			const taken = {
				...{ status: 409, scimType: 'uniqueness' },
				message: `userName "${second}" is already taken by the User with the id "${owner.id}"`,
			}
			await expect(store.create(userType, { attributes: person(second) })).rejects.toMatchObject(taken)
			const user = await store.create(userType, { attributes: person('Μαρια') })
			await expect(renamed(store, user, { userName: second })).rejects.toMatchObject(taken)
			// The owner may have each spelling, and everything else changes beside it.
			expect(await renamed(store, owner, { userName: second, active: false })).toMatchObject({ id: owner.id })
			expect(await found(store, userType, `userName eq "${first}" and active eq false`)).toEqual([owner.id])
			// A name that was given up or deleted can be given again.
			await renamed(writing(directory, one), owner, { userName: 'Γιαννης' })
			await renamed(store, user, { userName: first })
			expect(await store.delete(userType, user.id)).toBe('deleted')
			await writing(directory, one).create(userType, { attributes: person(second) })
			expect(await violationsIn(directory.table)).toEqual([])
		})

		test.each([
			['create', 'create'],
			['create', 'rename'],
			['rename', 'create'],
			['rename', 'rename'],
			['respell', 'create'],
			['create', 'respell'],
		] as const)('of a %s and a %s of one name at once, one is done', async (firstKind, secondKind) => {
			for (let at = 1; ; at++) {
				const directory = await fresh()
				const store = writing(directory, one)
				const users = [
					await store.create(userType, { attributes: person('a') }),
					await store.create(userType, { attributes: person('b') }),
				]
				const respelled = [firstKind, secondKind].includes('respell')
					? await store.create(userType, { attributes: person('ΝΙΚΟΣ') })
					: undefined
				const run = (by: ResourceStore, kind: typeof firstKind | typeof secondKind, index: 0 | 1) => {
					const userName = ['νικοσ', 'ΝΙΚΟΣ'][index] ?? ''
					if (kind === 'create') return endingOf(by.create(userType, { attributes: person(userName) }))
					const user = kind === 'respell' ? respelled : users[index]
					return endingOf(
						renamed(by, user ?? { id: '' as never }, { userName: kind === 'respell' ? 'νικοσ' : userName }),
					)
				}
				let requests = 0
				let second: string | number | undefined
				const interrupting = (send: Send): Send => {
					return async (request) => {
						if (++requests === at) second = await run(writing(directory, other), secondKind, 1)
						return send(request)
					}
				}
				const first = await run(writing(directory, one, interrupting), firstKind, 0)
				if (second === undefined) break
				const endings = [first, second].map(String).toSorted()
				expect([at, ...endings]).toEqual([at, '409', 'done'])
				expect(await found(store, userType, 'userName eq "νικος"')).toHaveLength(1)
				expect(await violationsIn(directory.table)).toEqual([])
			}
		})
	},
)

describe('requests to the table service', () => {
	const cost = async (task: (directory: TestDirectory) => Promise<unknown>) => {
		const directory = await fresh()
		await directory.store.create(userType, { attributes: person('ΝΙΚΟΣ') })
		const { requests, waves } = await directory.meter.measure(() => task(directory))
		return [requests, waves]
	}
	const match = (filter: string) => cost(({ store }) => store.query(userType, { filter: parseFilter(filter), page }))

	test('are as many as ever for a value with one spelling', async () => {
		expect(await match('userName eq "Μαρια"')).toEqual([1, 1])
		expect(await match('userName eq "Σταυρο"')).toEqual([1, 1])
		expect(await match('emails eq "alice@example.com"')).toEqual([1, 1])
		expect(await cost(({ store }) => store.create(userType, { attributes: person('Μαρια') }))).toEqual([1, 1])
	})

	test('are one for each spelling, and the same again if nothing is found', async () => {
		expect(await match('userName eq "νικοσ"')).toEqual([2, 1])
		expect(await match('userName eq "ΓΙΑΝΝΗΣ"')).toEqual([4, 2])
		expect(await match('displayName eq "νικοσ"')).toEqual([2, 1])
		expect(await match('displayName sw "νικοσ"')).toEqual([2, 2])
	})

	test('of a writer are three more, and two of them wait for others', async () => {
		expect(await cost(({ store }) => store.create(userType, { attributes: person('ΓΙΑΝΝΗΣ') }))).toEqual([4, 3])
	})
})
