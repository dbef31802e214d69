import { respondWith } from '../functions/respond.ts'
import { createServices } from '../functions/services.ts'
import { startServer } from '../local/server.ts'

// Runs the loopback host in its own process. It answers each message with the processor time that it has used.
const [connectionString = '', tokens = ''] = process.argv.slice(2)
const services = await createServices({ tables: { connectionString }, tokens: { file: tokens } })
const { url } = await startServer({ port: 0, respond: respondWith(services) })

process.on('message', () => {
	const { user, system } = process.cpuUsage()
	process.send?.({ cpuMilliseconds: (user + system) / 1000, peakMegabytes: process.resourceUsage().maxRSS / 1024 })
})
process.send?.({ url })
