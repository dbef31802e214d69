import { describe, expect, test } from 'vitest'
import type { Point } from '../../bench/chart.ts'
import { verdictLines, verdictsOn } from '../../bench/growth-targets.ts'

const point = (operation: string, size: number, more: Partial<Point> = {}): Point => ({
	service: 'simulator',
	operation,
	by: 'members',
	size,
	requests: 1,
	p50: 1,
	p95: 2,
	ratio: 1.1,
	...more,
})

const missedBy = (points: readonly Point[], megabytes = 100): readonly string[] =>
	verdictLines(verdictsOn(points, megabytes)).slice(1)

describe('the targets of growth', () => {
	test('are met if nothing grows', () => {
		const sizes = [0, 1000, 1_000_000]
		const points = sizes.flatMap((size) => [point('add a member', size), point('read the group', size)])
		// Requests and ratio of both operations, p95 of the one that changes a member, and the memory.
		expect(verdictLines(verdictsOn(points, 255.9))).toEqual(['6 of 6 targets are met'])
	})

	test.each<[string, readonly Point[], readonly string[]]>([
		[
			'one request more at one size',
			[point('match', 0), point('match', 1000, { requests: 2 }), point('match', 10_000)],
			['MISSED  simulator: match: requests, the same wanted: 1 at 0 members, 2 at 1,000 members, 1 at 10,000 members'],
		],
		[
			'a ratio of more than one and a half times that at the smallest size',
			[point('match', 0, { ratio: 1 }), point('match', 9, { ratio: 1.5 }), point('match', 10, { ratio: 1.51 })],
			[
				'MISSED  simulator: match: ratio to raw, at most 1.50 wanted: 1.00 at 0 members, 1.50 at 9 members, 1.51 at 10 members',
			],
		],
		[
			'a growing p95 of an operation that changes a member',
			['add a member', 'remove a member', 'match'].flatMap((name) => [point(name, 0), point(name, 9, { p95: 3.01 })]),
			['add', 'remove'].map(
				(verb) =>
					`MISSED  simulator: ${verb} a member: p95 in ms, at most 3.00 wanted: 2.00 at 0 members, 3.01 at 9 members`,
			),
		],
		[
			'a missing measurement',
			[point('match', 0, { ratio: Number.POSITIVE_INFINITY }), point('match', 9, { ratio: Number.POSITIVE_INFINITY })],
			['MISSED  simulator: match: ratio to raw, at most Infinity wanted: Infinity at 0 members, Infinity at 9 members'],
		],
		[
			'no measurement of another service',
			[point('match', 0), point('match', 0, { service: 'Azurite', requests: 2, ratio: 9 })],
			[],
		],
	])('are missed by %s', (_, points, lines) => {
		expect(missedBy(points)).toEqual(lines)
	})

	test('are missed by a host that uses 256 MB', () => {
		expect(missedBy([], 256)).toEqual(['MISSED  memory of the host: 256 MB, less than 256 MB wanted'])
	})
})
