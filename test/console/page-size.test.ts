import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { usePage } from '../support/console.ts'

const page = usePage()

test('page, script and style are under 150 kB together, and name no other host', () => {
	const names = ['index.html', 'page.js', 'page.css', 'icon.svg']
	const texts = names.map((name) => readFileSync(new URL(name, page()), 'utf8'))
	expect(readdirSync(fileURLToPath(page())).sort()).toEqual(
		[...names, 'THIRD_PARTY_NOTICES.txt', 'README.md', 'docs'].sort(),
	)
	expect(texts.join('').length).toBeLessThan(150_000)
	expect(texts.join('').length).toBeGreaterThan(10_000)
	expect(texts[0]).not.toMatch(/ (style|on\w+)=|<style|<script>/)
	expect(texts.join('')).not.toMatch(/(src|href|url|import|fetch)[=("' ]+https?:/)
})
