import type { Row, Table } from './tables.ts'

// The table service reads a range from its beginning alone. The end of a range is found by its keys: they hold times.

/** Keys that end with hexadecimal digits, in the order of the numbers that the digits make. */
export type KeyScale = {
	/** The number that the first digits of a key make. */
	numberOf(key: string): bigint
	/** The least key with a number. */
	keyAt(number: bigint): string
}

/** The time and the counter of an id. The other digits are random. */
const idDigits = 16
const idBits = 64n
const epochDigits = 12

/** Keys that go on with an id. */
export const idScale = (prefix: string): KeyScale => ({
	numberOf: (key) => numberIn(key.slice(prefix.length, prefix.length + idDigits)),
	keyAt: (number) => `${prefix}${digitsOf(number, idDigits)}`,
})

/** Keys that go on with an epoch and an operation. */
export const epochScale = (prefix: string): KeyScale => ({
	numberOf(key) {
		const [epoch = '', operation = ''] = key.slice(prefix.length).split('|')
		return (numberIn(epoch) << idBits) + numberIn(operation.slice(0, idDigits))
	},
	keyAt: (number) =>
		`${prefix}${digitsOf(number >> idBits, epochDigits)}|${digitsOf(number & ((1n << idBits) - 1n), idDigits)}`,
})

/** The number of the first operation of an epoch that began at a time, in milliseconds since 1970. */
export const epochNumber = (epoch: number, time: number): bigint => (BigInt(epoch) << idBits) + idNumber(time)

/** The number of the first id of a time, in milliseconds since 1970. */
export const idNumber = (time: number): bigint => BigInt(Math.max(Math.floor(time), 0)) << 16n

const numberIn = (digits: string): bigint => (/^[0-9a-f]+$/.test(digits) ? BigInt(`0x${digits}`) : 0n)

const digitsOf = (number: bigint, count: number): string => number.toString(16).padStart(count, '0')

export type EndSearch = {
	readonly scale: KeyScale
	/** The range ends before this key. */
	readonly before: string
	/** Where the last keys are likely to be. Another place costs some requests more. */
	readonly end: bigint
	/** How far before `end` the search begins. */
	readonly span: bigint
	/** The properties to read; all if left out. */
	readonly select?: readonly string[]
}

/** One request reads so many keys. */
const probeSize = 1000
/**
 * The last rows of a range in the order of their keys, at most `count`, which is at most 500. Mostly it takes two or three
 * requests. Keys that are spread very unevenly take some more.
 */
export async function lastRows(table: Table, search: EndSearch, count: number): Promise<readonly Row[]> {
	const from = await firstOfLast(table, search, count)
	if (from === undefined) return []
	const { before: to, select } = search
	const rows: Row[] = []
	for await (const page of table.pages({ from, to, ...(select && { select }) })) rows.push(...page)
	return rows.slice(-count)
}

/**
 * What is known of the place at which the last keys begin. Behind `few` there are too few keys. Behind `many` there may be
 * enough. The thousand keys that end at `many` span `dense` numbers.
 */
type Bounds = { readonly few?: bigint; readonly many?: bigint; readonly dense: bigint; readonly guesses: number }

/** The key of the first of the last rows; undefined if the range is empty. */
async function firstOfLast(table: Table, search: EndSearch, count: number): Promise<string | undefined> {
	let bounds: Bounds = { dense: 0n, guesses: 0 }
	let start = atLeastZero(search.end - search.span)
	for (let tries = 1; ; tries++) {
		const keys = await keysFrom(table, search, start)
		const isWhole = keys.length < probeSize
		if (isWhole && (keys.length >= count || start === 0n)) return keys.at(-count) ?? keys[0]
		if (isWhole) bounds = { ...bounds, few: start }
		else {
			const [first, many] = [keys[0], keys.at(-1)].map((key) => search.scale.numberOf(key ?? '')) as [bigint, bigint] // sound: two keys
			bounds = { ...bounds, many, dense: many - first + 1n }
		}
		if (bounds.many === undefined) start = earlier(search, start, tries)
		else {
			start = between(search, bounds, bounds.many)
			if (start <= bounds.many) return walk(table, search, bounds.many - bounds.dense + 1n, count)
			bounds = { ...bounds, guesses: bounds.guesses + 1 }
		}
	}
}

/**
 * A number behind `many` and before `few`. The first guess assumes that keys are equally dense up to the end. Then two
 * guesses alternate, because each alone is slow for some keys: a step from `many` that grows each time, and the middle.
 */
function between({ end }: EndSearch, { few, dense, guesses }: Bounds, many: bigint): bigint {
	const upper = few ?? (end > many ? end : many + 64n * dense)
	const passed = dense << BigInt(2 * guesses)
	const guess = guesses === 0 ? upper - dense / 2n : guesses % 2 === 1 ? many + passed : many + (upper - many) / 2n
	return guess > many && guess < upper ? guess : many + (upper - many) / 2n
}

/** The keys of the range from a number on, at most a thousand. */
async function keysFrom(table: Table, { scale, before }: EndSearch, start: bigint): Promise<readonly string[]> {
	const range = { from: scale.keyAt(start), to: before, select: ['RowKey'] }
	return (await table.first(range, probeSize)).map(({ RowKey }) => RowKey)
}

/** A start that is further from the end, by more with each try. */
const earlier = ({ end }: EndSearch, start: bigint, tries: number): bigint =>
	atLeastZero(end - ((end > start ? end - start : 1n) << BigInt(6 * tries)))

const atLeastZero = (number: bigint): bigint => (number < 0n ? 0n : number)

/** Reads on to the end, because too many keys have nearly the same number. */
async function walk(table: Table, { scale, before }: EndSearch, start: bigint, count: number) {
	let last: readonly string[] = []
	for await (const page of table.pages({ from: scale.keyAt(start), to: before, select: ['RowKey'] })) {
		last = [...last, ...page.map(({ RowKey }) => RowKey)].slice(-count)
	}
	return last[0]
}
