import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { settings } from './vitest.config.ts'

/** What a unit test does without: other processes, sockets, and with them Azurite and certificates. */
const outside = /'node:(child_process|cluster|http|https|http2|net|tls|dgram|worker_threads)'|\/local\/azurite\.ts'/

/** Whether a test, or a helper that it imports, uses something outside its own process. */
function isUnit(file: string, visited = new Set<string>()): boolean {
	if (visited.has(file) || !existsSync(file)) return true
	visited.add(file)
	const text = readFileSync(file, 'utf8')
	if (outside.test(text)) return false
	return [...text.matchAll(/from '(\.[^']+)'/g)]
		.map(([, path = '']) => join(dirname(file), path))
		.filter((path) => path.startsWith('test/'))
		.every((path) => isUnit(path, visited))
}

const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
	.filter((name) => name.endsWith('.test.ts'))
	.map((name) => join('test', name))

// Without sockets and processes, tests do not wait for each other: one worker for each core.
export default defineConfig({
	test: { ...settings, maxWorkers: '100%', include: files.filter((file) => isUnit(file)) },
})
