import { readdirSync } from 'node:fs'

/** Every page below docs/, by its path. */
export const docs: readonly string[] = readdirSync('docs', { recursive: true, encoding: 'utf8' })
	.filter((name) => name.endsWith('.md'))
	.map((name) => `docs/${name}`)
	.sort()

/** The pages that tell their reader what to type. */
export const pages: readonly string[] = ['README.md', 'CONTRIBUTING.md', ...docs]
