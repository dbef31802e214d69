import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { matches } from '../../../../shared/scim/filter/match.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { Member, ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType } from '../../../../shared/scim/resource-type.ts'
import { decidingLinks } from '../../../../shared/storage/query/deciding-links.ts'
import { memberRow } from '../../../../shared/storage/rows/schema.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const memberId = (index: number) => index.toString(16).padStart(32, '0') as ResourceId // sound: as long as an id

const expression = fc.oneof(
	fc.constantFrom('members pr', 'members.display pr', 'members eq null', 'members.display eq null', 'title pr'),
	fc.tuple(fc.constantFrom('eq', 'ne', 'sw', 'gt'), fc.constantFrom('a', 'b', 'c')).map(([operator, letter]) => {
		return `members.display ${operator} "${letter}"`
	}),
	fc.nat(4).map((index) => `members ne "${memberId(index)}"`),
	fc.constantFrom('a', 'b').map((letter) => `members[display eq "${letter}" and value gt "${memberId(2)}"]`),
)
const filters = fc.letrec<{ filter: string }>((tie) => ({
	filter: fc.oneof(
		{ maxDepth: 3 },
		expression,
		fc.tuple(tie('filter'), fc.constantFrom('and', 'or'), tie('filter')).map((parts) => `(${parts.join(' ')})`),
		tie('filter').map((filter) => `not (${filter})`),
	),
})).filter
const groupMembers = fc.array(
	fc.record({ display: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }) }, { noNullPrototype: true }),
	{ maxLength: 6 },
)

test('a group matches by the members that decide as it does by all its members, read in any parts', async () => {
	await fc.assert(
		fc.asyncProperty(filters, groupMembers, fc.nat(6), async (text, drafts, cut) => {
			const filter = parseFilter(text)
			const members: Member[] = drafts.map(({ display }, index) => ({
				value: memberId(index),
				...(display !== undefined && { display }),
			}))
			const { among } = decidingLinks(groupType, filter, { yieldTurn: () => undefined, limit: 10_000 })
			const parts = [await among(members.slice(0, cut)), await among(members.slice(cut))]
			const deciding = await among(parts.flat())
			const asResource = (some: readonly Member[]) => ({ members: some.map((member) => ({ ...member, type: 'User' })) })
			expect(matches(filter, asResource(deciding), groupType)).toBe(matches(filter, asResource(members), groupType))
			expect(deciding.length).toBeLessThanOrEqual(1 + text.split('members').length)
		}),
	)
})

describe('a filter that looks at the members of groups of 1,500', () => {
	const groupCount = 64
	const memberCount = 1_500
	let rowsRead = 0
	let directory: TestDirectory
	let groups: readonly ResourceId[]
	beforeAll(async () => {
		const simulator = simulateTableService()
		directory = await newDirectory(simulator, {
			intercept: (send) => async (request) => {
				const response = await send(request)
				rowsRead += response.text.split('"RowKey":').length - 1
				return response
			},
		})
		const created: ResourceId[] = []
		for (let index = 0; index < groupCount; index++) {
			const { id } = await directory.store.create(groupType, { attributes: { displayName: `Group ${index}` } })
			created.push(id)
			// Every other group is empty.
			for (let member = 0; member < memberCount * (index % 2); member++) {
				const row = { partitionKey: directory.tenant.name, rowKey: memberRow.key(id, memberId(member)) }
				const display = member === memberCount - 1 ? `the last of ${index}` : 'one of many'
				simulator.load(directory.tenant.table, row, memberRow.properties({ letter: 'u', display }))
			}
		}
		groups = created
	})

	const search = async (text: string) => {
		rowsRead = 0
		const { result, requests } = await directory.meter.measure(() =>
			directory.store.query(groupType, { filter: parseFilter(text), page: { startIndex: 1, count: 100 } }),
		)
		return { found: result.resources.map(({ id }) => groups.indexOf(id)), requests, rowsRead }
	}
	const odd = Array.from({ length: groupCount / 2 }, (_, index) => 2 * index + 1)

	test('reads a member or two of most of them to find out whether they have any', async () => {
		const { found, requests, rowsRead } = await search('members pr')
		expect(found).toEqual(odd)
		// The groups, a range of 5,000 members that holds few groups, and then up to two rows of each other group.
		expect({ requests, rowsRead }).toEqual({ requests: 68, rowsRead: 64 + 5000 + 64 })
		expect((await search('not (members pr)')).found).toEqual(odd.map((index) => index - 1))
	})

	test('finds what the last member alone has', async () => {
		expect((await search('members.display eq "the last of 41"')).found).toEqual([41])
		expect((await search('members[display co "last" and value pr]')).found).toEqual(odd)
	})
})

test('a filter that compares too much text of members is refused', async () => {
	const { among } = decidingLinks(groupType, parseFilter('members.display eq "x"'), {
		yieldTurn: () => undefined,
		limit: 100,
	})
	await expect(
		among([{ value: memberId(1) }, { value: memberId(2) }, { value: memberId(3) }, { value: memberId(4) }]),
	).rejects.toMatchObject({ status: 400, scimType: 'tooMany' })
})
