import { expect, test } from 'vitest'
import { nextTurn, withTurns, yieldingTurns } from '../../shared/turn.ts'

const round = () => new Promise<void>((resolve) => setImmediate(resolve))

test('while 16 long works are under way, one of them goes on in each round of the event loop, in turn', async () => {
	const order: number[] = []
	const work = async (name: number) => {
		for (let part = 0; part < 3; part++) {
			await nextTurn()
			order.push(name)
		}
	}
	const names = Array.from({ length: 16 }, (_, name) => name)
	const works = Promise.all(names.map(work))
	const perRound: number[] = []
	for (let before = 0; order.length < 48; before = order.length) {
		await round()
		perRound.push(order.length - before)
	}
	await works
	expect(Math.max(...perRound)).toBe(1)
	expect(order).toEqual([...names, ...names, ...names])
})

test('the request that has had the fewest turns is next, so that a short one waits for one turn', async () => {
	const order: string[] = []
	const long = (name: string) =>
		withTurns(async () => {
			for (let part = 0; part < 3; part++) {
				await nextTurn()
				order.push(name)
			}
		})
	const works = [long('a'), long('b'), long('c')]
	while (order.length < 2) await round()
	const short = withTurns(() => nextTurn().then(() => order.push('short')))
	await Promise.all([...works, short])
	expect(order).toEqual(['a', 'b', 'c', 'short', 'a', 'b', 'c', 'a', 'b', 'c'])
})

test('a work alone goes on in the next round', async () => {
	let isOn = false
	const work = nextTurn().then(() => {
		isOn = true
	})
	await round()
	await work
	expect(isOn).toBe(true)
})

test('a work lets others have their turn once it has had 10 ms, counted from the beginning of its turn', async () => {
	let time = 0
	const yieldTurn = yieldingTurns(() => time)
	const hasYielded = async () => {
		const waited = yieldTurn()
		await waited
		return waited !== undefined
	}
	const seen: boolean[] = []
	for (const later of [9.9, 0.1, 9.9, 0.1]) {
		time += later
		seen.push(await hasYielded())
	}
	expect(seen).toEqual([false, true, false, true])
})
