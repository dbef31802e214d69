import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startAgent } from '../agent/agent.ts'
import { readConfig } from '../agent/config.ts'
import { respondWith } from '../functions/respond.ts'
import { createServices } from '../functions/services.ts'
import { startAzurite } from '../local/azurite.ts'
import { startServer } from '../local/server.ts'
import { addToken } from '../shared/auth/file-source.ts'
import { systemClock } from '../shared/relay/clock.ts'
import { startStandIn } from '../test/support/relay-stand-in/stand-in.ts'

// One hop of a relay in its own process. It answers every message with the processor time that it has used.

const [role = '', folder = '', more = ''] = process.argv.slice(2)
const fileOf = (name: string) => readFileSync(join(folder, name), 'utf8')

/** A SCIM server that answers every request with one user, after `?wait=` milliseconds. */
async function startOrigin(): Promise<number> {
	const user = JSON.stringify({
		schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
		id: '2819c223-7f76-453a-919d-413861904646',
		userName: 'bjensen@example.com',
		active: true,
		name: { givenName: 'Barbara', familyName: 'Jensen' },
		emails: [{ type: 'work', value: 'bjensen@example.com', primary: true }],
		meta: { resourceType: 'User', location: 'https://localhost/scim/Users/2819c223-7f76-453a-919d-413861904646' },
	})
	const server = createServer({ cert: fileOf('cert.pem'), key: fileOf('key.pem') }, (request, response) => {
		const wait = Number(/[?&]wait=(\d+)/.exec(request.url ?? '')?.[1] ?? 0)
		const headers = { 'content-type': 'application/scim+json', 'content-length': Buffer.byteLength(user) }
		const answer = () => response.writeHead(request.method === 'POST' ? 201 : 200, headers).end(user)
		request.resume().on('end', () => (wait === 0 ? answer() : setTimeout(answer, wait)))
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	return (server.address() as AddressInfo).port // sound: it listens on TCP
}

/** Another Rollcall as the SCIM server: over TLS, with its data in the storage of another process. */
async function startRollcall(connectionString: string): Promise<number> {
	const file = join(folder, 'tokens.json')
	await addToken(file, 'app', { value: fileOf('origin.token'), created: new Date().toISOString() })
	const services = await createServices({ tables: { connectionString }, tokens: { file } })
	await services.tenants.createTenant({ name: 'app', mode: 'store', settings: {} })
	const tls = { cert: Buffer.from(fileOf('cert.pem')), key: Buffer.from(fileOf('key.pem')) }
	const { url } = await startServer({ port: 0, tls, respond: respondWith(services) })
	return Number(new URL(url).port)
}

/** The address at which other processes reach this hop. */
type HopAddress = { readonly port: number } | { readonly connectionString: string } | Record<never, never>

async function start(): Promise<HopAddress> {
	switch (role) {
		case 'origin':
			return { port: await startOrigin() }
		case 'azurite':
			return { connectionString: (await startAzurite({ memory: true })).connectionString }
		case 'rollcall':
			return { port: await startRollcall(more) }
		case 'stand-in': {
			const certificate = { cert: fileOf('cert.pem'), key: fileOf('key.pem') }
			return { port: (await startStandIn({ certificate, clock: systemClock, entities: more.split(',') })).port }
		}
		case 'agent': {
			const config = readConfig(join(folder, more))
			await startAgent(config, { clock: systemClock, log: () => undefined, random: Math.random }).online
			return {}
		}
		default:
			throw new Error(`unknown hop ${role}`)
	}
}

process.on('message', () => {
	const { user, system } = process.cpuUsage()
	process.send?.({ cpuMilliseconds: (user + system) / 1000 })
})
process.send?.(await start())
