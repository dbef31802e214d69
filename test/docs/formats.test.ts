import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { formats } from '../../shared/tenants/format.ts'

type Row = {
	readonly version: string
	readonly newest: number
	readonly target: number
	readonly back: readonly string[]
	/** What the page says it reads. */
	readonly reads: string
}

/** The table of versions and formats in docs/operations.md. */
function tableOf(page: string): readonly Row[] {
	const [, section = ''] = /^## Formats of the data$(.*?)^## /ms.exec(page) ?? []
	const [, lines = ''] = /^\| Version \|.*\n\|[-|]+\|\n((?:\|.*\n)+)/m.exec(section) ?? []
	return lines
		.trim()
		.split('\n')
		.map((line) => {
			const [version = '', reads = '', target = '', back = ''] = line
				.split('|')
				.slice(1, -1)
				.map((cell) => cell.trim())
			const newest = Number(/^(?:1 to )?(\d+)/.exec(reads)?.[1])
			return { version, reads, newest, target: Number(target), back: back === '' ? [] : back.split(', ') }
		})
}

const rows = tableOf(readFileSync('docs/operations.md', 'utf8'))

describe('the formats of each version in docs/operations.md', () => {
	test('end with what this version reads and raises tenants to', () => {
		const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
		const { newest, target } = formats
		expect(rows.at(-1)).toMatchObject({ version, target, reads: newest === 1 ? '1' : `1 to ${newest}` })
	})

	test('keep the rule of two releases, and name only versions to go back to that can read the data', () => {
		expect(rows.length).toBeGreaterThan(1)
		for (const [index, { version, newest, target, back }] of rows.entries()) {
			expect(target).toBeLessThanOrEqual(newest)
			const previous = rows[index - 1]
			if (previous === undefined) continue
			expect(target, `${version} raises to what ${previous.version} reads`).toBeLessThanOrEqual(previous.newest)
			expect(back, `one can go back from ${version}`).toContain(previous.version)
			const readable = rows.slice(0, index).filter((row) => row.newest >= target)
			// 0.1.0 ignores the number, so its row must say that it reads format 1 alone.
			expect(readable.map((row) => row.version)).toEqual(expect.arrayContaining([...back]))
		}
	})
})
