import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { useHost } from '../support/host.ts'

const folder = fileURLToPath(new URL('../../infra/queries/', import.meta.url))
const files = readdirSync(folder)
const newHost = useHost()

test.each(files)('%s asks for fields that the log has', async (file) => {
	const tenant = await newHost()
	await tenant.create('/Users', { userName: 'joy' })
	await tenant.request('POST', '/Users', { body: { userName: 'joy', active: 'True' } })
	const logged = JSON.stringify(tenant.events.at(-1))
	const text = readFileSync(`${folder}${file}`, 'utf8')
	for (const [, field = ''] of text.matchAll(/\bevent\.(\w+)/g)) expect(JSON.parse(logged)).toHaveProperty(field)
	const prefix = /startswith '([^']+)'/.exec(text)?.[1]
	if (prefix !== undefined) expect(logged.startsWith(prefix)).toBe(true)
	expect(text).toMatch(/^\/\/ .+\n/)
})

test('what was behind an error is looked for among the lines of the log, where the worker sends it', () => {
	const text = readFileSync(`${folder}exceptions.kql`, 'utf8')
	expect(text).toMatch(/AppTraces\n +\| where .*SeverityLevel == 3/)
})
