import type { ResourceId } from '../../shared/scim/resource.ts'
import { builtInTypes, userType } from '../../shared/scim/resource-type.ts'
import { foldCaseOfFormat1 } from '../../shared/storage/rows/folding.ts'
import { groupReferenceRow, indexesOf, indexKey, valuesOf } from '../../shared/storage/rows/indexes.ts'
import {
	countRow,
	existenceRow,
	groupRow,
	memberRow,
	membershipRow,
	userRow,
} from '../../shared/storage/rows/schema.ts'
import { insert, type Properties } from '../../shared/storage/table/batch.ts'
import type { Send, Table } from '../../shared/storage/table/tables.ts'
import { type VirtualRows, withVirtualRows } from './simulator/virtual-rows.ts'

const people = 200_000
export const members = 1_000_000

const begun = Date.parse('2026-01-05T08:00:00Z')
/** Milliseconds between two people. */
const step = 2000

/** The id of a person by its number from 0. */
export const personId = (index: number): ResourceId =>
	`${(begun + index * step).toString(16)}`
		.padStart(12, '0')
		.concat(`70008${String(index).padStart(15, '0')}`) as ResourceId // sound: an id of a user

/** The group that all of them are members of, and 800,000 others. */
export const everyone = `${(begun - 1).toString(16).padStart(12, '0')}7000a${'0'.repeat(15)}`

const digits = (index: number): string => String(index).padStart(6, '0')

const attributesOf = (index: number) => ({
	userName: `person-${digits(index)}@example.com`,
	displayName: `Person ${digits(index)}`,
	externalId: `external-${digits(index)}`,
	emails: [{ value: `mail-${digits(index)}@example.com`, type: 'work' }],
	active: true,
})

const time = new Date(begun).toISOString()

const userProperties = (index: number): Properties =>
	userRow.properties({
		id: personId(index),
		created: time,
		lastModified: time,
		version: `${begun.toString(16).padStart(12, '0')}7000b${'0'.repeat(15)}`,
		attributes: JSON.stringify(attributesOf(index)),
	})

const virtualRows: readonly VirtualRows[] = [
	{ prefix: 'u|', count: people, keyAt: (index) => userRow.key(personId(index)), propertiesAt: userProperties },
	...indexesOf(userType)
		.filter((index) => valuesOf(index, attributesOf(0)).length > 0)
		.map((index) => ({
			prefix: index.prefix,
			count: people,
			keyAt(number: number) {
				const [value = ''] = valuesOf(index, attributesOf(number))
				return indexKey(index, value, { id: personId(number), folding: foldCaseOfFormat1 })
			},
			propertiesAt: userProperties,
		})),
	{
		prefix: memberRow.key(everyone, ''),
		count: members,
		keyAt: (index) => memberRow.key(everyone, personId(index)),
		propertiesAt: () => memberRow.properties({ letter: 'u' }),
	},
]

/** 200,000 people and a group of a million members, whose rows are made when they are read. */
export const withManyPeople: (send: Send) => Send = withVirtualRows(virtualRows)

/** Stores what a directory of so many people has beside their own rows. */
export async function storeFewRows(table: Table): Promise<void> {
	const [byName] = indexesOf(builtInTypes.Group)
	if (byName === undefined) throw new Error('groups have an index of their names')
	const version = everyone.replace('7000a', '7000b')
	const group = groupRow.properties({
		...{ id: everyone, created: time, lastModified: time, pendingChange: '', version, attributesVersion: version },
		attributes: JSON.stringify({ displayName: 'Everyone' }),
	})
	const count = (total: number) =>
		countRow.properties({ total, histogram: { bins: [{ from: '', count: total }], last: '' } })
	const { kind } = await table.transaction([
		insert(groupRow.key(everyone), group),
		insert(
			indexKey(byName, 'Everyone', { id: everyone, folding: foldCaseOfFormat1 }),
			groupReferenceRow.properties({ id: everyone }),
		),
		insert(existenceRow.key(personId(7)), existenceRow.properties({ letter: 'u' })),
		insert(membershipRow.key(personId(7), everyone), {}),
		insert(countRow.key('u'), count(people)),
		insert(countRow.key('g'), count(1)),
	])
	if (kind !== 'done') throw new Error(`the few rows met ${kind}`)
}
