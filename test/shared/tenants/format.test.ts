import { describe, expect, test } from 'vitest'
import {
	formatOf,
	formatProblem,
	formatProperties,
	formats,
	requireKnownFormat,
	type TenantFormat,
	writtenFormat,
} from '../../../shared/tenants/format.ts'

const rowWith = (properties: Readonly<Record<string, unknown>>) => ({ RowKey: 'acme', ...properties })
const since = Date.UTC(2026, 0, 1)

describe("the format in a tenant's row", () => {
	test.each<[Readonly<Record<string, unknown>>, TenantFormat]>([
		[{}, { number: 1, stage: 'unnumbered', since: 0, position: '' }],
		[{ format: 1 }, { number: 1, stage: 'complete', since: 0, position: '' }],
		[
			{ format: 2, formatStage: 'announced', formatSince: '2026-01-01T00:00:00.000Z', formatPosition: '' },
			{ number: 2, stage: 'announced', since, position: '' },
		],
		[
			{ format: 2, formatStage: 'written', formatSince: '2026-01-01T00:00:00.000Z', formatPosition: 'u|7' },
			{ number: 2, stage: 'written', since, position: 'u|7' },
		],
		[
			{ format: 3, formatStage: '', formatSince: '2026-01-01T00:00:00.000Z', formatPosition: '' },
			{ number: 3, stage: 'complete', since, position: '' },
		],
	])('%j is read', (properties, format) => {
		expect(formatOf(rowWith(properties))).toEqual(format)
		if (format.stage !== 'unnumbered') expect(formatOf(rowWith(formatProperties(format, 't1')))).toEqual(format)
	})

	test.each([
		...[0, -1, 1.5, Number.NaN, 2 ** 60, '1', 'x', '', true, null, {}].map((format) => ({ format })),
		{ format: 1, formatStage: 'begun' },
		{ format: 1, formatSince: 'yesterday' },
		{ format: 1, formatPosition: 7 },
	])('%j is damaged, and refused with 503', (properties) => {
		const format = formatOf(rowWith(properties))
		expect(format.stage).toBe('unknown')
		expect(formatProblem(format)).toMatch(/^The format number of this tenant's data is damaged\. /)
		expect(() => requireKnownFormat(format)).toThrow(
			expect.objectContaining({ status: 503, headers: { 'Retry-After': '60' } }),
		)
	})

	test('that is newer than the app is refused with both numbers, whatever its stage is called', () => {
		for (const formatStage of ['', 'announced', 'written', 'a stage of the future']) {
			expect(formatProblem(formatOf(rowWith({ format: 3, formatStage })), 1)).toBe(
				"This tenant's data has format 3; this version of Rollcall reads formats up to 1. Deploy a version of Rollcall that reads format 3.",
			)
		}
		expect(formatProblem(formatOf(rowWith({ format: 3, formatStage: 'announced' })), 3)).toBeUndefined()
	})

	test('is written from the second stage on', () => {
		const of = (stage: TenantFormat['stage']) => writtenFormat({ number: 2, stage, since, position: '' })
		expect([of('announced'), of('written'), of('complete')]).toEqual([1, 2, 2])
	})
})

test('this version has a step to each format that it raises tenants to, and knows them all', () => {
	expect(formats.target).toBeLessThanOrEqual(formats.newest)
	const numbers = Array.from({ length: formats.target - 1 }, (_, index) => index + 2)
	expect(formats.steps.map(({ to }) => to)).toEqual(numbers)
})
