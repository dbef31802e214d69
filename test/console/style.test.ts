import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const style = readFileSync(new URL('../../console/page/style.css', import.meta.url), 'utf8')

test('each custom property that the style uses is declared, and each declared one is used', () => {
	const declared = new Set(style.match(/(?<=^\t)--[a-z-]+(?=:)/gm))
	const used = new Set(style.match(/(?<=var\()--[a-z-]+/g))
	expect(used).toEqual(declared)
})
