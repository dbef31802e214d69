import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startAgent } from '../relay/agent.ts'
import { readConfig } from '../relay/config.ts'
import { systemClock } from '../shared/relay/clock.ts'
import { startStandIn } from '../test/support/relay-stand-in/stand-in.ts'

// One hop of a relay in a process of its own, which tells how much processor time it has used when it is asked.

const [role = '', folder = ''] = process.argv.slice(2)
const fileOf = (name: string) => readFileSync(join(folder, name), 'utf8')

/** A SCIM server that takes `?wait=` milliseconds to answer what it was sent, or a user. */
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

async function start(): Promise<number> {
	switch (role) {
		case 'origin':
			return startOrigin()
		case 'stand-in': {
			const certificate = { cert: fileOf('cert.pem'), key: fileOf('key.pem') }
			return (await startStandIn({ certificate, clock: systemClock })).port
		}
		case 'agent': {
			const config = readConfig(join(folder, 'relay.json'))
			await startAgent(config, { clock: systemClock, log: () => undefined, random: Math.random }).online
			return 0
		}
		default:
			throw new Error(`${role} is no hop of a relay`)
	}
}

process.on('message', () => {
	const { user, system } = process.cpuUsage()
	process.send?.({ cpuMilliseconds: (user + system) / 1000 })
})
process.send?.({ port: await start() })
