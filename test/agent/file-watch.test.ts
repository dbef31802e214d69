import { appendFileSync, chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FileWatch, watchFiles } from '../../agent/file-watch.ts'

let folder = ''
let file = ''
let changes = 0
let watch: FileWatch
/** Waiting looks of the watch. */
const due: (() => void)[] = []
const clock = {
	now: () => 0,
	after: (_: number, run: () => void) => {
		due.push(run)
		return () => undefined
	},
}

/** Lets five seconds pass. */
async function look(): Promise<void> {
	for (const run of due.splice(0)) run()
	await new Promise((resolve) => setImmediate(resolve))
}

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-watch-'))
	file = join(folder, 'relay.json')
	writeFileSync(file, 'one', { mode: 0o600 })
	changes = 0
	due.splice(0)
	watch = watchFiles({ files: () => [file], changed: () => changes++, clock })
})
afterEach(() => {
	watch.stop()
	rmSync(folder, { recursive: true })
})

test('files that stay the same are no change', async () => {
	for (let times = 0; times < 3; times++) await look()
	expect(changes).toBe(0)
})

test('a change is reported once, when it has settled', async () => {
	writeFileSync(file, 'two words')
	await look()
	expect(changes).toBe(0)
	appendFileSync(file, ' and more')
	await look()
	expect(changes).toBe(0)
	await look()
	expect(changes).toBe(1)
	await look()
	expect(changes).toBe(1)
})

test.each([
	['a removed file', () => rmSync(file)],
	['another mode', () => chmodSync(file, 0o644)],
	[
		'another file of the same size',
		() => {
			rmSync(file)
			writeFileSync(file, 'two')
		},
	],
])('%s is a change', async (_, change) => {
	change()
	await look()
	await look()
	expect(changes).toBe(1)
})

test('what was noted is no change', async () => {
	writeFileSync(file, 'two words')
	watch.note()
	await look()
	await look()
	expect(changes).toBe(0)
})

test('after its end, nothing is reported', async () => {
	watch.stop()
	writeFileSync(file, 'two words')
	await look()
	await look()
	expect(changes).toBe(0)
})
