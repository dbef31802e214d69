import { startAgent } from '../../../agent/agent.ts'
import { readConfig } from '../../../agent/config.ts'
import { countAllTime, scaledClock } from './scaled-clock.ts'

// An agent in its own process, which a test can kill: node agent-process.mjs CONFIG FACTOR NOW [all-time]. NOW starts its
// clock.

const [file = '', factor = '1', now = '', speed] = process.argv.slice(2)
if (speed === 'all-time') countAllTime()
const clock = scaledClock(Number(factor), Number(now))
const agent = startAgent(readConfig(file), { clock, log: () => undefined, random: Math.random })

process.on('SIGTERM', () => {
	agent.drain().then(
		() => process.exit(0),
		() => process.exit(1),
	)
})
