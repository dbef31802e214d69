import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { SweepEvent } from '../../functions/sweep.ts'
import { useHost } from '../support/host.ts'
import { faultsOf } from './kusto.ts'

const folder = fileURLToPath(new URL('../../infra/queries/', import.meta.url))
const files = readdirSync(folder)
const newHost = useHost()

const sweepEvent: SweepEvent = {
	...{ event: 'sweep', tenant: 'acme', finished: 0, feedEntriesRemoved: 0 },
	guard: {
		...{ deletedPeople: 51, deletedGroups: 0, deactivatedPeople: 0 },
		...{ allowedPeople: 50, allowedGroups: 50, isBeyond: true, halvedGroups: ['1'] },
	},
	...{ milliseconds: 0, errors: [] },
}

test.each(files)('%s uses only fields that the log has', async (file) => {
	const tenant = await newHost()
	await tenant.create('/Users', { userName: 'joy' })
	await tenant.request('POST', '/Users', { body: { userName: 'joy', active: 'True' } })
	const text = readFileSync(`${folder}${file}`, 'utf8')
	const logged = JSON.stringify(text.includes('"event":"sweep"') ? sweepEvent : tenant.events.at(-1))
	for (const [, field = ''] of text.matchAll(/\bevent\.(\w+(?:\.\w+)*)/g))
		expect(JSON.parse(logged)).toHaveProperty(field)
	const prefix = /startswith '([^']+)'/.exec(text)?.[1]
	if (prefix !== undefined) expect(logged.startsWith(prefix)).toBe(true)
	expect(text).toMatch(/^\/\/ .+\n/)
})

test.each(files)('%s is valid Kusto', (file) => {
	expect(faultsOf(readFileSync(`${folder}${file}`, 'utf8'))).toEqual([])
})

test.each([
	['failures.kql', 'ItemCount', 'ItemsCount', /^ItemsCount: The name 'ItemsCount' does not refer to any known column/],
	['failures.kql', 'AppTraces', 'AppTrace', /^AppTrace: The name 'AppTrace' does not refer to any known table/],
	['latency.kql', 'percentilew(', 'percentilw(', /The name 'percentilw' does not refer to any known function/],
	['throttling.kql', 'Message, 0, 300', 'Message, "0", 300', /^"0": The expression value must be an integer/],
	['throttling.kql', 'on RequestId', 'on Request', /^Request: The name 'Request' does not refer to any known column/],
	['exceptions.kql', 'OuterMessage', 'OuterMesage', /^OuterMesage: The name 'OuterMesage' does not refer/],
	['quirks.kql', '| summarize', '| summarise', /summarise/],
	['quarantine-risk.kql', 'bin(TimeGenerated, 1h)', 'bin(TimeGenerated, 1h', /Expected: \)/],
])('%s is invalid with %s written as %s', (file, right, wrong, fault) => {
	const text = readFileSync(`${folder}${file}`, 'utf8')
	expect(text).toContain(right)
	expect(faultsOf(text.replace(right, wrong)).join('\n')).toMatch(fault)
})

test('the cause of an error is looked up in the lines of the log, where the worker writes it', () => {
	const text = readFileSync(`${folder}exceptions.kql`, 'utf8')
	expect(text).toMatch(/AppTraces\n +\| where .*SeverityLevel == 3/)
})
