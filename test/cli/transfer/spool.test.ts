import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { openSpool } from '../../../cli/transfer/spool.ts'

test('texts come back from memory and from a file, and the file has no name', async () => {
	const spool = openSpool(10)
	const short = await spool.keep('short')
	const [first, second] = await Promise.all([spool.keep('zwölf Zeichen'), spool.keep('twelve more\n')])
	expect([await short(), await first(), await second()]).toEqual(['short', 'zwölf Zeichen', 'twelve more\n'])
	expect((await readdir(tmpdir())).filter((name) => name.startsWith('rollcall-export-'))).toEqual([])
	await spool.clear()
	const third = await spool.keep('eleven more')
	expect(await third()).toBe('eleven more')
	await spool.close()
})
