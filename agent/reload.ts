import * as z from 'zod'
import { UsageError } from '../shared/cli/usage-error.ts'
import { jsonIn } from '../shared/json-in.ts'
import { commandHeader, reloadPath } from './admin.ts'
import { readSettings } from './config.ts'
import { briefly } from './log.ts'
import { requestText } from './request-text.ts'

const answer = z.object({
	refused: z.array(z.object({ server: z.string().optional(), detail: z.string(), hint: z.string().optional() })),
})

/** What a running agent refused of its new settings. */
export type RefusedSettings = z.infer<typeof answer>['refused'][number]

const limit = 60_000

/**
 * Asks the agent that runs with this settings file to read it again. Returns what the agent refused. Throws a UsageError
 * if the file is invalid, or if no agent answers at its `admin.port`.
 */
export async function reloadAgent(file: string): Promise<readonly RefusedSettings[]> {
	const { admin } = readSettings(file)
	if (admin === undefined)
		throw new UsageError('a reload needs "admin": { "port": 9110 } in the settings', { hint: byItself })
	const options = { method: 'POST', headers: { [commandHeader]: 'reload' }, timeout: limit }
	const url = `http://127.0.0.1:${admin.port}${reloadPath}`
	const { text } = await requestText(url, options).catch((error: unknown) => {
		throw new UsageError(`no agent answers on 127.0.0.1:${admin.port}: ${briefly(error)}`, {
			hint: `Check that it runs: rollcall-relay status. ${byItself}`,
			cause: error,
		})
	})
	const parsed = answer.safeParse(jsonIn(text))
	if (parsed.success) return parsed.data.refused
	throw new UsageError(`another program, or an older agent, answers on 127.0.0.1:${admin.port}`, {
		hint: 'Restart the agent: rollcall-relay restart',
	})
}

const byItself = 'The agent also reads changed files by itself, within ten seconds.'
