import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folders = ['agent', 'bench', 'cli', 'console', 'demo', 'functions', 'local', 'release', 'shared']

/** The types that the product declares, each with its file. */
const declarations = folders.flatMap((folder) =>
	readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.filter((name) => /\.tsx?$/.test(name))
		.map((name) => join(folder, name))
		.flatMap((file) =>
			[...readFileSync(file, 'utf8').matchAll(/^(?:export )?type (\w+)/gm)].map(([, name = '']) => ({ name, file })),
		),
)

test('a name of a type is declared once', () => {
	expect(declarations.length).toBeGreaterThan(300)
	const first = new Map(declarations.toReversed().map(({ name, file }) => [name, file]))
	const twice = declarations.filter(({ name, file }) => first.get(name) !== file)
	expect(twice).toEqual([])
})
