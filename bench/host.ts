import { readFileSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { respondWith } from '../functions/respond.ts'
import { createServices } from '../functions/services.ts'
import { startServer } from '../local/server.ts'

// Runs the loopback host in its own process. It answers each message with the processor time that it has used, and with
// its peak memory and its longest hold of the event loop since the message before. With a third argument, tenants have
// the rate of the app.
const [connectionString = '', tokens = '', limited] = process.argv.slice(2)
const services = await createServices({
	tables: { connectionString },
	tokens: { file: tokens },
	...(limited !== undefined && { rate: { perSecond: 100, burst: 400 } }),
})
const { url } = await startServer({ port: 0, respond: respondWith(services) })

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()

/** Linux keeps the peak, and forgets it on demand. Other systems tell the peak since the process began. */
function peakMegabytes(): number {
	if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1024
	const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
	return Number(kilobytes) / 1024
}

process.on('message', () => {
	const { user, system } = process.cpuUsage()
	process.send?.({
		cpuMilliseconds: (user + system) / 1000,
		peakMegabytes: peakMegabytes(),
		holdMilliseconds: delay.max / 1e6,
	})
	delay.reset()
	if (process.platform === 'linux') writeFileSync('/proc/self/clear_refs', '5')
})
process.send?.({ url })
