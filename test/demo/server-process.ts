import { respondWith } from '../../functions/respond.ts'
import { createServices } from '../../functions/services.ts'
import { startServer } from '../../local/server.ts'

// The app in its own process, which a test can kill: node server-process.mjs CONNECTION_STRING TOKENS PORT AHEAD. It answers
// the message N by N when its clock is N milliseconds ahead.

const [connectionString = '', tokens = '', port = '0', begun = '0'] = process.argv.slice(2)
let ahead = Number(begun)
const services = await createServices(
	{ tables: { connectionString }, tokens: { file: tokens } },
	{ now: () => Date.now() + ahead },
)
const { url } = await startServer({ port: Number(port), respond: respondWith(services) })
process.on('message', (milliseconds) => {
	ahead = Number(milliseconds)
	process.send?.(milliseconds)
})
process.on('disconnect', () => process.exit())
process.send?.(url)
