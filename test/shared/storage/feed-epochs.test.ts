import { describe, expect, test } from 'vitest'
import { userType } from '../../../shared/scim/resource-type.ts'
import { insert, merge, remove } from '../../../shared/storage/table/batch.ts'
import { etagOf, type Send, type TableRequest } from '../../../shared/storage/table/tables.ts'
import { directoryOf } from '../../../shared/storage/table-store.ts'
import { commit } from '../../../shared/storage/transaction/commit.ts'
import { type FeedRunOptions, runFeed, type UserUpdate } from '../../support/feed-world/run.ts'
import type { Behaviour } from '../../support/feed-world/world.ts'

// Writers, readers and a sweep meet each other at every step, with clocks that are hours apart, and with requests and
// answers that are lost, late or doubled. `SEED=17 npx vitest run test/shared/storage/feed-epochs.test.ts` repeats a run.

const seedsOf = (count: number): readonly number[] =>
	process.env.SEED === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(process.env.SEED)]

/** With five kinds of runs and the ones below, this takes two minutes on two cores. */
const runs = 700

describe('a reader of the feed is told each change once, and the changes of a user in their order', () => {
	test.each<[string, FeedRunOptions]>([
		['', {}],
		['if any failing operation is named', { isAnyNamed: true, lanes: 2 }],
		['with 8 lanes', { lanes: 8 }],
		['while another reader begins with everybody', { hasJoiner: true }],
		['while old entries are removed', { isTrimmed: true }],
		['while old entries are removed and any failing operation is named', { isTrimmed: true, isAnyNamed: true }],
	])('%s', async (_, options) => {
		let commits = 0
		let compared = 0
		for (const seed of seedsOf(runs)) {
			const { problems, ...run } = await runFeed(seed, options)
			expect({ seed, problems }).toEqual({ seed, problems: [] })
			commits += run.commits
			compared += run.compared
		}
		// A reader whose next entries were removed is not compared.
		if (process.env.SEED === undefined)
			expect({ commits, compared }).toSatisfy(() => commits > 7 * runs && compared > runs / 2)
	})
})

/** Changes the transactions of a process, as if its program were another one. */
const rewriting =
	(rewrite: (body: string) => string) =>
	(send: Send): Send =>
	(request) =>
		send(request.body === undefined ? request : { ...request, body: rewrite(request.body) })

/** Answers some requests in place of the service. */
const answering =
	(isMeant: (request: TableRequest) => boolean, status: number, code = '') =>
	(send: Send): Send =>
	async (request) => {
		if (!isMeant(request)) return send(request)
		return { status, text: JSON.stringify({ 'odata.error': { code } }), headers: { get: () => undefined } }
	}

const part = (epoch: number): string => epoch.toString(16).padStart(12, '0')

/** Makes changes open the epoch again if it is closed. They should require that it is open. */
const withoutCondition = rewriting((body) =>
	body.replace(/(\nMERGE [^\n]*RowKey='e%7C0[^\n]*\n(?:[^\r\n]+\r\n)*?)If-Match: \*\r\n/g, '$1'),
)

const cannotClose = answering(({ body = '' }) => /\nDELETE [^\n]*'e%7C/.test(body), 500)

const cannotSeeEntries = answering(
	({ method, path }) => method === 'GET' && path.includes("RowKey='f%7C"),
	...([404, 'ResourceNotFound'] as const),
)

const closeLanesOneByOne: Behaviour = async ({ options }) => {
	const { table } = directoryOf(options)
	const open = Number((await table.get('e|!'))?.n)
	for (const lane of [0, 1]) {
		await table.transaction([remove(`e|${part(open)}|${lane}`), insert(`e|${part(open + 1)}|${lane}`, {})])
	}
	await table.transaction([merge('e|!', { n: open + 1 })])
}

/** Removes all entries of closed epochs, and says so afterwards. */
const trimAndSaySo: Behaviour = async ({ options }) => {
	const { table } = directoryOf(options)
	const pointer = await table.get('e|!')
	if (pointer === undefined) return
	for await (const rows of table.pages({ from: 'f|', to: `f|${part(Number(pointer.n))}|` })) {
		for (const { RowKey } of rows) await table.transaction([remove(RowKey)])
	}
	await table.transaction([merge('e|!', { first: Number(pointer.n) }, etagOf(pointer))])
}

/** Updates the row of a user by an operation that the clock of the process alone decides. */
const updateByClock: UserUpdate = async ({ options }, id) => {
	const directory = directoryOf(options)
	for (let attempt = 0; attempt < 4; attempt++) {
		const row = await directory.table.get(`u|${id}`)
		if (row === undefined) return 'refused'
		const operation = options.ids('Operation')
		const outcome = await commit(directory, {
			operation,
			entry: { kind: 'update', type: userType, id },
			operations: [merge(`u|${id}`, { v: operation }, etagOf(row))],
		})
		if (outcome.kind === 'done') return 'done'
	}
	return 'refused'
}

describe('each part of the protocol is necessary: readers or clients are told wrongly', () => {
	const untold = /^[qr] was told \w+ 0 times$/
	const refused = /^\w+ was refused and is there$|^\w+ is there 2 times$/
	const disordered = /^[qr] was told the changes of \w+ in another order$/

	test.each<[string, RegExp, FeedRunOptions]>([
		['if changes do not require that their epoch is open', untold, { aroundWriters: withoutCondition }],
		[
			'if the lanes of an epoch are closed one by one',
			untold,
			{ lanes: 2, closer: closeLanesOneByOne, aroundReaders: cannotClose },
		],
		[
			'if a writer does not look for its entry in a closed epoch',
			refused,
			{ isAnyNamed: true, aroundWriters: cannotSeeEntries },
		],
		['if an operation is not later than the version that it replaces', disordered, { update: updateByClock }],
		['if entries are removed before the row of the epoch says so', untold, { isTrimmed: true, trimmer: trimAndSaySo }],
	])('%s', async (_, expected, options) => {
		const problems: string[] = []
		for (const seed of seedsOf(400)) {
			problems.push(...(await runFeed(seed, options)).problems)
			if (problems.some((problem) => expected.test(problem))) break
		}
		expect(problems).toContainEqual(expect.stringMatching(expected))
	})
})
