import { describe, expect, test } from 'vitest'
import type { ActionOutcome } from '../../console/answers/actions.ts'
import { type ActionWatch, openJobs } from '../../console/jobs.ts'

const done: ActionOutcome = { state: 'done', text: 'It is done.', json: {}, isFailure: false, notes: [] }

/** An action that the test ends. */
function slow() {
	let resolve: (outcome: ActionOutcome) => void = () => {}
	let reject: (error: Error) => void = () => {}
	const promise = new Promise<ActionOutcome>((onEnd, onError) => {
		resolve = onEnd
		reject = onError
	})
	const watches: ActionWatch[] = []
	const work = (watch: ActionWatch) => {
		watches.push(watch)
		return promise
	}
	return { run: { words: 'import', tenant: 'acme', work }, resolve, reject, watch: () => watches[0] }
}

function jobs() {
	let time = 0
	let count = 0
	const opened = openJobs({ now: () => time, newId: () => `job-${++count}` })
	return { ...opened, pass: (milliseconds: number) => (time += milliseconds) }
}

describe('jobs', () => {
	test('an action that ends soon answers with its end', async () => {
		const { start, state } = jobs()
		expect(await start({ words: 'token add', tenant: 'acme', work: async () => done })).toEqual({
			...{ id: 'job-1', words: 'token add' },
			...done,
		})
		expect(await state('job-1')).toBe(undefined)
	})

	test('a long action tells how far it is, also to a page that is opened meanwhile', async () => {
		const { start, state, of } = jobs()
		const { run, watch, resolve } = slow()
		const first = await start(run)
		expect(first).toEqual({ id: 'job-1', words: 'import', state: 'running', done: 0, progress: '', notes: [] })
		watch()?.show(0.5, 'line 10')
		watch()?.note('In 10 minutes it goes on.')
		const half = { id: 'job-1', words: 'import', state: 'running', done: 0.5, progress: 'line 10' }
		expect(await state('job-1')).toEqual({ ...half, notes: ['In 10 minutes it goes on.'] })
		const glance = { id: 'job-1', words: 'import', isOver: false, done: 0.5, progress: 'line 10' }
		expect(of('acme')).toEqual([glance])
		expect(of('globex')).toEqual([])
		resolve(done)
		const end = { id: 'job-1', words: 'import', ...done, notes: ['In 10 minutes it goes on.'] }
		expect(await state('job-1')).toEqual(end)
		expect(of('acme')).toEqual([])
	})

	test('an action that fails tells the error and what helps', async () => {
		const { start } = jobs()
		const { run, reject } = slow()
		reject(new Error('the disk is full'))
		expect(await start(run)).toMatchObject({ state: 'refused', error: expect.stringContaining('the disk is full') })
	})

	test('an end that no page has asked for is forgotten after 15 minutes', async () => {
		const { start, state, of, pass } = jobs()
		const { run, resolve } = slow()
		await start(run)
		resolve(done)
		await new Promise(setImmediate)
		pass(15 * 60_000 - 1)
		expect(of('acme')).toMatchObject([{ id: 'job-1', isOver: true }])
		pass(1)
		expect(of('acme')).toEqual([])
		expect(await state('job-1')).toBe(undefined)
	})
})
