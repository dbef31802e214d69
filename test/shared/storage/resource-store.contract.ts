import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { AttributeValues, Member, ResourceId, StoredResource } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import { urn } from '../../../shared/scim/urn.ts'
import type { ResourceStore as CompleteStore } from '../../../shared/storage/resource-store.ts'
import { sequenceOfIds } from '../../support/sequence.ts'

type ResourceStore = Omit<CompleteStore, 'query'>

const ids = sequenceOfIds()
const unknownUser = ids('User')
const unknownGroup = ids('Group')

const babs: AttributeValues = {
	userName: 'Babs.Jensen@example.com',
	externalId: '701984',
	name: { familyName: 'Jensen', givenName: 'Barbara' },
	displayName: 'Babs Jensen',
	active: true,
	emails: [
		{ value: 'babs@example.com', type: 'work', primary: true },
		{ value: 'babs@jensen.org', type: 'home' },
	],
	[urn.enterpriseUser]: { department: 'Tour Operations', manager: { value: unknownUser } },
}

/** Users with different userNames, in the order of their creation. */
const createUsers = async (store: ResourceStore, count: number): Promise<readonly StoredResource[]> => {
	const users: StoredResource[] = []
	for (let index = 0; index < count; index++) {
		users.push(await store.create(userType, { attributes: { userName: `user${index}@example.com` } }))
	}
	return users
}

const asMember = ({ id }: StoredResource): Member => ({ value: id })

const createGroup = (store: ResourceStore, displayName: string, members: readonly Member[] = []) =>
	store.create(groupType, { attributes: { displayName }, members })

const expectFound = (resource: StoredResource | 'absent' | 'stale' | undefined): StoredResource => {
	if (typeof resource !== 'object') throw new Error(`found ${resource}`)
	return resource
}

const memberIds = async (store: ResourceStore, groupId: string): Promise<readonly ResourceId[] | undefined> =>
	(await store.get(groupType, groupId, { members: true }))?.members?.map(({ value }) => value)

const groupIds = async (store: ResourceStore, userId: string): Promise<readonly ResourceId[] | undefined> =>
	(await store.get(userType, userId, { groups: true }))?.groups?.map(({ value }) => value)

/**
 * The contract that every ResourceStore keeps.
 *
 * @param open opens an empty store
 */
export function describeResourceStore(open: () => Promise<ResourceStore>): void {
	describe('create', () => {
		test('stores a user that get returns unchanged', async () => {
			const store = await open()
			const created = await store.create(userType, { attributes: babs })
			expect(created).toEqual({
				id: expect.stringMatching(/^[0-9a-f]{32}$/),
				attributes: babs,
				version: expect.stringMatching(/^[0-9a-f]+$/),
				created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
				lastModified: created.created,
			})
			expect(await store.get(userType, created.id)).toEqual(created)
		})

		test('stores a group that get returns with its members in the order of their ids, or without them', async () => {
			const store = await open()
			const [a, b, c] = await createUsers(store, 3)
			const members = [c, a, b].map((user) => asMember(expectFound(user)))
			const attributes = { displayName: 'Tour Guides', externalId: 'G-1' }
			const created = await store.create(groupType, { attributes, members })
			const inOrder = [a, b, c].map((user) => asMember(expectFound(user)))
			expect(created.members).toEqual(inOrder)
			expect(await store.get(groupType, created.id, { members: true })).toEqual(created)
			const { members: _, ...bare } = created
			expect(await store.get(groupType, created.id)).toEqual(bare)
		})

		test('keeps the display name that the client gave a member', async () => {
			const store = await open()
			const [user] = await createUsers(store, 1)
			const member = { value: expectFound(user).id, display: 'Bábs “the boss”' }
			const group = await createGroup(store, 'Named', [member])
			expect((await store.get(groupType, group.id, { members: true }))?.members).toEqual([member])
		})

		test('refuses a member whose display name no row can hold, as changeMembers and update do', async () => {
			const store = await open()
			const [user] = await createUsers(store, 1)
			const { id } = expectFound(user)
			const members = [{ value: id, display: 'x'.repeat(30_001) }]
			const refusal = {
				status: 400,
				scimType: 'invalidValue',
				message: `members[value eq "${id}"].display: 30001 characters; the limit is 30000`,
			}
			await expect(createGroup(store, 'Refused', members)).rejects.toMatchObject(refusal)
			const group = await createGroup(store, 'Refused', [{ value: id, display: 'é'.repeat(30_000) }])
			await expect(store.changeMembers(group.id, { add: members, remove: [] })).rejects.toMatchObject(refusal)
			const revise = () => ({ attributes: group.attributes, membership: { add: members, remove: [] } })
			await expect(store.update(groupType, group.id, { revise })).rejects.toMatchObject(refusal)
			expect(await store.get(groupType, group.id, { members: true })).toEqual(group)
		})

		test.each([
			['letter case', 'BABS.JENSEN@EXAMPLE.COM'],
			['letter case and Unicode composition', 'Babs.Jensén@example.com', 'babs.jense\u0301n@example.com'],
			['letter case, among characters that no key can hold', "a/b\\c#d?e%f'g+h|i j", "A/B\\C#D?E%F'G+H|I J"],
			['letter case, in 300 characters', 'ü'.repeat(300), 'Ü'.repeat(300)],
		])('refuses a userName that differs from a taken one only in %s', async (_, userName, other = babs.userName) => {
			const store = await open()
			const first = await store.create(userType, { attributes: { ...babs, userName: other } })
			await expect(store.create(userType, { attributes: { userName } })).rejects.toMatchObject({
				status: 409,
				scimType: 'uniqueness',
				message: `userName ${JSON.stringify(userName)} is already taken by the User with the id "${first.id}"`,
			})
			expect(await store.get(userType, first.id)).toEqual(first)
		})

		test('stores two users whose long userNames differ only behind the part that a key keeps', async () => {
			const store = await open()
			const long = 'x'.repeat(400)
			const first = await store.create(userType, { attributes: { userName: `${long}1` } })
			const second = await store.create(userType, { attributes: { userName: `${long}2` } })
			expect(await store.get(userType, first.id)).toEqual(first)
			expect(await store.get(userType, second.id)).toEqual(second)
		})

		test('accepts the same externalId, e-mail address and displayName for several users', async () => {
			const store = await open()
			const first = await store.create(userType, { attributes: babs })
			const second = await store.create(userType, { attributes: { ...babs, userName: 'other' } })
			expect(await store.get(userType, first.id)).toEqual(first)
			expect(await store.get(userType, second.id)).toEqual(second)
		})

		test('refuses the displayName of another group in any letter case, but accepts that of a user', async () => {
			const store = await open()
			await store.create(userType, { attributes: { userName: 'x', displayName: 'Tour Guides' } })
			const { id } = await createGroup(store, 'Tour Guides')
			await expect(createGroup(store, 'TOUR guides')).rejects.toMatchObject({
				status: 409,
				scimType: 'uniqueness',
				message: `displayName "TOUR guides" is already taken by the Group with the id "${id}"`,
			})
		})

		test.each([
			['an unknown user', unknownUser],
			['a group', unknownGroup],
			['a string that is no id', 'bob|x'],
		])('refuses %s as a member, and creates no group', async (_, value) => {
			const store = await open()
			const [user] = await createUsers(store, 1)
			const members = [asMember(expectFound(user)), { value: value as ResourceId }] // sound: the test needs an invalid id
			await expect(createGroup(store, 'Refused', members)).rejects.toMatchObject({
				status: 400,
				scimType: 'invalidValue',
				message: `members[value eq "${value}"]: no user has this id`,
			})
			expect(await groupIds(store, expectFound(user).id)).toEqual([])
			await createGroup(store, 'Refused')
		})

		test('stores a group with more members than one transaction holds', async () => {
			const store = await open()
			const users = await createUsers(store, 70)
			const group = await createGroup(store, 'Seventy', users.map(asMember))
			const stored = await store.get(groupType, group.id, { members: true })
			expect(stored?.members).toEqual(users.map(asMember))
			expect(stored?.version).toBe(group.version)
		})

		test('refuses a group if one of many members is unknown, and creates nothing', async () => {
			const store = await open()
			const users = await createUsers(store, 70)
			const members = [...users.map(asMember), { value: unknownUser }]
			await expect(createGroup(store, 'Refused', members)).rejects.toMatchObject({
				status: 400,
				message: `members[value eq "${unknownUser}"]: no user has this id`,
			})
			await createGroup(store, 'Refused')
			expect(await groupIds(store, expectFound(users[0]).id)).toEqual([])
		})

		test('refuses a user with more than 20 different e-mail addresses', async () => {
			const store = await open()
			const emails = Array.from({ length: 21 }, (_, index) => ({ value: `${index}@example.com` }))
			await expect(store.create(userType, { attributes: { ...babs, emails } })).rejects.toMatchObject({
				status: 400,
				scimType: 'invalidValue',
				message: 'emails: 21 different values; the limit is 20',
			})
			const twice = [
				...emails.slice(0, 20),
				...emails.slice(0, 20).map(({ value }) => ({ value: value.toUpperCase() })),
			]
			await store.create(userType, { attributes: { ...babs, emails: twice } })
		})

		test.each([
			['the longest text that fits in one property', 'x'.repeat(29_980)],
			['a text that is longer than one property holds', 'x'.repeat(100_000)],
			['a long text outside ASCII', '😀é\u2028"\\'.repeat(8_000)],
		])('stores a user with %s', async (_, nickName) => {
			const store = await open()
			const created = await store.create(userType, { attributes: { ...babs, nickName } })
			expect(await store.get(userType, created.id)).toEqual(created)
		})

		test('refuses a user that is too large to store, and names the limit', async () => {
			const store = await open()
			const digest = (index: number) => createHash('sha256').update(`${index}`).digest('base64')
			const nickName = Array.from({ length: 40_000 }, (_, index) => digest(index)).join('')
			await expect(store.create(userType, { attributes: { ...babs, nickName } })).rejects.toMatchObject({
				status: 413,
				message: expect.stringMatching(/^the resource takes \d+ bytes as JSON; the limit is 1048576$/),
			})
			await store.create(userType, { attributes: babs })
		})
	})

	describe('get', () => {
		test('returns the groups of a user with their current names', async () => {
			const store = await open()
			const [user] = await createUsers(store, 1)
			const { id } = expectFound(user)
			const first = await createGroup(store, 'First', [{ value: id }])
			const second = await createGroup(store, 'Second', [{ value: id }])
			await createGroup(store, 'Third')
			await store.update(groupType, first.id, { revise: () => ({ attributes: { displayName: 'Renamed' } }) })
			expect((await store.get(userType, id, { groups: true }))?.groups).toEqual([
				{ value: first.id, display: 'Renamed' },
				{ value: second.id, display: 'Second' },
			])
		})

		test.each([
			['an id that no resource has', () => unknownUser],
			['the id of a group', async (store: ResourceStore) => (await createGroup(store, 'Not a user')).id],
			['a string that is no id', () => "x' or RowKey ne '"],
			['an empty string', () => ''],
		])('finds no user by %s, nor do update and delete', async (_, idIn) => {
			const store = await open()
			const id = await idIn(store)
			expect(await store.get(userType, id)).toBeUndefined()
			expect(await store.update(userType, id, { revise: () => ({ attributes: babs }) })).toBe('absent')
			expect(await store.delete(userType, id)).toBe('absent')
		})
	})

	describe('update', () => {
		test('stores a revision under a new version', async () => {
			const store = await open()
			const created = await store.create(userType, { attributes: babs })
			const attributes = { ...babs, title: 'Guide', emails: [{ value: 'new@example.com' }] }
			const updated = expectFound(await store.update(userType, created.id, { revise: () => ({ attributes }) }))
			expect(updated).toEqual({ ...created, attributes, version: updated.version, lastModified: updated.lastModified })
			expect(updated.version).not.toBe(created.version)
			expect(await store.get(userType, created.id)).toEqual(updated)
		})

		test('changes nothing if there is no revision', async () => {
			const store = await open()
			const created = await store.create(userType, { attributes: babs })
			expect(await store.update(userType, created.id, { revise: () => undefined })).toEqual(created)
			expect(await store.get(userType, created.id)).toEqual(created)
		})

		test('throws what revise throws, and changes nothing', async () => {
			const store = await open()
			const created = await store.create(userType, { attributes: babs })
			const revise = () => {
				throw new RangeError('no')
			}
			await expect(store.update(userType, created.id, { revise })).rejects.toThrow(new RangeError('no'))
			expect(await store.get(userType, created.id)).toEqual(created)
		})

		test('answers that the version is stale if the condition refuses it, and does not call revise', async () => {
			const store = await open()
			const created = await store.create(userType, { attributes: babs })
			const versions: string[] = []
			const condition = (version: string) => {
				versions.push(version)
				return false
			}
			const revise = () => {
				throw new Error('revise was called')
			}
			expect(await store.update(userType, created.id, { condition, revise })).toBe('stale')
			expect(versions).toEqual([created.version])
		})

		test('frees the old userName for other users, but not if only its letter case changes', async () => {
			const store = await open()
			const { id } = await store.create(userType, { attributes: { userName: 'old' } })
			const rename = (userName: string) =>
				store.update(userType, id, { revise: ({ attributes }) => ({ attributes: { ...attributes, userName } }) })
			expectFound(await rename('OLD'))
			await expect(store.create(userType, { attributes: { userName: 'old' } })).rejects.toMatchObject({ status: 409 })
			expectFound(await rename('new'))
			const other = await store.create(userType, { attributes: { userName: 'Old' } })
			await expect(rename('OLD')).rejects.toMatchObject({
				status: 409,
				message: `userName "OLD" is already taken by the User with the id "${other.id}"`,
			})
			expect((await store.get(userType, id))?.attributes.userName).toBe('new')
			expect(await store.get(userType, other.id)).toEqual(other)
		})

		test('renames a group and changes its members together', async () => {
			const store = await open()
			const [a, b, c] = (await createUsers(store, 3)).map(asMember)
			if (!(a && b && c)) throw new Error('there are fewer than three users')
			const group = await createGroup(store, 'Before', [a, b])
			const updated = expectFound(
				await store.update(groupType, group.id, {
					include: { members: true },
					revise: ({ members }) => {
						expect(members).toEqual([a, b])
						return { attributes: { displayName: 'After' }, membership: { add: [c], remove: [a.value] } }
					},
				}),
			)
			expect(updated.members).toEqual([b, c])
			expect(await store.get(groupType, group.id, { members: true })).toEqual(updated)
			expect(await groupIds(store, a.value)).toEqual([])
			expect(await groupIds(store, c.value)).toEqual([group.id])
			await createGroup(store, 'Before')
		})

		test('skips adds of members and removals of non-members, and makes the rest of the change', async () => {
			const store = await open()
			const [a, b, c] = (await createUsers(store, 3)).map(asMember)
			if (!(a && b && c)) throw new Error('there are fewer than three users')
			const group = await createGroup(store, 'Group', [a])
			const membership = { add: [a, b], remove: [c.value] }
			const updated = await store.update(groupType, group.id, {
				revise: ({ attributes }) => ({ attributes, membership }),
			})
			expect(expectFound(updated).version).not.toBe(group.version)
			expect(await memberIds(store, group.id)).toEqual([a.value, b.value])
			const again = await store.update(groupType, group.id, {
				revise: ({ attributes }) => ({ attributes, membership }),
			})
			expect(again).toEqual(updated)
		})

		test('replaces 100 members of a group with 100 others', async () => {
			const store = await open()
			const users = (await createUsers(store, 200)).map(asMember)
			const [before, after] = [users.slice(0, 100), users.slice(100)]
			const group = await createGroup(store, 'Hundred', before)
			const updated = await store.update(groupType, group.id, {
				include: { members: true },
				revise: () => ({
					attributes: { displayName: 'Other hundred' },
					membership: { add: after, remove: before.map(({ value }) => value) },
				}),
			})
			expect(expectFound(updated).members).toEqual(after)
			expect(await memberIds(store, group.id)).toEqual(after.map(({ value }) => value))
			expect((await store.get(groupType, group.id))?.version).toBe(expectFound(updated).version)
		})

		test('refuses a revision with an unknown member, and changes nothing', async () => {
			const store = await open()
			const group = await createGroup(store, 'Before')
			const revise = () => ({
				attributes: { displayName: 'After' },
				membership: { add: [{ value: unknownUser }], remove: [] },
			})
			await expect(store.update(groupType, group.id, { revise })).rejects.toMatchObject({ status: 400 })
			const { members: _, ...bare } = group
			expect(await store.get(groupType, group.id)).toEqual(bare)
		})

		test('makes one of 50 simultaneous updates with the same condition, and answers stale to 49', async () => {
			const store = await open()
			const created = await store.create(userType, { attributes: babs })
			const results = await Promise.all(
				Array.from({ length: 50 }, (_, index) =>
					store.update(userType, created.id, {
						condition: (version) => version === created.version,
						revise: ({ attributes }) => ({ attributes: { ...attributes, title: `${index}` } }),
					}),
				),
			)
			const updated = results.filter((result) => typeof result === 'object')
			expect(updated).toHaveLength(1)
			expect(results.filter((result) => result === 'stale')).toHaveLength(49)
			expect(await store.get(userType, created.id)).toEqual(updated[0])
		})

		test('makes every one of several simultaneous updates without a condition', async () => {
			const store = await open()
			const { id } = await store.create(userType, { attributes: { userName: 'x', roles: [] } })
			await Promise.all(
				Array.from({ length: 4 }, (_, index) =>
					store.update(userType, id, {
						revise: ({ attributes }) => ({
							attributes: { ...attributes, roles: [...rolesOf(attributes), { value: `${index}` }] },
						}),
					}),
				),
			)
			const stored = await store.get(userType, id)
			expect(
				rolesOf(stored?.attributes ?? {})
					.map(({ value }) => value)
					.sort(),
			).toEqual(['0', '1', '2', '3'])
		})
	})

	describe('changeMembers', () => {
		test('changes the members of the group and the groups of the users, and answers the new version', async () => {
			const store = await open()
			const [a, b] = (await createUsers(store, 2)).map(asMember)
			if (!(a && b)) throw new Error('there are fewer than two users')
			const group = await createGroup(store, 'Group', [a])
			const change = { add: [{ ...b, display: 'Bee' }], remove: [a.value] }
			const answer = await store.changeMembers(group.id, change)
			const stored = await store.get(groupType, group.id, { members: true })
			expect(answer).toEqual({ version: stored?.version })
			expect(stored?.version).not.toBe(group.version)
			expect(stored?.members).toEqual([{ ...b, display: 'Bee' }])
			expect(await groupIds(store, a.value)).toEqual([])
			expect(await groupIds(store, b.value)).toEqual([group.id])
		})

		test.each([
			['an empty change', { add: [], remove: [] }],
			['an add of a member', { add: ['a'], remove: [] }],
			['a removal of a non-member', { add: [], remove: ['b'] }],
			['an add of a member and a removal of a non-member', { add: ['a'], remove: ['b'] }],
		] as const)('keeps the version after %s', async (_, { add, remove }) => {
			const store = await open()
			const [a, b] = (await createUsers(store, 2)).map(({ id }) => id)
			if (!(a && b)) throw new Error('there are fewer than two users')
			const idsByName = { a, b }
			const group = await createGroup(store, 'Group', [{ value: a }])
			const change = {
				add: add.map((name) => ({ value: idsByName[name] })),
				remove: remove.map((name) => idsByName[name]),
			}
			expect(await store.changeMembers(group.id, change)).toEqual({ version: group.version })
			expect(await store.changeMembers(group.id, change, () => true)).toEqual({ version: group.version })
			expect(await store.get(groupType, group.id, { members: true })).toEqual(group)
		})

		test('ignores the removal of ids that no user has', async () => {
			const store = await open()
			const group = await createGroup(store, 'Group')
			const remove = [unknownUser, unknownGroup, "x'|y" as ResourceId] // sound: the test needs an invalid id
			expect(await store.changeMembers(group.id, { add: [], remove })).toEqual({ version: group.version })
		})

		test('refuses a change that adds an unknown user, and adds none of the others', async () => {
			const store = await open()
			const [user] = await createUsers(store, 1)
			const group = await createGroup(store, 'Group')
			const add = [asMember(expectFound(user)), { value: unknownUser }]
			await expect(store.changeMembers(group.id, { add, remove: [] })).rejects.toMatchObject({
				status: 400,
				scimType: 'invalidValue',
				message: `members[value eq "${unknownUser}"]: no user has this id`,
			})
			expect(await memberIds(store, group.id)).toEqual([])
		})

		test('answers that an unknown group is absent, with and without a condition', async () => {
			const store = await open()
			const [user] = await createUsers(store, 1)
			const change = { add: [asMember(expectFound(user))], remove: [] }
			expect(await store.changeMembers(unknownGroup, change)).toBe('absent')
			expect(await store.changeMembers(unknownGroup, change, () => true)).toBe('absent')
			expect(await store.changeMembers(unknownGroup, { add: [], remove: [] })).toBe('absent')
			expect(await store.changeMembers(expectFound(user).id, change)).toBe('absent')
			expect(await groupIds(store, expectFound(user).id)).toEqual([])
		})

		test('makes one of 20 simultaneous changes with the same condition, and answers stale to 19', async () => {
			const store = await open()
			const users = await createUsers(store, 20)
			const group = await createGroup(store, 'Group')
			const condition = (version: string) => version === group.version
			const results = await Promise.all(
				users.map((user) => store.changeMembers(group.id, { add: [asMember(user)], remove: [] }, condition)),
			)
			expect(results.filter((result) => result === 'stale')).toHaveLength(19)
			expect(await memberIds(store, group.id)).toHaveLength(1)
		})

		test('loses none of 200 simultaneous changes of one member each', async () => {
			const store = await open()
			const users = await createUsers(store, 200)
			const [staying, leaving] = [users.slice(0, 100), users.slice(100)]
			const group = await createGroup(store, 'Group', leaving.map(asMember))
			await Promise.all([
				...staying.map((user) => store.changeMembers(group.id, { add: [asMember(user)], remove: [] })),
				...leaving.map(({ id }) => store.changeMembers(group.id, { add: [], remove: [id] })),
			])
			expect(await memberIds(store, group.id)).toEqual(staying.map(({ id }) => id))
		})

		test('makes one of two contradicting changes completely after the other', async () => {
			const store = await open()
			const users = (await createUsers(store, 8)).map(asMember)
			const ids = users.map(({ value }) => value)
			for (let times = 0; times < 10; times++) {
				// Half of the users are members, so that both changes have to look up which of them are.
				const group = await createGroup(store, `Group ${times}`, users.slice(4))
				await Promise.all([
					store.changeMembers(group.id, { add: users, remove: [] }),
					store.changeMembers(group.id, { add: [], remove: ids }),
				])
				const left = await memberIds(store, group.id)
				expect(left).toEqual(left?.length === 0 ? [] : ids)
			}
		})

		test('adds 100 members in one call and removes 100 in another', async () => {
			const store = await open()
			const users = await createUsers(store, 100)
			const group = await createGroup(store, 'Group')
			const added = await store.changeMembers(group.id, { add: users.map(asMember), remove: [] })
			expect(await memberIds(store, group.id)).toEqual(users.map(({ id }) => id))
			expect(added).toEqual({ version: (await store.get(groupType, group.id))?.version })
			await store.changeMembers(group.id, { add: [], remove: users.map(({ id }) => id) })
			expect(await memberIds(store, group.id)).toEqual([])
		})

		test('refuses a large change that adds an unknown user, and adds none of the others', async () => {
			const store = await open()
			const users = await createUsers(store, 100)
			const group = await createGroup(store, 'Group')
			const add = [...users.map(asMember), { value: unknownUser }]
			await expect(store.changeMembers(group.id, { add, remove: [] })).rejects.toMatchObject({ status: 400 })
			expect(await store.get(groupType, group.id, { members: true })).toEqual(group)
		})
	})

	describe('delete', () => {
		test('removes a user from its groups and frees its userName', async () => {
			const store = await open()
			const user = await store.create(userType, { attributes: babs })
			const group = await createGroup(store, 'Group', [asMember(user)])
			expect(await store.delete(userType, user.id)).toBe('deleted')
			expect(await store.get(userType, user.id)).toBeUndefined()
			expect(await store.delete(userType, user.id)).toBe('absent')
			const stored = await store.get(groupType, group.id, { members: true })
			expect(stored?.members).toEqual([])
			expect(stored?.version).not.toBe(group.version)
			await store.create(userType, { attributes: babs })
		})

		test('removes a group from its members and frees its displayName', async () => {
			const store = await open()
			const users = await createUsers(store, 120)
			const group = await createGroup(store, 'Group', users.map(asMember))
			expect(await store.delete(groupType, group.id)).toBe('deleted')
			expect(await store.get(groupType, group.id)).toBeUndefined()
			expect(await store.delete(groupType, group.id)).toBe('absent')
			expect(await groupIds(store, expectFound(users[119]).id)).toEqual([])
			expect(await store.changeMembers(group.id, { add: users.slice(0, 1).map(asMember), remove: [] })).toBe('absent')
			await createGroup(store, 'Group')
		})

		test('removes a user from 80 groups', async () => {
			const store = await open()
			const [user] = await createUsers(store, 1)
			const member = asMember(expectFound(user))
			const groups = []
			for (let index = 0; index < 80; index++) groups.push(await createGroup(store, `Group ${index}`, [member]))
			expect(await store.delete(userType, member.value)).toBe('deleted')
			for (const { id, version } of groups) {
				const stored = await store.get(groupType, id, { members: true })
				expect(stored?.members).toEqual([])
				expect(stored?.version).not.toBe(version)
			}
		})

		test.each([userType, groupType])('keeps a $name if the condition refuses its version', async (type) => {
			const store = await open()
			const attributes = type === userType ? babs : { displayName: 'Group' }
			const created = await store.create(type, { attributes })
			expect(await store.delete(type, created.id, (version) => version !== created.version)).toBe('stale')
			expect(await store.get(type, created.id)).toEqual(created)
			expect(await store.delete(type, created.id, (version) => version === created.version)).toBe('deleted')
		})

		test('leaves a user in no group if another request adds the user at the same time', async () => {
			const store = await open()
			const users = await createUsers(store, 20)
			const group = await createGroup(store, 'Group')
			const outcomes = await Promise.allSettled(
				users.flatMap((user) => [
					store.changeMembers(group.id, { add: [asMember(user)], remove: [] }),
					store.delete(userType, user.id),
				]),
			)
			for (const outcome of outcomes) {
				if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ status: 400 })
			}
			expect(await memberIds(store, group.id)).toEqual([])
		})
	})
}

const rolesOf = (attributes: AttributeValues): readonly { readonly value: string }[] =>
	Array.isArray(attributes.roles) ? attributes.roles : []
