import { respondWith } from '../functions/respond.ts'
import { createServices } from '../functions/services.ts'
import { startServer } from '../local/server.ts'

// The loopback host in a process of its own, which tells how much processor time it has used when it is asked.
const [connectionString = '', tokens = ''] = process.argv.slice(2)
const services = await createServices({ tables: { connectionString }, tokens: { file: tokens } })
const { url } = await startServer({ port: 0, respond: respondWith(services) })

process.on('message', () => {
	const { user, system } = process.cpuUsage()
	process.send?.({ cpuMilliseconds: (user + system) / 1000, peakMegabytes: process.resourceUsage().maxRSS / 1024 })
})
process.send?.({ url })
