import { withoutValues } from '../shared/scim/without-values.ts'
import { type Refusal, type RefusalCount, subjectOf } from '../shared/storage/refusals.ts'
import { settingsOf } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { Timer } from './timer.ts'
import { outsideRequests } from './usage.ts'

/** Gathers refusals and stores them beside the requests. */
export type Refusals = {
	/** Notes that a request of a tenant which writes was refused. */
	note(tenant: Tenant, refusal: Refusal): void
	/** Stores what is noted and not yet stored. Never rejects. */
	flush(): Promise<void>
}

type RefusalsOptions = {
	/** Stores up to 50 counts in one transaction. */
	readonly store: (tenant: Tenant, counts: readonly RefusalCount[]) => Promise<void>
	readonly newOperation: () => string
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** Runs what no request waits for. */
	readonly later: Timer
}

/** The wait before refusals are stored: a process that is killed loses those of this time. */
const delay = 1000
/** The wait after the store was away. */
const delayAfterFailure = 30_000
/** One transaction has so many rows, and one of them may count the others. */
const rowsAtOnce = 50
/** Rows that a process begins for a tenant in an hour. Further refusals are counted with the others. */
const newRowsAnHour = 2000
/** Counts that are in memory, of all tenants. */
const maxCounts = 2000
const maxSentence = 1000
const hour = 3_600_000
const day = 24 * hour

type Counting = { -readonly [Name in keyof RefusalCount]: RefusalCount[Name] }

/** What is known of one tenant. `changed` are the counts to store. */
type TenantRefusals = {
	tenant: Tenant
	readonly counts: Map<string, Counting>
	changed: Set<Counting>
	others: Counting | undefined
	hourBegan: number
	newRows: number
}

export function openRefusals({ store, newOperation, now, later }: RefusalsOptions): Refusals {
	const tenants = new Map<string, TenantRefusals>()
	let size = 0
	let isScheduled = false

	const stateOf = (tenant: Tenant): TenantRefusals => {
		const known = tenants.get(tenant.table)
		const state = known ?? {
			tenant,
			counts: new Map(),
			changed: new Set(),
			others: undefined,
			hourBegan: now(),
			newRows: 0,
		}
		state.tenant = tenant
		tenants.set(tenant.table, state)
		return state
	}

	const begin = (refusal: Refusal): Counting => ({
		...refusal,
		operation: newOperation(),
		count: 0,
		first: now(),
		last: now(),
	})

	/** Forgets the counts that are stored. Their refusals begin new rows when they come again. */
	const forgetStored = (): void => {
		for (const state of tenants.values()) {
			for (const [key, count] of state.counts) if (!state.changed.has(count)) state.counts.delete(key)
		}
		size = [...tenants.values()].reduce((total, { counts }) => total + counts.size, 0)
	}

	const mayBegin = (state: TenantRefusals): boolean => {
		if (now() - state.hourBegan >= hour) {
			state.hourBegan = now()
			state.newRows = 0
		}
		if (size >= maxCounts) forgetStored()
		return state.newRows < newRowsAnHour && size < maxCounts
	}

	/** The count of refusals like this one; undefined if it is to be counted with the others. */
	const countOf = (state: TenantRefusals, refusal: Refusal): Counting | undefined => {
		const key = JSON.stringify([refusal.credential?.id, subjectOf(refusal), refusal.sentence])
		const known = state.counts.get(key)
		if (known !== undefined && now() - known.first < day) return isRoom(state, known) ? known : undefined
		if (!isRoom(state) || !mayBegin(state)) return undefined
		const count = begin(refusal)
		if (known === undefined) size++
		state.counts.set(key, count)
		state.newRows++
		return count
	}

	const othersOf = (state: TenantRefusals): Counting => {
		const { others } = state
		if (others !== undefined && now() - others.first < day) return others
		const created: Counting = { ...begin({ method: '', path: '', status: 0, sentence: '' }), isOthers: true }
		state.others = created
		return created
	}

	const schedule = (milliseconds: number): void => {
		if (isScheduled) return
		isScheduled = true
		outsideRequests(() => later(milliseconds, () => void flush()))
	}

	/** Answers whether it is stored. What is not stored stays to be stored, as far as there is room. */
	const storeOne = async (state: TenantRefusals): Promise<boolean> => {
		const counts = [...state.changed]
		state.changed = new Set()
		if (counts.length === 0) return true
		const isStored = await store(
			state.tenant,
			counts.map((count) => ({ ...count })),
		).then(
			() => true,
			() => false,
		)
		if (!isStored) for (const count of counts) if (isRoom(state, count)) state.changed.add(count)
		return isStored
	}

	const flush = async (): Promise<void> => {
		const stored = await Promise.all([...tenants.values()].map(storeOne))
		isScheduled = false
		if ([...tenants.values()].some(({ changed }) => changed.size > 0)) {
			schedule(stored.every((isStored) => isStored) ? delay : delayAfterFailure)
		}
	}

	return {
		note(tenant, refusal) {
			const { history } = settingsOf(tenant)
			if (history === 'off') return
			const state = stateOf(tenant)
			const kept = keptOf(refusal, history)
			const count = countOf(state, kept) ?? othersOf(state)
			count.count++
			count.last = now()
			if (count.isOthers === undefined) Object.assign(count, kept)
			state.changed.add(count)
			schedule(delay)
		},
		flush,
	}
}

/** Whether a count can be stored with those that wait. The last place is for the others. */
const isRoom = ({ changed }: TenantRefusals, count?: Counting): boolean =>
	(count !== undefined && changed.has(count)) || count?.isOthers === true || changed.size < rowsAtOnce - 1

function keptOf(refusal: Refusal, history: 'full' | 'names'): Refusal {
	const sentence = refusal.sentence.slice(0, maxSentence)
	return { ...refusal, sentence: history === 'full' ? sentence : withoutValues(sentence) }
}
