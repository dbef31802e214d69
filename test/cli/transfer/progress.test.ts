import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bar, withProgress } from '../../../cli/transfer/progress.ts'
import { rollcall } from '../../support/rollcall.ts'

test.each([
	[0, '[                    ]   0 %'],
	[0.4, '[########            ]  40 %'],
	[0.999, '[################### ]  99 %'],
	[1, '[####################] 100 %'],
	[1.5, '[####################] 100 %'],
])('%f of the work is %j', (done, text) => {
	expect(bar(done)).toBe(text)
})

test('a bar is shown on a terminal, and always removed at the end', async () => {
	const seen: string[] = []
	const err = (text: string) => seen.push(text)
	const work = withProgress({ err, isWatched: true }, async (show) => {
		show(0.5, 'half of it')
		throw new Error('the rest')
	})
	await expect(work).rejects.toThrow('the rest')
	expect(seen).toEqual(['\r\x1b[K[##########          ]  50 %  half of it', '\r\x1b[K'])
	await withProgress({ err, isWatched: false }, async (show) => show(0.5, 'half of it'))
	expect(seen).toHaveLength(2)
})

test('an import shows which part of its file it has read', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'rollcall-cli-'))
	const [data, file] = [join(folder, 'data'), join(folder, 'export')]
	await rollcall(['tenant', 'add', 'acme', '--data', data])
	const header = '{"type":"Export","format":1,"tenant":"acme","exported":"2026-01-01T00:00:00Z"}\n'
	const rest = `${'\n'.repeat(header.length * 3)}{"type":"End","users":0,"groups":0,"memberships":0}\n`
	await writeFile(file, `${header}${rest}`)
	const { code, err } = await rollcall(['import', 'acme', file, '--data', data], { isWatched: true })
	expect(code).toBe(0)
	expect(err.split('\r\x1b[K')).toEqual(['', '[####                ]  21 %  line 1', ''])
	await rm(folder, { recursive: true })
})
