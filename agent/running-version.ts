import * as z from 'zod'
import { isNewer } from '../shared/relay/versions.ts'
import { readSettings } from './config.ts'
import { briefly } from './log.ts'
import { requestText } from './request-text.ts'

const told = z.object({
	rollcall: z.object({ version: z.string(), newestAgent: z.string() }).optional(),
	upgrade: z.string().optional(),
})

/** What is read of the answer to `/status`: for one server, or for several in a list. */
const answer = told.extend({ version: z.string(), servers: z.array(told).optional() })

/** Longer than the agent's health check of the SCIM server. */
const limit = 15_000

/**
 * What the agent that runs with this settings file says of versions, as lines such as `AgentVersion=0.2.0`. If the agent
 * cannot be asked, one line with the reason.
 */
export async function versionLines(file: string): Promise<string> {
	try {
		const { admin } = readSettings(file)
		if (admin === undefined) return unknown(`"admin": { "port": 9110 } is missing in ${file}`)
		const { text } = await requestText(`http://127.0.0.1:${admin.port}/status`, { timeout: limit })
		return linesOf(answer.parse(JSON.parse(text)))
	} catch (error) {
		const isOther = error instanceof SyntaxError || error instanceof z.ZodError
		return unknown(isOther ? 'another program answers at admin.port' : briefly(error))
	}
}

const unknown = (reason: string): string => `AgentVersion=unknown: ${reason}\n`

function linesOf({ version, servers = [], ...only }: z.infer<typeof answer>): string {
	const all = [only, ...servers]
	const rollcall = all.find((each) => each.rollcall !== undefined)?.rollcall
	const upgrade = all.flatMap((each) => each.upgrade ?? []).reduce(newer, '')
	const lines = [
		`AgentVersion=${version}`,
		...(rollcall === undefined
			? ['RollcallVersion=unknown: no request has arrived yet']
			: [`RollcallVersion=${rollcall.version}`]),
		...(upgrade === '' ? [] : [`Upgrade=${upgrade}`]),
	]
	return `${lines.join('\n')}\n`
}

const newer = (one: string, other: string): string => (isNewer(other, one) ? other : one)
