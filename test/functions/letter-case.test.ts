import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { builtInTypes } from '../../shared/scim/resource-type.ts'
import { patchOf, urn } from '../clients/scim.ts'
import { type Host, useHost } from '../support/host.ts'

// Values that were kept before a schema declared them, under names in another letter case.

const host = useHost()

const hr = 'urn:example:hr:2.0:User'
const schemas = [
	{
		id: hr,
		attributes: [
			{ name: 'badgeNumber' },
			{ name: 'tagList', multiValued: true },
			{ name: 'desk', type: 'complex', subAttributes: [{ name: 'roomName' }, { name: 'floor', type: 'integer' }] },
			{ name: 'cars', type: 'complex', multiValued: true, subAttributes: [{ name: 'value' }, { name: 'plate' }] },
		],
	},
	{ id: urn.user, attributes: [{ name: 'shoeSize', type: 'integer' }] },
]

const declared = {
	shoeSize: 42,
	[hr]: {
		badgeNumber: 'B-7',
		tagList: ['a', 'b'],
		desk: { roomName: 'Oslo', floor: 3 },
		cars: [{ value: 'blue', plate: 'X' }],
	},
}

/** The same value with all its names in letter cases that `isUpper` chooses. */
function recased(value: unknown, isUpper: () => boolean): unknown {
	if (Array.isArray(value)) return value.map((each) => recased(each, isUpper))
	if (typeof value !== 'object' || value === null) return value
	const other = (name: string) =>
		[...name].map((letter) => (isUpper() ? letter.toUpperCase() : letter.toLowerCase())).join('')
	return Object.fromEntries(Object.entries(value).map(([name, inner]) => [other(name), recased(inner, isUpper)]))
}

const keptIn = async (isUpper: () => boolean) => {
	const tenant = await host({ settings: { unknownAttributes: 'keep' } })
	const sent = recased(declared, isUpper) as object
	const { id } = await tenant.create('/Users', { schemas: [urn.user], userName: 'ann', ...sent })
	await tenant.declare(schemas)
	return { tenant, id: String(id) }
}

const foundBy = async (tenant: Host, filter: string) =>
	(await tenant.request('GET', `/Users?filter=${encodeURIComponent(filter)}`)).body.Resources

/** A PATCH, and what the user has afterwards. */
const patched = async (tenant: Host, id: string, ...operations: readonly object[]) => {
	const { status } = await tenant.request('PATCH', `/Users/${id}`, { body: patchOf(...operations) })
	return { status, user: (await tenant.request('GET', `/Users/${id}`)).body }
}

/** What the row of a user holds: the types of the RFCs leave all other names as they are. */
const stored = async (tenant: Host, id: string) =>
	(await (await tenant.directory()).get(builtInTypes.User, id))?.attributes

describe('values kept under names in another letter case', () => {
	test('are one with the attribute that a schema declares later', async () => {
		await fc.assert(
			fc.asyncProperty(fc.infiniteStream(fc.boolean()), async (letters) => {
				const { tenant, id } = await keptIn(() => letters.next().value === true)
				const user = (await tenant.request('GET', `/Users/${id}`)).body
				expect(user).toMatchObject({ ...declared, schemas: [urn.user, hr] })
				expect(Object.keys(user).sort()).toEqual(['schemas', 'id', 'userName', 'active', 'shoeSize', hr, 'meta'].sort())
				for (const filter of [
					`${hr}:badgeNumber eq "b-7"`,
					`${hr}:desk.roomName sw "os"`,
					`${hr}:tagList[value eq "b"]`,
					`${hr}:cars[plate eq "X"]`,
					'shoeSize eq 42',
				])
					expect(await foundBy(tenant, filter)).toEqual([user])
				const same = await tenant.request('PUT', `/Users/${id}`, { body: user })
				expect([same.status, same.body]).toEqual([200, user])
				const changed = await patched(
					...([tenant, id] as const),
					{ op: 'replace', path: `${hr}:badgeNumber`, value: 'B-8' },
					{ op: 'replace', path: `${hr}:desk.floor`, value: 4 },
					{ op: 'remove', path: `${hr}:tagList[value eq "a"]` },
					{ op: 'add', path: `${hr}:cars[value eq "blue"].plate`, value: 'Y' },
				)
				const next = {
					badgeNumber: 'B-8',
					tagList: ['b'],
					desk: { roomName: 'Oslo', floor: 4 },
					cars: [{ value: 'blue', plate: 'Y' }],
				}
				expect(changed.user[hr]).toEqual(next)
				// A write stores the declared spelling.
				expect(await stored(tenant, id)).toMatchObject({ shoeSize: 42, [hr]: next })
				const removed = await patched(tenant, id, { op: 'remove', path: hr }, { op: 'remove', path: 'shoeSize' })
				expect(removed.user).toEqual({
					...user,
					shoeSize: undefined,
					[hr]: undefined,
					schemas: [urn.user],
					meta: removed.user.meta,
				})
				expect(await foundBy(tenant, `${hr}:badgeNumber pr`)).toEqual([])
			}),
			{ numRuns: 12 },
		)
	})
})
