import { ScimError } from '../../../shared/scim/error.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ChangeEntry } from '../../../shared/storage/feed-order.ts'
import { sweep } from '../../../shared/storage/sweep.ts'
import type { Send } from '../../../shared/storage/table/tables.ts'
import { violationsIn } from '../audit.ts'
import { type Behaviour, type CommittedChange, type FeedProcess, type FeedWorld, newFeedWorld } from './world.ts'

/** What differs from the product, or goes on beside it. */
export type FeedRunOptions = {
	readonly isAnyNamed?: boolean
	readonly lanes?: number
	/** Entries are trimmed as early as possible, or while they are young. */
	readonly isTrimmed?: boolean
	readonly aroundWriters?: (send: Send) => Send
	readonly aroundReaders?: (send: Send) => Send
	/** Another process that closes epochs. */
	readonly closer?: Behaviour
	/** In place of the sweep. */
	readonly trimmer?: Behaviour
	/** In place of the update of a user. */
	readonly update?: UserUpdate
	/** Whether a third reader begins with everybody, while changes are made. */
	readonly hasJoiner?: boolean
}

export type UserUpdate = (process: FeedProcess, id: ResourceId, title: string) => Promise<JobEnding>

/** `done`: the change must be there once. `refused`: it must never be there. */
type JobEnding = 'done' | 'refused' | 'perhaps'

/** Three processes make changes, two follow the feed. Answers what is wrong, and how much was compared. */
export async function runFeed(seed: number, options: FeedRunOptions = {}) {
	const { aroundWriters, aroundReaders, closer, isTrimmed = false, trimmer = trim } = options
	const world = await newFeedWorld({ seed, isAnyNamed: options.isAnyNamed ?? false, lanes: options.lanes ?? 1 })
	const plan = newPlan(world, options.update ?? updateUser)
	const cursor = isTrimmed ? world.cursor : ''
	const readers = ['q', 'r'].map((name) => newFollower(() => world.begin(name, aroundReaders), { name, cursor }))
	const joiner = newJoiner(() => world.begin('j', aroundReaders), world.groupId)
	await world.run([
		...['a', 'b', 'c'].map((name) => write(world.begin(name, aroundWriters), plan)),
		...readers.map(({ follow }) => follow()),
		...(options.hasJoiner ? [joiner.join()] : []),
		...(closer === undefined ? [] : [repeat(6, closer, world.begin('closer'))]),
		...(isTrimmed ? [repeat(3, trimmer, world.begin('sweeper'))] : []),
	])
	const problems = [...plan.problems, ...answerProblems(plan)]
	let compared = 0
	for (const reader of readers) {
		const told = await reader.finish(world.observer)
		if (told === undefined) continue
		compared++
		problems.push(...tellingProblems(reader.name, told, world))
		problems.push(...(await memberProblems(reader.name, told, world)))
	}
	if (options.hasJoiner) problems.push(...(await joiner.finish(world.observer)))
	const { tables, tenant } = world.observer.options
	problems.push(...(await violationsIn(tables.table(tenant.table, tenant.name))))
	return { problems, commits: world.committed.length, compared }
}

type Plan = FeedWorld & {
	readonly problems: string[]
	readonly refused: Set<string>
	/** Users that jobs have created. */
	readonly created: ResourceId[]
	readonly update: UserUpdate
	readonly unique: () => string
}

function newPlan(world: FeedWorld, update: UserUpdate): Plan {
	let made = 0
	return { ...world, problems: [], refused: new Set(), created: [], update, unique: () => `unique${made++}` }
}

type Job = (process: FeedProcess, plan: Plan) => Promise<JobEnding>

function pick<T>(items: readonly T[], below: FeedProcess['below']): T {
	const item = items[below(items.length)]
	if (item === undefined) throw new RangeError('there is nothing to pick')
	return item
}

const asMembers = (ids: readonly ResourceId[]) => ids.map((value) => ({ value }))

const createUser: Job = async ({ store, below, options }, { created }) => {
	const id = options.ids('User')
	await store.create(userType, { id, attributes: { userName: `n${below(3)}` } })
	created.push(id)
	return 'done'
}

const change: Job = (process, { users, update, unique }) => update(process, pick(users, process.below), unique())

const addMember: Job = async ({ store, below }, { users, groupId }) => {
	await store.changeMembers(groupId, { add: asMembers([pick(users, below)]), remove: [] })
	return 'perhaps'
}

const removeMember: Job = async ({ store, below }, { users, groupId }) => {
	await store.changeMembers(groupId, { add: [], remove: [pick(users, below)] })
	return 'perhaps'
}

const changeGroup: Job = async ({ store }, { groupId, users, unique }) => {
	await store.update(groupType, groupId, {
		include: { members: true },
		revise: ({ attributes, members = [] }) => ({
			attributes: { ...attributes, externalId: unique() },
			membership:
				members.length > 0
					? { add: [], remove: members.map(({ value }) => value) }
					: { add: asMembers(users.slice(0, 1)), remove: [] },
		}),
	})
	return 'done'
}

const deleteUser: Job = async ({ store, below }, { created }) => {
	if (created.length === 0) return 'refused'
	// A deletion that another process has made meanwhile looks the same.
	return (await store.delete(userType, pick(created, below))) === 'deleted' ? 'perhaps' : 'refused'
}

const jobs: readonly Job[] = [createUser, change, change, addMember, removeMember, changeGroup, deleteUser]

const updateUser: UserUpdate = async ({ store }, id, title) => {
	const updated = await store.update(userType, id, {
		revise: ({ attributes }) => ({ attributes: { ...attributes, title } }),
	})
	return typeof updated === 'string' ? 'refused' : 'done'
}

/** Four changes, one after another. What is answered as done must be there at that moment. */
async function write(process: FeedProcess, plan: Plan): Promise<void> {
	for (let number = 0; number < 4; number++) {
		const job = `${process.name}${number}`
		plan.setJob(process.name, job)
		const ending = await endingOf(pick(jobs, process.below), process, plan)
		const isThere = plan.committed.some((each) => each.job === job)
		if (ending === 'done' && !isThere) plan.problems.push(`${job} was answered as done and is not there`)
		if (ending === 'refused') plan.refused.add(job)
	}
}

async function endingOf(job: Job, process: FeedProcess, plan: Plan): Promise<JobEnding> {
	try {
		return await job(process, plan)
	} catch (error) {
		if (error instanceof ScimError) return error.status === 503 ? 'perhaps' : 'refused'
		plan.problems.push(String(error))
		return 'perhaps'
	}
}

/** A change that was refused and is there, or that is there twice. */
const answerProblems = ({ committed, refused }: Plan): readonly string[] =>
	[...groupBy(committed, ({ job }) => job)].flatMap(([job, { length }]) => [
		...(refused.has(job) ? [`${job} was refused and is there`] : []),
		...(/^[abc]/.test(job) && length > 1 ? [`${job} is there ${length} times`] : []),
	])

async function repeat(rounds: number, behaviour: Behaviour, process: FeedProcess): Promise<void> {
	for (let round = 0; round < rounds; round++) {
		await behaviour(process).catch((error: unknown) => {
			if (!(error instanceof ScimError)) throw error
		})
	}
}

const hour = 3_600_000

/** Removes all entries of closed epochs, or older ones. */
const trim: Behaviour = ({ options, below }) => sweep({ ...options, keepFeedFor: below(4) === 0 ? 0 : below(3 * hour) })

/** Follows the feed. It may die, and then begins again at the cursor that it has kept. */
function newFollower(begin: () => FeedProcess, { name, cursor: from }: { name: string; cursor: string }) {
	const told: ChangeEntry[] = []
	let cursor = from
	let hasExpired = false
	/** Answers whether anything is new. */
	const read = async ({ store }: FeedProcess, count: number): Promise<boolean> => {
		try {
			const { changes, nextCursor } = await store.changes(cursor, count)
			told.push(...changes)
			cursor = nextCursor
			return changes.length > 0
		} catch (error) {
			if (!(error instanceof ScimError)) throw error
			hasExpired ||= error.scimType === 'expiredCursor'
			return false
		}
	}
	return {
		name,
		async follow(): Promise<void> {
			let process = begin()
			for (let round = 0; round < 6; round++) {
				if (process.below(4) === 0) process = begin()
				await read(process, pick([1, 3, 100], process.below))
			}
		},
		/** Reads to the end. Undefined if entries were removed before this reader came to them. */
		async finish(observer: FeedProcess): Promise<readonly ChangeEntry[] | undefined> {
			for (let empty = 0; empty < 2; ) empty = (await read(observer, 7)) ? 0 : empty + 1
			return hasExpired ? undefined : told
		},
	}
}

/** Reads everybody and the members of the group while changes are made, and then follows the feed. */
function newJoiner(begin: () => FeedProcess, groupId: ResourceId) {
	const users = new Map<string, string>()
	let members = new Set<string>()
	let cursor: string | undefined
	const readMembers = async ({ store }: FeedProcess): Promise<void> => {
		const group = await store.get(groupType, groupId, { members: true })
		members = new Set(group?.members?.map(({ value }) => value))
	}
	const apply = async (process: FeedProcess, { resourceType, id, kind, changed }: ChangeEntry): Promise<void> => {
		if (resourceType === 'User') {
			const read = await process.store.get(userType, id as ResourceId)
			if (read !== undefined) users.set(id, read.version)
			else users.delete(id)
			if (kind === 'delete') members.delete(id)
			return
		}
		for (const mark of changed.filter((name) => name.startsWith('+'))) members.add(mark.slice(1))
		for (const mark of changed.filter((name) => name.startsWith('-'))) members.delete(mark.slice(1))
		if (changed.includes('members')) await readMembers(process)
	}
	return {
		async join(): Promise<void> {
			const process = begin()
			// After a request that failed, the reader begins again.
			for (let attempt = 0; attempt < 3 && cursor === undefined; attempt++) {
				try {
					const end = await process.store.feedEnd()
					const { resources } = await process.store.query(userType, { page: { after: '', count: 1000 } })
					users.clear()
					for (const { id, version } of resources) users.set(id, version)
					await readMembers(process)
					cursor = end
				} catch (error) {
					if (!(error instanceof ScimError)) throw error
				}
			}
		},
		async finish(observer: FeedProcess): Promise<readonly string[]> {
			if (cursor === undefined) return []
			for (let empty = 0; empty < 2; ) {
				const page = await observer.store.changes(cursor, 7)
				for (const entry of page.changes) await apply(observer, entry)
				empty = page.changes.length === 0 ? empty + 1 : 0
				cursor = page.nextCursor
			}
			const { resources } = await observer.store.query(userType, { page: { after: '', count: 1000 } })
			const group = await observer.store.get(groupType, groupId, { members: true })
			const actual = resources.map(({ id, version }) => `${id} ${version}`)
			const known = [...users].map(([id, version]) => `${id} ${version}`)
			const actualMembers = group?.members?.map(({ value }) => value) ?? []
			return [
				...(known.sort().join() === actual.sort().join() ? [] : ['j ends with other users']),
				...([...members].sort().join() === actualMembers.sort().join() ? [] : ['j ends with other members']),
			]
		},
	}
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
	const groups = new Map<string, T[]>()
	for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
	return groups
}

type Ordered = { readonly id: string; readonly operation: string }

const orders = (changes: readonly Ordered[]): ReadonlyMap<string, string> =>
	new Map(
		[...groupBy(changes, ({ id }) => id)].map(([id, list]) => [id, list.map(({ operation }) => operation).join()]),
	)

/** Changes of users that were not told once, and users whose changes were told in another order. */
function tellingProblems(name: string, told: readonly ChangeEntry[], { committed, own }: FeedWorld): readonly string[] {
	const news = told.filter(({ operation }) => !own.has(operation))
	const known = new Set(committed.map(({ operation }) => operation))
	const counts = groupBy(news, ({ operation }) => operation)
	const ofUsers = ({ resourceType }: CommittedChange | ChangeEntry) => resourceType === 'User'
	const expected = orders(committed.filter(ofUsers))
	return [
		...committed
			.filter((each) => ofUsers(each) && counts.get(each.operation)?.length !== 1)
			.map(({ job, operation }) => `${name} was told ${job} ${counts.get(operation)?.length ?? 0} times`),
		...news
			.filter(({ operation }) => !known.has(operation))
			.map(({ operation }) => `${name} was told ${operation}, which is not there`),
		...[...orders(news.filter(ofUsers))]
			.filter(([id, order]) => order !== expected.get(id))
			.map(([id]) => `${name} was told the changes of ${id} in another order`),
	]
}

/** Whether a reader who applies what it was told ends with the members as they are. */
async function memberProblems(name: string, told: readonly ChangeEntry[], { groupId, observer }: FeedWorld) {
	const members = new Set<string>()
	for (const { resourceType, id, kind, changed } of told) {
		if (resourceType === 'User' && kind === 'delete') members.delete(id)
		for (const mark of id === groupId ? changed : []) {
			if (mark.startsWith('+')) members.add(mark.slice(1))
			if (mark.startsWith('-')) members.delete(mark.slice(1))
		}
	}
	const group = await observer.store.get(groupType, groupId, { members: true })
	const actual = (group?.members ?? []).map(({ value }) => value)
	return [...members].sort().join() === actual.sort().join() ? [] : [`${name} ends with other members`]
}
