import { expect, test } from 'vitest'
import { newEpochFixture } from '../../support/epochs.ts'

const day = 24 * 60 * 60_000

test('before epochs, all that happens from the end of the feed on is told, also once epochs have begun', async () => {
	const fixture = await newEpochFixture()
	const before = fixture.open({ feed: 'operations' })
	await fixture.createUser(before)
	fixture.pass(3_600_000)
	const end = await before.feedEnd()
	const second = await fixture.createUser(before)
	expect(await before.changes(end, 10)).toEqual({ changes: [], nextCursor: end })
	const later = fixture.open({ feed: 'epochs' })
	const third = await fixture.createUser(later)
	fixture.pass(1000)
	const old = await later.changes(end, 10)
	expect(old.changes.map(({ id }) => id)).toEqual([second.id])
	fixture.pass(1000)
	expect((await later.changes(old.nextCursor, 10)).changes.map(({ id }) => id)).toEqual([third.id])
})

test('before epochs, the end of a quiet feed moves on with its reader and expires without one', async () => {
	const fixture = await newEpochFixture()
	const store = fixture.open({ feed: 'operations' })
	const end = await store.feedEnd()
	let cursor = end
	for (let days = 0; days < 70; days++) {
		fixture.pass(day / 2)
		cursor = (await store.changes(cursor, 10)).nextCursor
	}
	await expect(store.changes(end, 10)).rejects.toMatchObject({ scimType: 'expiredCursor' })
	const { id } = await fixture.createUser(store)
	fixture.pass(61_000)
	expect((await store.changes(cursor, 10)).changes).toMatchObject([{ id }])
})

test('with epochs, the end of the feed is that of the last closed epoch', async () => {
	const fixture = await newEpochFixture()
	const store = fixture.open()
	await fixture.createUser(store)
	fixture.pass(1000)
	await store.changes('', 10)
	const { id } = await fixture.createUser(store)
	const end = await store.feedEnd()
	fixture.pass(1000)
	expect((await store.changes(end, 10)).changes).toMatchObject([{ id }])
})
